// The errors of reconstructions: for each of the prefixes of the latents, which end at `ends`, the sum of
// `weight * scale * (reconstruction - label)` over this prefix and the longer ones, and the squares of
// `reconstruction - label`. Pairs of a token lie from its number times `stride` on, latents ascending. A block for each
// token; `apart` numbers lie between the rows of two prefixes.
extern "C" __global__ void residual_rows(const float *decoder, const float *bias, const float *label, whole width,
                                         const int *index, const float *activation, const int *listed, whole stride,
                                         const whole *ends, const double *weight, whole prefixes, double scale,
                                         whole apart, float *residual, float *squared) {
    whole token = blockIdx.x;
    const int *latent = index + token * stride;
    const float *act = activation + token * stride;
    for (whole column = threadIdx.x; column < width; column += blockDim.x) {
        float sum = bias ? bias[column] : 0.0f;
        whole at = 0;
        for (whole prefix = 0; prefix < prefixes; prefix++) {
            for (; at < listed[token] && latent[at] < ends[prefix]; at++) {
                sum = fmaf(act[at], decoder[latent[at] * width + column], sum);
            }
            residual[prefix * apart + token * width + column] = sum - label[token * width + column];
        }
    }
    for (whole prefix = 0; prefix < prefixes; prefix++) {
        double squares = 0.0;
        for (whole column = threadIdx.x; column < width; column += blockDim.x) {
            float error = residual[prefix * apart + token * width + column];
            squares += (double)error * error;
        }
        squares = block_sum(squares);
        if (threadIdx.x == 0) squared[prefix * gridDim.x + token] = (float)squares;
    }
    for (whole column = threadIdx.x; column < width; column += blockDim.x) {
        float sum = 0.0f;
        for (whole prefix = prefixes - 1; prefix >= 0; prefix--) {
            float *error = residual + prefix * apart + token * width + column;
            sum = fmaf((float)(weight[prefix] * scale), *error, sum);
            *error = sum;
        }
    }
}
