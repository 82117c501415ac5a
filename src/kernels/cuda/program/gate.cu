// What activation functions make of pairs, and sums of numbers of pairs.

// Sets the activation of each pair: its pre-activation, but 0 where that, times the latent's factor, is not above the
// latent's threshold, or above 0 where there are none; NaN stays. `on` is 1 where the activation is above 0, and `reached`
// the latent where the loss has a derivative by the activation that somebody asks for, else -1: pairs that are on, and those
// less than `half` a window below their threshold. Places that are left over hold the number of latents.
extern "C" __global__ void gate_pairs(const int *index, const float *value, whole count, const float *factor,
                                      const float *threshold, double half, whole latents, float *activation, float *on,
                                      int *reached) {
    whole at = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= count) return;
    int latent = index[at];
    if (latent >= latents) {
        activation[at] = on[at] = 0.0f;
        reached[at] = -1;
        return;
    }
    float pre = value[at], seen = factor ? pre * factor[latent] : pre;
    float over = threshold ? seen - threshold[latent] : seen;
    float act = over <= 0.0f ? 0.0f : pre;
    bool is_near = threshold && over > -(float)half;
    activation[at] = act;
    on[at] = act > 0.0f ? 1.0f : 0.0f;
    reached[at] = act != 0.0f || is_near ? latent : -1;
}

// Writes for each latent the sum of the numbers of its pairs, which `order` has from `bounds[latent]` to `bounds[latent + 1]`.
// A warp for each latent.
extern "C" __global__ void latent_sums(const float *numbers, const whole *order, const whole *bounds, whole latents,
                                       float *sums) {
    whole latent = (whole)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (latent >= latents) return;
    double sum = 0.0;
    for (whole at = bounds[latent] + threadIdx.x % WARP; at < bounds[latent + 1]; at += WARP) sum += numbers[order[at]];
    sum = warp_sum(sum);
    if (threadIdx.x % WARP == 0) sums[latent] = (float)sum;
}

// Writes for each token the sum of the numbers of its pairs. A warp for each token.
extern "C" __global__ void token_sums(const float *numbers, const int *listed, const int *starts, whole stride, whole tokens,
                                      float *sums) {
    whole token = (whole)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (token >= tokens) return;
    whole first = first_pair(starts, token, stride);
    double sum = 0.0;
    for (whole at = threadIdx.x % WARP; at < listed[token]; at += WARP) sum += numbers[first + at];
    sum = warp_sum(sum);
    if (threadIdx.x % WARP == 0) sums[token] = (float)sum;
}
