// Chooses in each row the `count` largest scores above zero: their latents, ascending, and pre-activations. NaN comes before
// all others, and of equal scores the smaller latent. Places that are left over hold the number of latents and 0.

// The most that is chosen.
#define MOST_CHOSEN 512
// How many ranks each lane keeps.
#define FIRST 8

// Returns the place of the score of a latent with this pre-activation among others. A latent whose factor is zero is never
// selected, whatever its pre-activation.
__device__ bits32 score_rank(const float *factor, whole latent, float pre) {
    float scale = factor ? factor[latent] : 1.0f;
    return scale == 0.0f ? 0u : rank_of(pre * scale);
}

// Among the candidates of rows that have a list, which are in any order. A warp for each row.
extern "C" __global__ void choose_listed(const int *candidate, const float *value, const int *listed, whole rows, whole room,
                                         const float *factor, whole latents, whole count, int *index, float *activation,
                                         int *there) {
    __shared__ int latent_of[MOST_THREADS / WARP][MOST_CHOSEN];
    __shared__ float value_of[MOST_THREADS / WARP][MOST_CHOSEN];
    __shared__ bits32 chosen_of[MOST_THREADS / WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    whole row = (whole)blockIdx.x * (blockDim.x / WARP) + warp;
    if (row >= rows || listed[row] < 0) return;
    const int *latent = candidate + row * room;
    const float *pre = value + row * room;
    whole entries = listed[row];
    auto rank = [&](whole at) { return score_rank(factor, latent[at], pre[at]); };
    // The ranks of the first entries, which are mostly all, are looked at often.
    bits32 first[FIRST];
#pragma unroll
    for (int part = 0; part < FIRST; part++) {
        whole at = lane + part * WARP;
        first[part] = at < entries ? rank(at) : 0;
    }
    auto count_from = [&](bits32 tried) {
        bits32 number = 0;
#pragma unroll
        for (int part = 0; part < FIRST; part++) number += first[part] >= tried;
        for (whole at = lane + FIRST * WARP; at < entries; at += WARP) number += rank(at) >= tried;
        return warp_total(number);
    };
    // The rank of the last one chosen, or 0 where all are that can be.
    bits32 cut = 0;
    for (bits32 bit = 1u << 31; bit != 0; bit >>= 1) {
        if (count_from(cut | bit) >= count) cut |= bit;
    }
    bits32 above = cut == 0xffffffffu ? 0 : count_from(cut + 1);
    bits32 ties = (bits32)count - above;
    bool too_many = cut != 0 && count_from(cut) - above > ties;
    if (lane == 0) chosen_of[warp] = 0;
    __syncwarp();
    for (whole at = lane; at < entries; at += WARP) {
        bits32 here = rank(at);
        if (here == 0 || here < cut) continue;
        if (here == cut && too_many) {
            bits32 before = 0;
            for (whole other = 0; other < entries; other++) before += rank(other) == here && latent[other] < latent[at];
            if (before >= ties) continue;
        }
        bits32 place = atomicAdd(&chosen_of[warp], 1u);
        latent_of[warp][place] = latent[at];
        value_of[warp][place] = pre[at];
    }
    __syncwarp();
    bits32 chosen = chosen_of[warp];
    for (bits32 at = lane; at < chosen; at += WARP) {
        bits32 place = 0;
        for (bits32 other = 0; other < chosen; other++) place += latent_of[warp][other] < latent_of[warp][at];
        index[row * count + place] = latent_of[warp][at];
        activation[row * count + place] = value_of[warp][at];
    }
    for (whole at = chosen + lane; at < count; at += WARP) {
        index[row * count + at] = (int)latents;
        activation[row * count + at] = 0.0f;
    }
    if (lane == 0) there[row] = (int)chosen;
}

// Among all latents, in rows that have no list. A block for each row.
extern "C" __global__ void choose_filled(const float *full, const int *listed, const float *factor, whole latents,
                                         whole count, int *index, float *activation, int *there) {
    whole row = blockIdx.x;
    if (listed[row] >= 0) return;
    const float *pre = full + row * latents;
    auto rank = [&](whole latent) { return score_rank(factor, latent, pre[latent]); };
    Cut cut = block_cut(rank, latents, count);
    bits32 kept = 0, ties = 0;
    for (whole first = 0; first < latents; first += blockDim.x) {
        whole latent = first + threadIdx.x;
        bits32 here = latent < latents ? rank(latent) : 0;
        bool is_tie = here != 0 && here == cut.rank;
        bits32 all_ties, all_kept;
        bits32 tie = ties + block_before_where(is_tie, &all_ties);
        bool is_kept = here > cut.rank || (is_tie && tie < cut.ties);
        bits32 place = kept + block_before_where(is_kept, &all_kept);
        if (is_kept) {
            index[row * count + place] = (int)latent;
            activation[row * count + place] = pre[latent];
        }
        kept += all_kept;
        ties += all_ties;
    }
    for (whole at = kept + threadIdx.x; at < count; at += blockDim.x) {
        index[row * count + at] = (int)latents;
        activation[row * count + at] = 0.0f;
    }
    if (threadIdx.x == 0) there[row] = (int)kept;
}
