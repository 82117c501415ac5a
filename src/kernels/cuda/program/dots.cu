// Products of rows of two matrices. A product has the same bits whichever kernel makes it.

// Returns the product of two rows to all lanes of a warp.
__device__ float row_product(const float *left, const float *right, whole width, bool fours) {
    float sum = 0.0f;
#pragma unroll 8
    for (whole at = 4 * (threadIdx.x % WARP); at < width; at += 4 * WARP) {
        sum = dot_four(four(left, at, width, fours), four(right, at, width, fours), sum);
    }
    return warp_sum(sum);
}

// Writes for each listed pair of a row and a latent the product of the row with the latent's, and the latent's bias if
// there is one; 0 where the latent is -1. Pairs of a row lie from its place in `starts` on, or its number times `stride`.
// Of the groups of latents, which end at `ends`, each has rows of its own, `apart` numbers from those of the one before.
// Warps share the pairs of a row, gridDim.y blocks of them.
extern "C" __global__ void pair_products(const float *rows, const float *latents, const float *bias, whole width,
                                         const int *index, const int *listed, const int *starts, whole stride,
                                         const whole *ends, whole apart, float *product) {
    whole warps = blockDim.x / WARP * gridDim.y, begin = first_pair(starts, blockIdx.x, stride);
    bool fours = in_fours(rows, width) && in_fours(latents, width);
    for (whole at = blockIdx.y * (blockDim.x / WARP) + threadIdx.x / WARP; at < listed[blockIdx.x]; at += warps) {
        whole pair = begin + at;
        whole latent = index[pair];
        if (latent < 0) {
            if (threadIdx.x % WARP == 0) product[pair] = 0.0f;
            continue;
        }
        const float *row = rows + blockIdx.x * width;
        for (whole group = 0; ends && latent >= ends[group]; group++) row += apart;
        float sum = row_product(row, latents + latent * width, width, fours);
        if (threadIdx.x % WARP == 0) product[pair] = bias ? sum + bias[latent] : sum;
    }
}

// Replaces the estimates of rows that have no list by the pre-activations themselves. A block for each row.
extern "C" __global__ void fill_rows(const float *rows, const float *weight, const float *bias, whole width,
                                     const int *listed, whole latents, float *estimate) {
    if (listed[blockIdx.x] >= 0) return;
    bool fours = in_fours(rows, width) && in_fours(weight, width);
    for (whole latent = threadIdx.x / WARP; latent < latents; latent += blockDim.x / WARP) {
        float sum = row_product(rows + blockIdx.x * width, weight + latent * width, width, fours);
        if (threadIdx.x % WARP == 0) estimate[blockIdx.x * latents + latent] = sum + bias[latent];
    }
}
