// What the norm of all gradients follows from, and clipping by it.

// Adds what one warp of `parts` has of the numbers: the sum of their squares, and how many are not 0.
__device__ void add_squares(const float *numbers, whole count, whole part, whole parts, double *squares, whole *nonzeros) {
    auto add = [&](float number) {
        *squares += (double)number * (double)number;
        *nonzeros += number != 0.0f;
    };
    whole lane = part * WARP + threadIdx.x % WARP, step = parts * WARP;
    whole fours = fours_of(numbers, count);
    for (whole at = lane; at < fours; at += step) {
        float4 four = ((const float4 *)numbers)[at];
        add(four.x);
        add(four.y);
        add(four.z);
        add(four.w);
    }
    for (whole at = fours * 4 + lane; at < count; at += step) add(numbers[at]);
}

// Writes for each of `parts` warps the sum of the squares of its share of four slices of numbers, and how many of them are
// not 0. Which numbers a warp has does not depend on the size of blocks.
extern "C" __global__ void norm_parts(const float *first, whole first_count, const float *second, whole second_count,
                                      const float *third, whole third_count, const float *fourth, whole fourth_count,
                                      whole parts, double *squares, whole *nonzeros) {
    whole part = (whole)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (part >= parts) return;
    double sum = 0.0;
    whole more = 0;
    add_squares(first, first_count, part, parts, &sum, &more);
    add_squares(second, second_count, part, parts, &sum, &more);
    add_squares(third, third_count, part, parts, &sum, &more);
    add_squares(fourth, fourth_count, part, parts, &sum, &more);
    sum = warp_sum(sum);
    more = warp_sum(more);
    if (threadIdx.x % WARP == 0) {
        squares[part] = sum;
        nonzeros[part] = more;
    }
}

// What a norm follows from.
struct Norm {
    double squares;
    whole nonzeros;
};

// Chains of sums that are added side by side, whatever the size of the block.
#define CHAINS 256

// Returns the sums of the parts `from` to `end` to all threads of a block, always added in the same order.
__device__ Norm sum_of_parts(const double *squares, const whole *nonzeros, whole from, whole end) {
    __shared__ double sums[CHAINS];
    __shared__ whole counts[CHAINS];
    for (unsigned chain = threadIdx.x; chain < CHAINS; chain += blockDim.x) {
        double sum = 0.0;
        whole count = 0;
        for (whole at = from + chain; at < end; at += CHAINS) {
            sum += squares[at];
            count += nonzeros[at];
        }
        sums[chain] = sum;
        counts[chain] = count;
    }
    __syncthreads();
    for (unsigned apart = CHAINS / 2; apart > 0; apart /= 2) {
        for (unsigned chain = threadIdx.x; chain < apart; chain += blockDim.x) {
            sums[chain] += sums[chain + apart];
            counts[chain] += counts[chain + apart];
        }
        __syncthreads();
    }
    Norm norm = {sums[0], counts[0]};
    __syncthreads();
    return norm;
}

// As `Sums::norm` of clip.rs.
__device__ double norm_of(Norm norm) { return sqrt(norm.squares / (double)(norm.nonzeros > 1 ? norm.nonzeros : 1)); }

// Makes from the parts, of which the first `clipped` are of what is clipped, the norm of that, what it is to be multiplied
// by, and the norm of everything after that. Without a place for the factor, nothing is clipped. One block.
extern "C" __global__ void norm_scale(const double *squares, const whole *nonzeros, whole clipped, whole parts, double most,
                                      double *scale, float *before, float *after) {
    Norm held = sum_of_parts(squares, nonzeros, 0, clipped);
    Norm free = sum_of_parts(squares, nonzeros, clipped, parts);
    if (threadIdx.x != 0) return;
    double norm = norm_of(held);
    if (scale) {
        double factor = norm > most ? 1.0 / (norm + 1e-6) * most : 1.0;
        held.squares *= factor * factor;
        *scale = factor;
    }
    *before = (float)norm;
    *after = (float)norm_of(Norm{held.squares + free.squares, held.nonzeros + free.nonzeros});
}
