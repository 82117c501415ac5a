// Selects the largest scores above zero of a whole batch. NaN comes before all others, and of equal scores the earlier row,
// then the smaller latent.

// Scores are counted by the first bits behind their sign, so many that a block has room for their counts.
#define DIGIT 13
#define BINS (1 << DIGIT)
// What is left of a rank behind its sign and first digit.
#define SCORE_SHIFT (31 - DIGIT)

__device__ void empty_bins(bits32 *bins) {
    for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) bins[bin] = 0;
    __syncthreads();
}

// Adds what a block has counted to what all have.
__device__ void add_bins(const bits32 *here, bits32 *bins) {
    __syncthreads();
    for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) {
        if (here[bin] != 0) atomicAdd(&bins[bin], here[bin]);
    }
}

// A bin, and how many are counted in higher ones.
struct Crossing {
    bits32 bin, before;
};

// Returns the bin of the `count`-th largest to all threads, BINS where there are fewer, and empties the bins. One block.
__device__ Crossing take_crossing(bits32 *bins, bits32 count) {
    __shared__ Crossing found;
    // A thread has some bins next to each other, the first one the highest.
    int share = (BINS + (int)blockDim.x - 1) / (int)blockDim.x, top = BINS - 1 - share * (int)threadIdx.x;
    bits32 sum = 0, all;
    for (int bin = top; bin > top - share && bin >= 0; bin--) sum += bins[bin];
    if (threadIdx.x == 0) found = Crossing{BINS, 0};
    bits32 before = block_before(sum, &all);
    bool is_here = before < count && count <= before + sum;
    for (int bin = top; bin > top - share && bin >= 0; bin--) {
        if (is_here && before < count && count <= before + bins[bin]) found = Crossing{(bits32)bin, before};
        before += bins[bin];
        bins[bin] = 0;
    }
    __syncthreads();
    return found;
}

// Counts the lower bounds above zero of all scores by their first digit.
extern "C" __global__ void lower_bins(const float *estimate, const float4 *terms, const float *back, const float *norm,
                                      const float *residual, double slack, whole rows, whole latents, bits32 *bins) {
    __shared__ bits32 here[BINS];
    empty_bins(here);
    auto of = [&](whole row) { return estimates_of(estimate, back, norm, residual, slack, row, rows, latents); };
    for (whole first = (whole)blockIdx.x * ROWS; first < rows; first += (whole)gridDim.x * ROWS) {
        const Estimates held[ROWS] = {of(first), of(first + 1), of(first + 2), of(first + 3)};
        each_four(held, terms, first, rows, latents, [&](int row, int, const float *product, const float4 *term) {
#pragma unroll
            for (int part = 0; part < 4; part++) {
                float lower = held[row].lower(product[part], term[part]);
                if (lower > 0.0f) atomicAdd(&here[__float_as_uint(lower) >> SCORE_SHIFT], 1u);
            }
        });
    }
    add_bins(here, bins);
}

// Writes a number that at least `count` of what was counted reach, 0 where fewer are above zero. One block.
extern "C" __global__ void batch_floor(bits32 *bins, whole count, float *floor) {
    bits32 bin = take_crossing(bins, (bits32)count).bin;
    // NaN comes with the infinite.
    bits32 most = 0x7f800000u >> SCORE_SHIFT;
    if (threadIdx.x == 0) *floor = bin == BINS ? 0.0f : __uint_as_float((bin < most ? bin : most) << SCORE_SHIFT);
}

// Marks the latents whose scores may be above zero and reach `floor`. A block for ROWS rows.
extern "C" __global__ void mark_reaching(const float *estimate, const float4 *terms, const float *back, const float *norm,
                                         const float *residual, double slack, whole rows, whole latents,
                                         const float *floor, unsigned char *marks, int *listed) {
    whole first = (whole)blockIdx.x * ROWS;
    float least = *floor;
    auto of = [&](whole row) { return estimates_of(estimate, back, norm, residual, slack, row, rows, latents); };
    const Estimates held[ROWS] = {of(first), of(first + 1), of(first + 2), of(first + 3)};
    auto judge = [&](const Estimates &row, float product, float4 term, int) {
        float upper = row.upper(product, term);
        // What is no number may be anything.
        return upper <= 0.0f || upper < least ? 0u : MAY_BE;
    };
    mark_rows(held, terms, rows, latents, judge, marks, listed, nullptr);
}

// What may be selected of a token: the latents of its list, or, where it has none, all, whose pre-activations are among
// `full`, in which the rows begin with that of the token `start`.
struct Candidates {
    const int *latent;
    const float *pre;
    whole entries;

    __device__ Candidates(const int *index, const float *value, const int *starts, const int *listed, const float *full,
                          whole start, whole latents, whole token) {
        bool is_listed = listed[token] >= 0;
        latent = is_listed ? index + starts[token] : nullptr;
        pre = is_listed ? value + starts[token] : full + (token - start) * latents;
        entries = is_listed ? listed[token] : latents;
    }

    __device__ whole latent_at(whole at) const { return latent ? latent[at] : at; }
    __device__ bits32 rank(const float *factor, whole at) const { return score_rank(factor, latent_at(at), pre[at]); }
};

// Counts the candidates' ranks by the digit of `bits` bits above `shift`, of those whose higher bits are those of the cut;
// of all where there is none yet.
extern "C" __global__ void rank_bins(const int *index, const float *value, const int *starts, const int *listed,
                                     const float *full, whole start, whole tokens, const float *factor, whole latents,
                                     whole shift, whole bits, const bits32 *cut, bits32 *bins) {
    __shared__ bits32 here[BINS];
    if (cut && cut[2] == 0) return;
    bits32 known = cut ? cut[0] : 0u, mask = cut ? ~0u << (shift + bits) : 0u;
    empty_bins(here);
    for (whole token = blockIdx.x; token < tokens; token += gridDim.x) {
        Candidates all(index, value, starts, listed, full, start, latents, token);
        for (whole at = threadIdx.x; at < all.entries; at += blockDim.x) {
            bits32 rank = all.rank(factor, at);
            if (rank != 0 && (rank & mask) == known) atomicAdd(&here[rank >> shift & ((1u << bits) - 1)], 1u);
        }
    }
    add_bins(here, bins);
}

// Finds the digit of `bits` bits above `shift` of the rank of the `count`-th largest. `cut` becomes that rank as far as it is
// known, how many are to be taken of those that have it, and whether there are as many as `count`; otherwise all above rank 0
// are taken. One block.
extern "C" __global__ void cut_digit(bits32 *bins, whole shift, whole bits, whole count, bits32 *cut) {
    bool is_first = shift + bits >= 32;
    if (!is_first && cut[2] == 0) return;
    bits32 known = is_first ? 0u : cut[0], wanted = is_first ? (bits32)count : cut[1];
    Crossing found = take_crossing(bins, wanted);
    if (threadIdx.x != 0) return;
    cut[0] = found.bin == BINS ? 0u : known | found.bin << shift;
    cut[1] = found.bin == BINS ? 0u : wanted - found.before;
    cut[2] = found.bin != BINS;
}

// Counts for each token the candidates above the cut, and those that have its rank. A block for each token.
extern "C" __global__ void count_kept(const int *index, const float *value, const int *starts, const int *listed,
                                      const float *full, whole start, const float *factor, whole latents,
                                      const bits32 *cut, int *above, int *ties) {
    Candidates all(index, value, starts, listed, full, start, latents, blockIdx.x);
    bits32 least = cut[0], over = 0, same = 0, total;
    for (whole at = threadIdx.x; at < all.entries; at += blockDim.x) {
        bits32 rank = all.rank(factor, at);
        over += rank > least;
        same += rank != 0 && rank == least;
    }
    block_before(over, &total);
    if (threadIdx.x == 0) above[blockIdx.x] = (int)total;
    block_before(same, &total);
    if (threadIdx.x == 0) ties[blockIdx.x] = (int)total;
}

// Finds how many of the ties each token keeps, the earlier ones first, how many it keeps in all, and where they begin; behind
// the last one stands where it ends. One block.
extern "C" __global__ void place_kept(const int *above, int *ties, whole tokens, const bits32 *cut, int *listed,
                                      int *starts) {
    whole share = (tokens + blockDim.x - 1) / blockDim.x;
    whole first = share * threadIdx.x, last = first + share < tokens ? first + share : tokens;
    bits32 same = 0, kept = 0, all;
    for (whole token = first; token < last; token++) same += (bits32)ties[token];
    whole left = (whole)cut[1] - block_before(same, &all);
    for (whole token = first; token < last; token++) {
        whole taken = left < 0 ? 0 : left < ties[token] ? left : ties[token];
        left -= ties[token];
        ties[token] = (int)taken;
        listed[token] = above[token] + (int)taken;
        kept += (bits32)listed[token];
    }
    whole place = block_before(kept, &all);
    for (whole token = first; token < last; token++) {
        starts[token] = (int)place;
        place += listed[token];
    }
    if (threadIdx.x == 0) starts[tokens] = (int)all;
}

// Writes what is kept, token by token, latents ascending. Places that are left over of `count` hold the number of latents and
// 0. A block for each token.
extern "C" __global__ void gather_kept(const int *index, const float *value, const int *starts, const int *listed,
                                       const float *full, whole start, const float *factor, whole latents,
                                       const bits32 *cut, const int *ties, const int *places, whole count, int *kept_index,
                                       float *kept_value, int *kept_token) {
    whole token = blockIdx.x, place = places[token];
    Candidates all(index, value, starts, listed, full, start, latents, token);
    bits32 least = cut[0], taken = (bits32)ties[token], before = 0;
    for (whole first = 0; first < all.entries; first += blockDim.x) {
        whole at = first + threadIdx.x;
        bits32 rank = at < all.entries ? all.rank(factor, at) : 0u, same, kept;
        bool is_tie = rank != 0 && rank == least;
        bits32 tie = before + block_before_where(is_tie, &same);
        bool is_kept = rank > least || (is_tie && tie < taken);
        whole here = place + block_before_where(is_kept, &kept);
        if (is_kept) {
            kept_index[here] = (int)all.latent_at(at);
            kept_value[here] = all.pre[at];
            kept_token[here] = (int)token;
        }
        before += same;
        place += kept;
    }
    whole step = (whole)gridDim.x * blockDim.x;
    for (whole at = places[gridDim.x] + token * blockDim.x + threadIdx.x; at < count; at += step) {
        kept_index[at] = (int)latents;
        kept_value[at] = 0.0f;
        kept_token[at] = 0;
    }
}
