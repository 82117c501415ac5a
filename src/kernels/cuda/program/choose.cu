// Chooses in each row the `count` largest scores above zero, among its candidates or, where it has no list, among all
// latents: their indices, ascending, and pre-activations. NaN comes before all others, and of equal scores the smaller
// index. Places that are left over hold the number of latents and 0. A block for each row.
extern "C" __global__ void choose_largest(const float *full, const int *candidate, const float *value, const int *listed,
                                          whole room, const float *factor, whole latents, whole count, int *index,
                                          float *chosen, int *there) {
    whole row = blockIdx.x;
    bool is_full = listed[row] < 0;
    whole entries = is_full ? latents : listed[row];
    auto latent_of = [&](whole at) { return is_full ? at : (whole)candidate[row * room + at]; };
    auto value_of = [&](whole at) { return is_full ? full[row * latents + at] : value[row * room + at]; };
    auto rank = [&](whole at) {
        // A latent whose factor is zero is never selected, whatever its pre-activation.
        float scale = factor ? factor[latent_of(at)] : 1.0f;
        return scale == 0.0f ? 0u : rank_of(value_of(at) * scale);
    };
    Cut cut = block_cut(rank, entries, count);
    bits32 kept = 0, ties = 0;
    for (whole first = 0; first < entries; first += blockDim.x) {
        whole at = first + threadIdx.x;
        bits32 here = at < entries ? rank(at) : 0;
        bool is_tie = here != 0 && here == cut.rank;
        bits32 all_ties, all_kept;
        bits32 tie = ties + block_before(is_tie, &all_ties);
        bool is_kept = here > cut.rank || (is_tie && tie < cut.ties);
        bits32 place = kept + block_before(is_kept, &all_kept);
        if (is_kept) {
            index[row * count + place] = (int)latent_of(at);
            chosen[row * count + place] = value_of(at);
        }
        kept += all_kept;
        ties += all_ties;
    }
    for (whole at = kept + threadIdx.x; at < count; at += blockDim.x) {
        index[row * count + at] = (int)latents;
        chosen[row * count + at] = 0.0f;
    }
    if (threadIdx.x == 0) there[row] = (int)kept;
}
