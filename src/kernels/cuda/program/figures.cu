// What is summed for logs.

// Writes for each row of `label` its squared distance from `centre` and from 0. A warp for each row.
extern "C" __global__ void row_spread(const float *label, const float *centre, whole count, whole width, float *spread,
                                      float *squared) {
    whole row = (whole)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= count) return;
    const float *from = label + row * width;
    float apart = 0.0f, squares = 0.0f;
    for (whole at = threadIdx.x % WARP; at < width; at += WARP) {
        float far = from[at] - centre[at];
        apart = fmaf(far, far, apart);
        squares = fmaf(from[at], from[at], squares);
    }
    apart = warp_sum(apart);
    squares = warp_sum(squares);
    if (threadIdx.x % WARP != 0) return;
    spread[row] = apart;
    squared[row] = squares;
}

#define SUMS 7

// As `unexplained` of metrics.rs: NaN where the spread is nothing but rounding.
__device__ double unexplained(double error, double spread, double squared, double rounding) {
    return spread > squared * rounding ? error / spread : (double)__uint_as_float(0x7fc00000u);
}

// Makes the figures of a step from what each of `count` tokens has: explained variance, that by the mean over tokens,
// length of the error, that over the length of the label, mean activation, active latents a token. Adds the active
// latents to `total`. One block; whatever its size, sums are added in one order.
extern "C" __global__ void step_figures(const float *error, const float *spread, const float *squared, whole count,
                                        double rounding, const float *activation, const whole *active, double *total,
                                        float *figures) {
    __shared__ double sums[SUMS][CHAINS];
    for (unsigned chain = threadIdx.x; chain < CHAINS; chain += blockDim.x) {
        double sum[SUMS] = {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};
        for (whole at = chain; at < count; at += CHAINS) {
            sum[0] += error[at];
            sum[1] += spread[at];
            sum[2] += squared[at];
            sum[3] += sqrt((double)error[at]);
            sum[4] += sqrt((double)squared[at]);
            double part = unexplained(error[at], spread[at], squared[at], rounding);
            if (part == part) {
                sum[5] += part;
                sum[6] += 1.0;
            }
        }
        for (int which = 0; which < SUMS; which++) sums[which][chain] = sum[which];
    }
    __syncthreads();
    for (unsigned apart = CHAINS / 2; apart > 0; apart /= 2) {
        for (unsigned chain = threadIdx.x; chain < apart; chain += blockDim.x) {
            for (int which = 0; which < SUMS; which++) sums[which][chain] += sums[which][chain + apart];
        }
        __syncthreads();
    }
    if (threadIdx.x != 0) return;
    double tokens = (double)count, length = sums[4][0] / tokens, distance = sums[3][0] / tokens;
    double whole_part = unexplained(sums[0][0] / tokens, sums[1][0] / tokens, sums[2][0] / tokens, rounding);
    figures[0] = (float)(1.0 - whole_part);
    figures[1] = (float)(1.0 - sums[5][0] / sums[6][0]);
    figures[2] = (float)distance;
    figures[3] = length == 0.0 ? __uint_as_float(0x7fc00000u) : (float)(distance / length);
    figures[4] = *activation / (float)(*active > 1 ? *active : 1);
    figures[5] = (float)((double)*active / tokens);
    *total += (double)*active;
}

// Adds up to 16 values, each to its sum and 1 to its count; nothing for NaN or a place that is null. `sums` has `names`
// sums and then as many counts, of which these are those from `first` on.
extern "C" __global__ void add_values(double *sums, whole names, whole first, const float *v0, const float *v1,
                                      const float *v2, const float *v3, const float *v4, const float *v5, const float *v6,
                                      const float *v7, const float *v8, const float *v9, const float *v10,
                                      const float *v11, const float *v12, const float *v13, const float *v14,
                                      const float *v15) {
    const float *values[] = {v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, v10, v11, v12, v13, v14, v15};
    if (blockIdx.x > 0 || threadIdx.x >= 16) return;
    const float *value = values[threadIdx.x];
    if (!value || *value != *value) return;
    sums[first + threadIdx.x] += (double)*value;
    sums[names + first + threadIdx.x] += 1.0;
}

// Writes how many tokens each latent has gone without firing, after a batch of `tokens` in which it fired so often.
extern "C" __global__ void count_silence(const float *fired, const whole *before, whole tokens, whole latents, whole *after) {
    whole latent = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    if (latent < latents) after[latent] = fired[latent] <= 0.0f ? before[latent] + tokens : 0;
}

// Adds to each latent's sum how often it fired.
extern "C" __global__ void add_fired(const float *fired, whole latents, double *sums) {
    whole latent = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    if (latent < latents) sums[latent] += (double)fired[latent];
}
