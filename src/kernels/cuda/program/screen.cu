// Which latents can be among the largest scores of a row, from estimates of their pre-activations and a bound on the
// error of each (screening.rs has the formula).

// Factors of the bound are rounded up by this.
#define UP (1.0f + 9.5367431640625e-7f)
// What covers the roundings of one score, estimate and bound (fewer than 16), relative to their terms.
#define SLACK 9.5367431640625e-7f

// The numbers by which products become estimates and bounds, an array for each: factor, offset, norm, residual, fixed.
// A latent that cannot fire has an offset of minus infinity, one that no bound holds for an infinite fixed.
extern "C" __global__ void screen_terms(const float *bias, const float *factor, const float *norm, const float *residual,
                                        whole latents, float *terms) {
    whole latent = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    if (latent >= latents) return;
    const float infinity = __uint_as_float(0x7f800000u);
    float scale = factor ? factor[latent] : 1.0f;
    bool usable = norm[latent] <= LARGEST && fabsf(bias[latent]) <= LARGEST && scale >= SMALLEST && scale <= LARGEST;
    terms[latent] = usable ? scale : 0.0f;
    terms[latents + latent] = scale == 0.0f ? -infinity : usable ? scale * bias[latent] : 0.0f;
    terms[2 * latents + latent] = usable ? scale * fmaxf(norm[latent], SMALLEST) * UP : 0.0f;
    terms[3 * latents + latent] = usable ? scale * residual[latent] * UP : 0.0f;
    terms[4 * latents + latent] = scale == 0.0f ? 0.0f : usable ? scale * fabsf(bias[latent]) * SLACK * UP : infinity;
}

// Lists for each row the latents whose upper bound reaches the `count`-th largest lower bound, ascending, at most `room`
// of them. `listed` is how many they are; -1 where the row has no bound or more candidates than there is room for.
// `slack` covers the rounding of products, relative to the norms of their rows. A block for each row.
extern "C" __global__ void screen_rows(const float *estimate, const float *terms, const float *norm, const float *residual,
                                       double slack, whole latents, whole count, whole room, int *candidate, int *listed) {
    whole row = blockIdx.x;
    const float *product = estimate + row * latents;
    float length = norm[row];
    if (!(length <= LARGEST)) {
        if (threadIdx.x == 0) listed[row] = -1;
        return;
    }
    float rest = (residual[row] + (float)slack * fmaxf(length, SMALLEST)) * UP;
    float whole_length = (length + residual[row]) * UP;
    if (length == 0.0f) rest = whole_length = 0.0f;
    auto middle = [&](whole latent) { return product[latent] * terms[latent] + terms[latents + latent]; };
    auto bound = [&](whole latent) {
        return rest * terms[2 * latents + latent] + (whole_length * terms[3 * latents + latent] + terms[4 * latents + latent]);
    };
    Cut cut = block_cut([&](whole latent) {
        float lower = middle(latent) - bound(latent);
        return lower > 0.0f ? __float_as_uint(lower) : 0u;
    }, latents, count);
    float least = __uint_as_float(cut.rank);
    bits32 there = 0;
    for (whole first = 0; first < latents; first += blockDim.x) {
        whole latent = first + threadIdx.x;
        bool is_candidate = false;
        if (latent < latents) {
            float upper = middle(latent) + bound(latent);
            is_candidate = upper > 0.0f && upper >= least;
        }
        bits32 all, place = there + block_before(is_candidate, &all);
        if (is_candidate && place < room) candidate[row * room + place] = (int)latent;
        there += all;
    }
    if (threadIdx.x == 0) listed[row] = there <= room ? (int)there : -1;
}
