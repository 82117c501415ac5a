// The error of each token's reconstruction, `residual = scale * (reconstruction - label)`, the squares of `reconstruction
// - label`, and the product of the residual with the decoder's row of each pair. The rows of the decoder are read once:
// each warp holds four columns a lane of its pairs, at most HELD, from the sum to the products. Pairs of a token lie from
// its number times `stride` on. A block for each token.

#define HELD 8
#define TILE (4 * WARP)

extern "C" __global__ void decode_rows(const float *decoder, const float *bias, const float *label, whole width,
                                       const int *index, const float *activation, const int *listed, whole stride,
                                       double scale, float *residual, float *squared, float *slope) {
    __shared__ float4 parts[MOST_THREADS / WARP][WARP];
    __shared__ float4 errors[WARP];
    whole token = blockIdx.x;
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    bool fours = in_fours(decoder, width);
    const float *row[HELD];
    float act[HELD], slopes[HELD];
#pragma unroll
    for (int pair = 0; pair < HELD; pair++) {
        whole at = token * stride + warp + (whole)pair * warps;
        bool is_there = warp + pair * warps < listed[token];
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
            if (row[pair]) add_four(act[pair], held[pair], sum);
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
        if (lane == 0 && at < stride) slope[token * stride + at] = row[pair] ? product : 0.0f;
    }
    squares = block_sum(squares);
    if (threadIdx.x == 0) squared[token] = (float)squares;
}
