#define COLUMNS 4

// Writes for each latent the sum of the rows that its pairs name, each times its weight, and the sum of the weights if
// that is wanted. `order` has the pairs by latent, from `bounds[latent]` to `bounds[latent + 1]`; pair i is of row
// i / stride. Groups of latents are those of `pair_products`. A block has one latent and COLUMNS columns for each thread.
extern "C" __global__ void scatter_rows(const float *rows, whole width, const whole *order, const whole *bounds,
                                        const float *weight, whole stride, const whole *ends, whole apart, float *output,
                                        float *weights) {
    whole latent = blockIdx.x, first = (whole)blockIdx.y * blockDim.x * COLUMNS + threadIdx.x;
    for (whole group = 0; ends && latent >= ends[group]; group++) rows += apart;
    float sums[COLUMNS] = {0.0f, 0.0f, 0.0f, 0.0f};
    float sum = 0.0f;
    for (whole at = bounds[latent]; at < bounds[latent + 1]; at++) {
        whole pair = order[at];
        const float *row = rows + pair / stride * width;
        for (int group = 0; group < COLUMNS; group++) {
            whole column = first + (whole)group * blockDim.x;
            if (column < width) sums[group] = fmaf(weight[pair], row[column], sums[group]);
        }
        sum += weight[pair];
    }
    for (int group = 0; group < COLUMNS; group++) {
        whole column = first + (whole)group * blockDim.x;
        if (column < width) output[latent * width + column] = sums[group];
    }
    if (weights && first == 0) weights[latent] = sum;
}
