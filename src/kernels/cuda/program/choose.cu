// Chooses in each row the `count` largest scores above zero, among its candidates or, where it has no list, among all
// latents: their indices, ascending, and pre-activations. NaN comes before all others, and of equal scores the smaller
// index. Places that are left over hold the number of latents and 0. A block for each row.

// The most that is chosen.
#define MOST_CHOSEN 1024

// Chosen latents of a row in any order, and their pre-activations.
struct Chosen {
    int index[MOST_CHOSEN];
    float value[MOST_CHOSEN];
    bits32 count;
};

// Chooses among `entries` entries, whose latents, ranks and pre-activations the functions give. Of equal ranks all, or those
// of the smallest latents.
template <class Latent, class Rank, class Value>
__device__ void choose(Latent latent_of, Rank rank, Value value_of, whole entries, whole count, Chosen &chosen) {
    __shared__ bits32 equal;
    Cut cut = block_cut(rank, entries, count);
    if (threadIdx.x == 0) chosen.count = equal = 0;
    __syncthreads();
    for (whole at = threadIdx.x; at < entries; at += blockDim.x) {
        if (rank(at) == cut.rank && cut.rank != 0) atomicAdd(&equal, 1u);
    }
    __syncthreads();
    for (whole at = threadIdx.x; at < entries; at += blockDim.x) {
        bits32 here = rank(at);
        if (here == 0 || here < cut.rank) continue;
        if (here == cut.rank && equal > cut.ties) {
            bits32 before = 0;
            for (whole other = 0; other < entries; other++) {
                before += rank(other) == here && latent_of(other) < latent_of(at);
            }
            if (before >= cut.ties) continue;
        }
        bits32 place = atomicAdd(&chosen.count, 1u);
        chosen.index[place] = (int)latent_of(at);
        chosen.value[place] = value_of(at);
    }
    __syncthreads();
}

extern "C" __global__ void choose_largest(const float *full, const int *candidate, const float *value, const int *listed,
                                          whole room, const float *factor, whole latents, whole count, int *index,
                                          float *activation, int *there) {
    __shared__ Chosen chosen;
    whole row = blockIdx.x;
    // A latent whose factor is zero is never selected, whatever its pre-activation.
    auto rank = [&](whole latent, float pre) {
        float scale = factor ? factor[latent] : 1.0f;
        return scale == 0.0f ? 0u : rank_of(pre * scale);
    };
    if (listed[row] < 0) {
        const float *pre = full + row * latents;
        choose([](whole at) { return at; }, [&](whole at) { return rank(at, pre[at]); },
               [&](whole at) { return pre[at]; }, latents, count, chosen);
    } else {
        const int *latent = candidate + row * room;
        const float *pre = value + row * room;
        choose([&](whole at) { return (whole)latent[at]; }, [&](whole at) { return rank(latent[at], pre[at]); },
               [&](whole at) { return pre[at]; }, listed[row], count, chosen);
    }
    for (bits32 at = threadIdx.x; at < chosen.count; at += blockDim.x) {
        bits32 place = 0;
        for (bits32 other = 0; other < chosen.count; other++) place += chosen.index[other] < chosen.index[at];
        index[row * count + place] = chosen.index[at];
        activation[row * count + place] = chosen.value[at];
    }
    for (whole at = chosen.count + threadIdx.x; at < count; at += blockDim.x) {
        index[row * count + at] = (int)latents;
        activation[row * count + at] = 0.0f;
    }
    if (threadIdx.x == 0) there[row] = (int)chosen.count;
}
