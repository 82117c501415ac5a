// Which latents can be among the largest scores of a row, from estimates of their pre-activations and a bound on the
// error of each (screening.rs has the formula).

// Factors of the bound are rounded up by this.
#define UP (1.0f + 9.5367431640625e-7f)
// What covers the roundings of one score, estimate and bound (fewer than 16), relative to their terms.
#define SLACK 9.5367431640625e-7f
// An offset below all scores, of latents that cannot fire.
#define NEVER -3e38f
// Rows of a block, which share the numbers of the latents.
#define ROWS 4
// The most groups of latents of which the largest lower bounds are known.
#define GROUPS 1024

// The numbers by which products become estimates and bounds, four for each latent: factor, offset, norm, residual. A
// latent that no bound holds for has no number as its offset.
extern "C" __global__ void screen_terms(const float *bias, const float *factor, const float *back, const float *norm,
                                        const float *residual, whole latents, float4 *terms) {
    whole latent = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    if (latent >= latents) return;
    float scale = factor ? factor[latent] : 1.0f;
    bool usable = norm[latent] <= LARGEST && fabsf(bias[latent]) <= LARGEST && scale >= SMALLEST && scale <= LARGEST;
    float4 term = {0.0f, scale == 0.0f ? NEVER : __uint_as_float(0x7fffffffu), 0.0f, 0.0f};
    if (usable) {
        term.x = scale * back[latent];
        term.y = scale * bias[latent];
        term.z = scale * fmaxf(norm[latent], SMALLEST) * UP;
        term.w = scale * residual[latent] * UP;
    }
    terms[latent] = term;
}

// A row's estimates, and what its bounds follow from.
struct Estimates {
    const float *product;
    float back, rest, reach;

    __device__ Estimates(const float *estimate, const float *backs, const float *norm, const float *residual, double slack,
                         whole row, whole latents) {
        product = estimate + row * latents;
        back = backs[row];
        float length = norm[row];
        rest = length == 0.0f ? 0.0f : (residual[row] + (float)slack * fmaxf(length, SMALLEST)) * UP;
        reach = length == 0.0f ? 0.0f : (length + residual[row]) * UP;
    }

    // Returns the lower bound of a score, or the upper one.
    __device__ float bound(whole latent, float4 term, bool is_upper) const {
        float middle = product[latent] * back * term.x + term.y;
        float apart = rest * term.z + (reach * term.w + fabsf(term.y) * (SLACK * UP));
        return is_upper ? middle + apart : middle - apart;
    }
};

// Lists for each row the latents that may be among its `count` largest, in any order, at most `room` of them. `listed` is
// how many they are; -1 where the row has no bound or more candidates than there is room for. The latents are dealt out to
// `groups`, at least `count` and at most GROUPS; the `count`-th largest of the groups' largest lower bounds is one that
// as many scores reach, so no latent with a lower upper bound is one of the `count` largest. `slack` covers the rounding
// of products, relative to the norms of their rows. A block for ROWS rows.
extern "C" __global__ void screen_rows(const float *estimate, const float4 *terms, const float *back, const float *norm,
                                       const float *residual, double slack, whole rows, whole latents, whole groups,
                                       whole count, whole room, int *candidate, int *listed) {
    __shared__ float best[ROWS][GROUPS];
    __shared__ bits32 there[ROWS];
    whole first = (whole)blockIdx.x * ROWS;
    whole last = rows - 1;
    // A row that is not there is its last one once more, of which nothing is written.
    const Estimates held[ROWS] = {
        {estimate, back, norm, residual, slack, first, latents},
        {estimate, back, norm, residual, slack, first + 1 < last ? first + 1 : last, latents},
        {estimate, back, norm, residual, slack, first + 2 < last ? first + 2 : last, latents},
        {estimate, back, norm, residual, slack, first + 3 < last ? first + 3 : last, latents},
    };
    for (whole group = threadIdx.x; group < groups; group += blockDim.x) {
        float largest[ROWS] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll 4
        for (whole latent = group; latent < latents; latent += groups) {
            float4 term = terms[latent];
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                float lower = held[row].bound(latent, term, false);
                if (lower > largest[row]) largest[row] = lower;
            }
        }
#pragma unroll
        for (int row = 0; row < ROWS; row++) best[row][group] = largest[row];
    }
    if (threadIdx.x < ROWS) there[threadIdx.x] = 0;
    __syncthreads();
    float least[ROWS];
#pragma unroll
    for (int row = 0; row < ROWS; row++) {
        Cut cut = block_cut([&](whole group) { return __float_as_uint(best[row][group]); }, groups, count);
        least[row] = __uint_as_float(cut.rank);
    }
#pragma unroll 4
    for (whole latent = threadIdx.x; latent < latents; latent += blockDim.x) {
        float4 term = terms[latent];
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            float upper = held[row].bound(latent, term, true);
            // What is no number may be anything.
            if (upper <= 0.0f || upper < least[row] || first + row > last) continue;
            bits32 place = atomicAdd(&there[row], 1u);
            if (place < room) candidate[(first + row) * room + place] = (int)latent;
        }
    }
    __syncthreads();
    if (threadIdx.x < ROWS && first + threadIdx.x <= last) {
        bool is_listed = norm[first + threadIdx.x] <= LARGEST && there[threadIdx.x] <= room;
        listed[first + threadIdx.x] = is_listed ? (int)there[threadIdx.x] : -1;
    }
}
