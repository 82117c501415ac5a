// Pairs of a latent whose tokens and weights a block reads at a time.
#define AT_A_TIME 64

// Writes for each latent the sum of the rows that its pairs name, each times its weight, and the sum of the weights if
// that is wanted. `order` has the pairs by latent, from `bounds[latent]` to `bounds[latent + 1]`; pair i is of row
// i / stride. Groups of latents are those of `pair_products`. A block has one latent and four columns for each thread.
extern "C" __global__ void scatter_rows(const float *rows, whole width, const whole *order, const whole *bounds,
                                        const float *weight, whole stride, const whole *ends, whole apart, float *output,
                                        float *weights) {
    __shared__ const float *row[AT_A_TIME];
    __shared__ float factor[AT_A_TIME];
    whole latent = blockIdx.x, column = 4 * ((whole)blockIdx.y * blockDim.x + threadIdx.x);
    for (whole group = 0; ends && latent >= ends[group]; group++) rows += apart;
    bool fours = in_fours(rows, width);
    float4 sums = {0.0f, 0.0f, 0.0f, 0.0f};
    float sum = 0.0f;
    whole end = bounds[latent + 1];
    for (whole first = bounds[latent]; first < end; first += AT_A_TIME) {
        int count = end - first < AT_A_TIME ? (int)(end - first) : AT_A_TIME;
        __syncthreads();
        for (int at = threadIdx.x; at < count; at += blockDim.x) {
            bits32 pair = (bits32)order[first + at];
            row[at] = rows + (whole)(pair / (bits32)stride) * width;
            factor[at] = weight[pair];
        }
        __syncthreads();
#pragma unroll 4
        for (int at = 0; at < count; at++) {
            add_four(factor[at], four(row[at], column, width, fours), sums);
            sum += factor[at];
        }
    }
    if (fours) {
        if (column < width) *(float4 *)(output + latent * width + column) = sums;
    } else {
        const float *each[4] = {&sums.x, &sums.y, &sums.z, &sums.w};
        for (int part = 0; part < 4 && column + part < width; part++) output[latent * width + column + part] = *each[part];
    }
    if (weights && column == 0) weights[latent] = sum;
}

// The same where pair i is of row `token[i]`, and pairs of weight 0 are not looked at.
extern "C" __global__ void scatter_lists(const float *rows, whole width, const whole *order, const whole *bounds,
                                         const float *weight, const int *token, const whole *ends, whole apart,
                                         float *output, float *weights) {
    __shared__ Staged staged;
    whole latent = blockIdx.x, column = 4 * ((whole)blockIdx.y * blockDim.x + threadIdx.x);
    for (whole group = 0; ends && latent >= ends[group]; group++) rows += apart;
    bool fours = in_fours(rows, width);
    float4 sums = {0.0f, 0.0f, 0.0f, 0.0f};
    float sum = 0.0f;
    whole end = bounds[latent + 1];
    for (whole first = bounds[latent]; first < end; first += blockDim.x) {
        int count = stage(staged, first, end, [&](whole at, const float *&row, float &factor) {
            whole pair = order[at];
            row = rows + token[pair] * width;
            factor = weight[pair];
        });
        add_staged(staged, count, column, width, fours, sums);
        if (!weights || column > 0) continue;
#pragma unroll 4
        for (int at = 0; at < count; at++) sum += staged.weight[at];
    }
    put_four(output + latent * width, column, width, fours, sums);
    if (weights && column == 0) weights[latent] = sum;
}
