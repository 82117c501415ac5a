// Which latents may be selected where rows do not stand for themselves or have no number to select, and lists of them.

// What is said of a latent in a row: it may be selected, or it surely is and needs no number.
#define MAY_BE 1u
#define IS_BARE 16u

// Returns the estimates of a row of a block; those of the last row once more for one that is not there.
__device__ Estimates estimates_of(const float *estimate, const float *back, const float *norm, const float *residual,
                                  double slack, whole row, whole rows, whole latents) {
    return {estimate, back, norm, residual, slack, row < rows ? row : rows - 1, latents};
}

// Calls `look(row, at, products, terms)` for each four latents, from `4 * at` on, of each of the ROWS rows of a block that are
// there. The threads of a block share the latents.
template <class Look>
__device__ void each_four(const Estimates (&held)[ROWS], const float4 *terms, whole first, whole rows, whole latents,
                          Look look) {
    bool fours = in_fours(held[0].product, latents);
    int fourths = (int)((latents + 3) / 4);
    for (int at = threadIdx.x; at < fourths; at += blockDim.x) {
        float4 term[4];
#pragma unroll
        for (int part = 0; part < 4; part++) term[part] = terms[4 * at + part];
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            if (first + row >= rows) continue;
            float4 products = four(held[row].product, 4 * (whole)at, latents, fours);
            const float product[4] = {products.x, products.y, products.z, products.w};
            look(row, at, product, term);
        }
    }
}

// Writes a byte for each four latents of ROWS rows: four bits for those that may be selected, and above them four for those
// that are bare, as `judge(bounds, product, term, latent)` says; and how many those of a row are. Latents that cannot fire
// are neither.
template <class Judge>
__device__ void mark_rows(const Estimates (&held)[ROWS], const float4 *terms, whole rows, whole latents, Judge judge,
                          unsigned char *marks, int *listed, int *bare) {
    __shared__ bits32 there[2 * ROWS];
    whole first = (whole)blockIdx.x * ROWS, fourths = (latents + 3) / 4;
    bits32 numbers[2 * ROWS];
#pragma unroll
    for (int which = 0; which < 2 * ROWS; which++) numbers[which] = 0;
    each_four(held, terms, first, rows, latents, [&](int row, int at, const float *product, const float4 *term) {
        bits32 mark = 0;
#pragma unroll
        for (int part = 0; part < 4; part++) {
            if (term[part].y == NEVER) continue;
            bits32 said = judge(held[row], product[part], term[part], 4 * at + part);
            numbers[row] += said == MAY_BE;
            numbers[ROWS + row] += said == IS_BARE;
            mark |= said << part;
        }
        marks[(first + row) * fourths + at] = (unsigned char)mark;
    });
    if (threadIdx.x < 2 * ROWS) there[threadIdx.x] = 0;
    __syncthreads();
#pragma unroll
    for (int which = 0; which < 2 * ROWS; which++) {
        bits32 sum = warp_total(numbers[which]);
        if (threadIdx.x % WARP == 0) atomicAdd(&there[which], sum);
    }
    __syncthreads();
    if (threadIdx.x >= ROWS || first + threadIdx.x >= rows) return;
    listed[first + threadIdx.x] = (int)there[threadIdx.x];
    if (bare) bare[first + threadIdx.x] = (int)there[ROWS + threadIdx.x];
}

// Marks the latents whose scores may be above their bounds, and, where there are `spans`, apart from them those that surely
// are, and surely by less than their span. What is no number may be anything. A block for ROWS rows.
extern "C" __global__ void mark_above(const float *estimate, const float4 *terms, const float *back, const float *norm,
                                      const float *residual, double slack, whole rows, whole latents, const float *bounds,
                                      const float *spans, unsigned char *marks, int *listed, int *bare) {
    whole first = (whole)blockIdx.x * ROWS;
    auto of = [&](whole row) { return estimates_of(estimate, back, norm, residual, slack, row, rows, latents); };
    const Estimates held[ROWS] = {of(first), of(first + 1), of(first + 2), of(first + 3)};
    auto judge = [&](const Estimates &row, float product, float4 term, int latent) {
        float bound = bounds[latent], upper = row.upper(product, term);
        // What is infinite bounds nothing: the score may be no number.
        if (upper <= bound && upper < __uint_as_float(0x7f800000u)) return 0u;
        return spans && upper < bound + spans[latent] && row.lower(product, term) > bound ? IS_BARE : MAY_BE;
    };
    mark_rows(held, terms, rows, latents, judge, marks, listed, bare);
}

// Finds places for the entries of rows, one row after the other from `base` on: where those of each begin, and where
// the last one's end. Rows that do not end before `end` get no list, but -1. `total` becomes the number of
// entries that are listed, `counted` grows by it and by the number of rows without a list, where they are there. One block.
extern "C" __global__ void place_rows(int *listed, whole rows, whole base, whole end, int *starts, whole *total,
                                      unsigned long long *counted) {
    whole share = (rows + blockDim.x - 1) / blockDim.x;
    whole first = share * threadIdx.x, last = first + share < rows ? first + share : rows;
    bits32 number = 0, all;
    for (whole row = first; row < last; row++) number += (bits32)listed[row];
    whole place = base + block_before(number, &all);
    bits32 held = 0, left_out = 0;
    for (whole row = first; row < last; row++) {
        whole after = place + listed[row];
        starts[row] = (int)place;
        if (after <= end || listed[row] == 0) {
            held += (bits32)listed[row];
        } else {
            listed[row] = -1;
            left_out++;
        }
        place = after;
    }
    block_before(held, &all);
    bits32 without;
    block_before(left_out, &without);
    if (threadIdx.x != 0) return;
    starts[rows] = (int)(base + all);
    if (total) *total = all;
    if (!counted) return;
    counted[0] += all;
    counted[1] += without;
}

// Lists for each row the latents that are marked by the bit that is `shift` above the lowest of their four, ascending, with
// the number of the row after `before` others. A block for each row.
extern "C" __global__ void list_marked(const unsigned char *marks, whole latents, whole shift, const int *listed,
                                       const int *starts, whole before, int *index, int *token) {
    whole row = blockIdx.x, place = starts[row], fourths = (latents + 3) / 4;
    if (listed[row] <= 0) return;
    const unsigned char *mark = marks + row * fourths;
    for (whole first = 0; first < fourths; first += blockDim.x) {
        whole at = first + threadIdx.x;
        bits32 here = at < fourths ? mark[at] >> shift & 15u : 0u;
        bits32 number = (here & 1u) + (here >> 1 & 1u) + (here >> 2 & 1u) + (here >> 3), all;
        whole next = place + block_before(number, &all);
        for (int part = 0; part < 4; part++) {
            if ((here >> part & 1u) == 0) continue;
            index[next] = (int)(4 * at + part);
            token[next] = (int)(before + row);
            next++;
        }
        place += all;
    }
}
