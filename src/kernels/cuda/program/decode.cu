// The error of each token's reconstruction, `residual = scale * (reconstruction - label)`, the squares of `reconstruction
// - label`, and the product of the residual with the decoder's row of each pair. The rows of the decoder are read once:
// each warp holds four columns a lane of its pairs, at most HELD, from the sum to the products. A block for each token.

#define HELD 8
#define TILE (4 * WARP)

// The same for the `there` pairs of a token from `begin` on, as many as are held together, those whose latent is -1 left out.
// There is room for `room` products.
__device__ void decode_held(const float *decoder, const float *bias, const float *label, whole width, const int *index,
                            const float *activation, whole begin, whole there, whole room, double scale, float *residual,
                            float *squared, float *slope) {
    __shared__ float4 parts[MOST_THREADS / WARP][WARP];
    __shared__ float4 errors[WARP];
    whole token = blockIdx.x;
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    bool fours = in_fours(decoder, width);
    const float *row[HELD];
    float act[HELD], slopes[HELD];
#pragma unroll
    for (int pair = 0; pair < HELD; pair++) {
        whole at = begin + warp + (whole)pair * warps;
        bool is_there = warp + pair * warps < there && index[at] >= 0;
        row[pair] = is_there ? decoder + index[at] * width : nullptr;
        act[pair] = is_there ? activation[at] : 0.0f;
        slopes[pair] = 0.0f;
    }
    double squares = 0.0;
    for (whole first = 0; first < width; first += TILE) {
        float4 held[HELD], sum = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
        for (int pair = 0; pair < HELD; pair++) {
            held[pair] = four(row[pair], first + 4 * lane, row[pair] ? width : 0, fours);
        }
#pragma unroll
        for (int pair = 0; pair < HELD; pair++) {
            if (act[pair] != 0.0f) add_four(act[pair], held[pair], sum);
        }
        parts[warp][lane] = sum;
        __syncthreads();
        for (int at = threadIdx.x; at < TILE; at += blockDim.x) {
            whole column = first + at;
            float error = 0.0f;
            if (column < width) {
                float total = bias ? bias[column] : 0.0f;
                for (int part = 0; part < warps; part++) total += ((const float *)parts[part])[at];
                total -= label[token * width + column];
                squares += (double)total * total;
                error = (float)scale * total;
                residual[token * width + column] = error;
            }
            ((float *)errors)[at] = error;
        }
        __syncthreads();
        float4 error = errors[lane];
#pragma unroll
        for (int pair = 0; pair < HELD; pair++) slopes[pair] = dot_four(held[pair], error, slopes[pair]);
    }
#pragma unroll
    for (int pair = 0; pair < HELD; pair++) {
        whole at = warp + (whole)pair * warps;
        float product = warp_sum(slopes[pair]);
        if (lane == 0 && at < room) slope[begin + at] = row[pair] ? product : 0.0f;
    }
    squares = block_sum(squares);
    if (threadIdx.x == 0) squared[token] = (float)squares;
}

// The same in two passes over the decoder's rows, for any number of pairs.
__device__ void decode_long(const float *decoder, const float *bias, const float *label, whole width, const int *index,
                            const float *activation, whole begin, whole there, double scale, float *residual,
                            float *squared, float *slope) {
    __shared__ Staged staged;
    whole token = blockIdx.x;
    float *errors = residual + token * width;
    bool fours = in_fours(decoder, width), apart_fours = in_fours(label, width) && in_fours(residual, width);
    double squares = 0.0;
    // Threads whose columns are beyond the last one help to stage.
    for (whole first = 0; first < width; first += 4 * blockDim.x) {
        whole column = first + 4 * threadIdx.x;
        float4 sums = {0.0f, 0.0f, 0.0f, 0.0f};
        if (bias) sums = four(bias, column, width, in_fours(bias, width));
        add_pairs(staged, decoder, index, activation, begin, begin + there, column, width, fours, sums);
        float4 expected = four(label + token * width, column, width, apart_fours);
        float4 error = {sums.x - expected.x, sums.y - expected.y, sums.z - expected.z, sums.w - expected.w};
        // Columns beyond the last one are 0.
        squares += (double)error.x * error.x + (double)error.y * error.y + (double)error.z * error.z +
                   (double)error.w * error.w;
        float factor = (float)scale;
        error = float4{factor * error.x, factor * error.y, factor * error.z, factor * error.w};
        put_four(errors, column, width, apart_fours, error);
    }
    squares = block_sum(squares);
    if (threadIdx.x == 0) squared[token] = (float)squares;
    fours = fours && apart_fours;
    for (whole at = threadIdx.x / WARP; at < there; at += blockDim.x / WARP) {
        whole latent = index[begin + at];
        float product = latent < 0 ? 0.0f : row_product(errors, decoder + latent * width, width, fours);
        if (threadIdx.x % WARP == 0) slope[begin + at] = product;
    }
}

// Pairs of a token lie from its number times `stride` on, and a block holds as many.
extern "C" __global__ void decode_rows(const float *decoder, const float *bias, const float *label, whole width,
                                       const int *index, const float *activation, const int *listed, const int *,
                                       whole stride, double scale, float *residual, float *squared, float *slope) {
    decode_held(decoder, bias, label, width, index, activation, blockIdx.x * stride, listed[blockIdx.x], stride, scale,
                residual, squared, slope);
}

// Pairs of a token lie from its place in `starts` on, however many they are.
extern "C" __global__ void decode_lists(const float *decoder, const float *bias, const float *label, whole width,
                                        const int *index, const float *activation, const int *listed, const int *starts,
                                        whole, double scale, float *residual, float *squared, float *slope) {
    whole begin = starts[blockIdx.x], there = listed[blockIdx.x];
    if (there <= HELD * (whole)(blockDim.x / WARP)) {
        decode_held(decoder, bias, label, width, index, activation, begin, there, there, scale, residual, squared, slope);
    } else {
        decode_long(decoder, bias, label, width, index, activation, begin, there, scale, residual, squared, slope);
    }
}
