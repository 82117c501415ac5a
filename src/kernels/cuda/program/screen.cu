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
// latent that no bound holds for has no number as its offset. The array has room for a whole number of fours, and behind
// the last latent some that cannot fire.
extern "C" __global__ void screen_terms(const float *bias, const float *factor, const float *back, const float *norm,
                                        const float *residual, whole latents, float4 *terms) {
    whole latent = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    if (latent >= (latents + 3) / 4 * 4) return;
    if (latent >= latents) {
        terms[latent] = float4{0.0f, NEVER, 0.0f, 0.0f};
        return;
    }
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

    // Returns the lower bound of a score, or, for the opposite signs, the upper one.
    __device__ float bound(float product, float4 term, float sign) const {
        float fixed = fmaf(-sign * (SLACK * UP), fabsf(term.y), term.y);
        return fmaf(product * back, term.x, fmaf(-sign * rest, term.z, fmaf(-sign * reach, term.w, fixed)));
    }
    __device__ float lower(float product, float4 term) const { return bound(product, term, 1.0f); }
    __device__ float upper(float product, float4 term) const { return bound(product, term, -1.0f); }
};

// Returns to all lanes of a warp a number that at least `count` of the numbers reach, none of which is below zero: the
// largest one of few bits, 0 where fewer are above zero.
__device__ float reached(const float *numbers, whole many, whole count) {
    bits32 known = 0;
    for (bits32 bit = 1u << 30; bit >= 1u << 13; bit >>= 1) {
        bits32 tried = known | bit;
        if (warp_count(many, [&](whole at) { return __float_as_uint(numbers[at]) >= tried; }) >= count) known = tried;
    }
    return __uint_as_float(known);
}

// Lists for each row the latents that may be among its `count` largest, in any order, at most `room` of them. `listed` is
// how many they are; -1 where the row has no bound or more candidates than there is room for. The latents are dealt out to
// `groups`, at least `count` and at most GROUPS. What `count` of the groups' largest lower bounds reach, as many scores
// reach, so no latent with an upper bound below it is one of the `count` largest. `slack` covers the rounding
// of products, relative to the norms of their rows. `counted` grows by the number of candidates and by that of rows without
// a list. A block for ROWS rows.
extern "C" __global__ void screen_rows(const float *estimate, const float4 *terms, const float *back, const float *norm,
                                       const float *residual, double slack, whole rows, whole latents, whole groups,
                                       whole count, whole room, int *candidate, int *listed,
                                       unsigned long long *counted) {
    __shared__ float best[ROWS][GROUPS];
    __shared__ float least_of[ROWS];
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
    bool fours = in_fours(estimate, latents);
    int fourths = (int)((latents + 3) / 4);
    for (int group = threadIdx.x; group < groups; group += blockDim.x) {
        float largest[ROWS] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (int at = group; at < fourths; at += groups) {
            float4 term[4];
#pragma unroll
            for (int part = 0; part < 4; part++) term[part] = terms[4 * at + part];
#pragma unroll
            for (int row = 0; row < ROWS; row++) {
                float4 product = four(held[row].product, 4 * (whole)at, latents, fours);
                // The larger one of two, and a number rather than none.
                float first = fmaxf(held[row].lower(product.x, term[0]), held[row].lower(product.y, term[1]));
                float last = fmaxf(held[row].lower(product.z, term[2]), held[row].lower(product.w, term[3]));
                largest[row] = fmaxf(largest[row], fmaxf(first, last));
            }
        }
#pragma unroll
        for (int row = 0; row < ROWS; row++) best[row][group] = largest[row];
    }
    if (threadIdx.x < ROWS) there[threadIdx.x] = 0;
    __syncthreads();
    for (int row = threadIdx.x / WARP; row < ROWS; row += blockDim.x / WARP) {
        float found = reached(best[row], groups, count);
        if (threadIdx.x % WARP == 0) least_of[row] = found;
    }
    __syncthreads();
    float least[ROWS];
#pragma unroll
    for (int row = 0; row < ROWS; row++) least[row] = least_of[row];
    for (int at = threadIdx.x; at < fourths; at += blockDim.x) {
        float4 term[4];
#pragma unroll
        for (int part = 0; part < 4; part++) term[part] = terms[4 * at + part];
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            float4 product = four(held[row].product, 4 * (whole)at, latents, fours);
            float upper[4] = {held[row].upper(product.x, term[0]), held[row].upper(product.y, term[1]),
                              held[row].upper(product.z, term[2]), held[row].upper(product.w, term[3])};
#pragma unroll
            for (int part = 0; part < 4; part++) {
                // What is no number may be anything.
                if (upper[part] <= 0.0f || upper[part] < least[row] || first + row > last) continue;
                bits32 place = atomicAdd(&there[row], 1u);
                if (place < room) candidate[(first + row) * room + place] = 4 * at + part;
            }
        }
    }
    __syncthreads();
    if (threadIdx.x < ROWS && first + threadIdx.x <= last) {
        bool is_listed = norm[first + threadIdx.x] <= LARGEST && there[threadIdx.x] <= room;
        listed[first + threadIdx.x] = is_listed ? (int)there[threadIdx.x] : -1;
        atomicAdd(&counted[is_listed ? 0 : 1], is_listed ? (unsigned long long)there[threadIdx.x] : 1ull);
    }
}
