// What all kernels share. Every parameter of a kernel is 8 bytes long: a pointer, a `whole` or a double. Blocks are whole
// warps, at most 256 threads of them, and rows are counted by blockIdx.x. Nothing depends on the order in which blocks,
// warps or threads run: atomics only count whole numbers, and every sum of floats has one order.

typedef long long whole;
typedef unsigned int bits32;

#define WARP 32
#define MOST_THREADS 256
#define ALL_LANES 0xffffffffu

// From `weights.rs`: norms below count as this one unless a row is zero altogether, rows above the other are not rounded.
#define SMALLEST 9.313225746154785e-10f
#define LARGEST 1099511627776.0f

// Returns how many groups of four numbers can be read at once: none where they do not begin at a multiple of 16 bytes.
__device__ whole fours_of(const float *numbers, whole count) { return (whole)numbers % 16 == 0 ? count / 4 : 0; }

// Returns the sum over a warp to all of its lanes: partial sums halved five times.
template <class Number> __device__ Number warp_sum(Number sum) {
    for (int apart = WARP / 2; apart > 0; apart /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, apart);
    return sum;
}

// Returns the sum of whole numbers over a warp to all of its lanes: one operation from compute capability 8.0 on.
__device__ bits32 warp_total(bits32 count) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    return __reduce_add_sync(ALL_LANES, count);
#else
    return warp_sum(count);
#endif
}

// Returns to all lanes of a warp for how many of the entries a condition holds.
template <class Holds> __device__ bits32 warp_count(whole entries, Holds holds) {
    bits32 number = 0;
    for (whole at = threadIdx.x % WARP; at < entries; at += WARP) number += holds(at);
    return warp_total(number);
}

// Returns whether all numbers of rows of this width can be read four at a time.
__device__ bool in_fours(const float *rows, whole width) {
    return width % 4 == 0 && (unsigned long long)rows % 16 == 0;
}

// Returns the numbers of a row from `at` on, 0 for those beyond its end.
__device__ float4 four(const float *row, whole at, whole width, bool fours) {
    if (fours) return at < width ? *(const float4 *)(row + at) : float4{0.0f, 0.0f, 0.0f, 0.0f};
    return float4{at < width ? row[at] : 0.0f, at + 1 < width ? row[at + 1] : 0.0f, at + 2 < width ? row[at + 2] : 0.0f,
                  at + 3 < width ? row[at + 3] : 0.0f};
}

// Writes the numbers of a row from `at` on, as far as it goes.
__device__ void put_four(float *row, whole at, whole width, bool fours, float4 x) {
    if (fours) {
        if (at < width) *(float4 *)(row + at) = x;
        return;
    }
    const float *each[4] = {&x.x, &x.y, &x.z, &x.w};
    for (int part = 0; part < 4 && at + part < width; part++) row[at + part] = *each[part];
}

// Returns where the pairs of a row begin: at its place in `starts`, or at its number times `stride`.
__device__ whole first_pair(const int *starts, whole row, whole stride) { return starts ? starts[row] : row * stride; }

// Returns `sum + left . right`, from left to right.
__device__ float dot_four(float4 left, float4 right, float sum) {
    return fmaf(left.w, right.w, fmaf(left.z, right.z, fmaf(left.y, right.y, fmaf(left.x, right.x, sum))));
}

// Adds `factor` times four numbers to four sums.
__device__ void add_four(float factor, float4 x, float4 &sums) {
    sums.x = fmaf(factor, x.x, sums.x);
    sums.y = fmaf(factor, x.y, sums.y);
    sums.z = fmaf(factor, x.z, sums.z);
    sums.w = fmaf(factor, x.w, sums.w);
}

// Returns the sum over a block to all of its threads, always added in the same order.
__device__ double block_sum(double sum) {
    __shared__ double sums[MOST_THREADS];
    sums[threadIdx.x] = sum;
    __syncthreads();
    double total = 0.0;
    if (threadIdx.x < WARP) {
        for (unsigned at = threadIdx.x; at < blockDim.x; at += WARP) total += sums[at];
    }
    __syncthreads();
    if (threadIdx.x < WARP) sums[threadIdx.x] = total;
    __syncthreads();
    total = 0.0;
    for (int at = 0; at < WARP; at++) total += sums[at];
    __syncthreads();
    return total;
}

// Returns the sum of what the warps before this one have counted, and in `total` that of all: each brings its count in its last
// lane.
__device__ bits32 warps_before(bits32 count, bits32 *total) {
    __shared__ bits32 warps[MOST_THREADS / WARP];
    int warp = threadIdx.x / WARP;
    if (threadIdx.x % WARP == WARP - 1) warps[warp] = count;
    __syncthreads();
    bits32 before = 0, all = 0;
    for (int at = 0; at < (int)(blockDim.x / WARP); at++) {
        if (at < warp) before += warps[at];
        all += warps[at];
    }
    __syncthreads();
    *total = all;
    return before;
}

// Returns the sum of the counts of the threads before this one, and in `total` that of all.
__device__ bits32 block_before(bits32 count, bits32 *total) {
    int lane = threadIdx.x % WARP;
    bits32 through = count;
    for (int apart = 1; apart < WARP; apart *= 2) {
        bits32 other = __shfl_up_sync(ALL_LANES, through, apart);
        if (lane >= apart) through += other;
    }
    return through - count + warps_before(through, total);
}

// Returns for how many of the threads before this one a condition holds, and in `total` for how many of all: one vote of each
// warp.
__device__ bits32 block_before_where(bool holds, bits32 *total) {
    bits32 held = __ballot_sync(ALL_LANES, holds);
    bits32 earlier = held & ((1u << threadIdx.x % WARP) - 1);
    return __popc(earlier) + warps_before(__popc(held), total);
}

// Returns the place of a score among others, the larger the earlier, as `select::rank` does: NaN before all others, and 0
// for what cannot be selected.
__device__ bits32 rank_of(float score) {
    if (score != score) return 0xffffffffu;
    return score > 0.0f ? __float_as_uint(score) : 0u;
}

// What a selection keeps: every rank above `rank`, and the first `ties` entries of that rank.
struct Cut {
    bits32 rank;
    bits32 ties;
};

// Returns the cut that keeps the `count` largest of the ranks `rank(0)` to `rank(entries - 1)` that are not 0, or all of
// them where there are fewer. A digit of 8 bits at a time, from the top.
template <class Rank> __device__ Cut block_cut(Rank rank, whole entries, whole count) {
    __shared__ bits32 bins[256];
    __shared__ bits32 found[2];
    bits32 known = 0, mask = 0;
    bits32 wanted = (bits32)count;
    for (int shift = 24; shift >= 0; shift -= 8) {
        for (int bin = threadIdx.x; bin < 256; bin += blockDim.x) bins[bin] = 0;
        if (threadIdx.x == 0) found[0] = 256;
        __syncthreads();
        for (whole at = threadIdx.x; at < entries; at += blockDim.x) {
            bits32 here = rank(at);
            if (here != 0 && (here & mask) == known) atomicAdd(&bins[here >> shift & 255], 1u);
        }
        __syncthreads();
        bits32 above = 0;
        for (int first = 0; first < 256; first += blockDim.x) {
            int bin = 255 - first - (int)threadIdx.x;
            bits32 here = bin >= 0 ? bins[bin] : 0, all;
            bits32 before = above + block_before(here, &all);
            if (before < wanted && wanted <= before + here) {
                found[0] = (bits32)bin;
                found[1] = wanted - before;
            }
            above += all;
        }
        __syncthreads();
        bits32 digit = found[0];
        wanted = digit < 256 ? found[1] : wanted;
        __syncthreads();
        // Only the first digit can find too few.
        if (digit == 256) return Cut{0, 0};
        known |= digit << shift;
        mask |= 255u << shift;
    }
    return Cut{known, wanted};
}

// Rows to be added up, each times its weight, which a block reads together.
struct Staged {
    const float *row[MOST_THREADS];
    float weight[MOST_THREADS];
};

// Stages what as many of the entries from `first` to `end` as the block has threads bring, and returns how many those are.
// `take(at, row, weight)` says what an entry brings; rows of weight 0 are not looked at.
template <class Take> __device__ int stage(Staged &staged, whole first, whole end, Take take) {
    // What was staged before has been read.
    __syncthreads();
    if (first + threadIdx.x < end) {
        const float *row;
        float weight;
        take(first + threadIdx.x, row, weight);
        staged.row[threadIdx.x] = weight != 0.0f ? row : nullptr;
        staged.weight[threadIdx.x] = weight;
    }
    __syncthreads();
    return end - first < blockDim.x ? (int)(end - first) : (int)blockDim.x;
}

// Adds to four sums the columns from `column` on of what was staged.
__device__ void add_staged(const Staged &staged, int count, whole column, whole width, bool fours, float4 &sums) {
#pragma unroll 4
    for (int at = 0; at < count; at++) {
        const float *row = staged.row[at];
        add_four(staged.weight[at], four(row, column, row ? width : 0, fours), sums);
    }
}
