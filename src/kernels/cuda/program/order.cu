// The order of pairs by latent, and within a latent by token. Pairs of a token are of different latents, so that one bit for
// each token and latent says which there are, and what a pair has before it is a count of bits.

// Tokens of a group: the bits of a number.
#define GROUPED 32
// Groups that a thread looks at at once.
#define AHEAD 8

// Writes for each latent which tokens of a group have a pair of it, a bit each. A token's pairs lie from its place in `starts`
// on, or from its number times `stride`. A block for each group.
extern "C" __global__ void mark_pairs(const int *index, const int *listed, const int *starts, whole stride, whole tokens, whole latents,
                                      bits32 *marks) {
    bits32 *row = marks + (whole)blockIdx.x * latents;
    for (whole latent = threadIdx.x; latent < latents; latent += blockDim.x) row[latent] = 0;
    __syncthreads();
    for (int bit = threadIdx.x / WARP; bit < GROUPED; bit += blockDim.x / WARP) {
        whole token = (whole)blockIdx.x * GROUPED + bit;
        if (token >= tokens) break;
        whole first = first_pair(starts, token, stride);
        for (whole at = threadIdx.x % WARP; at < listed[token]; at += WARP) {
            whole latent = index[first + at];
            if (latent < latents) atomicOr(&row[latent], 1u << bit);
        }
    }
}

// Writes how many pairs of each latent come before each group, how many there are, and in `sums` how many the latents of a
// block have. The numbers of pairs also go to where their sums will be, `bounds[1]` on. A thread for each latent.
extern "C" __global__ void count_pairs(const bits32 *marks, whole groups, whole latents, bits32 *before, float *counts,
                                       bits32 *sums, whole *bounds) {
    whole latent = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    bits32 count = 0, all;
    if (latent < latents) {
        for (whole first = 0; first < groups; first += AHEAD) {
            bits32 held[AHEAD];
#pragma unroll
            for (int part = 0; part < AHEAD; part++) {
                held[part] = first + part < groups ? marks[(first + part) * latents + latent] : 0;
            }
#pragma unroll
            for (int part = 0; part < AHEAD; part++) {
                if (first + part < groups) before[(first + part) * latents + latent] = count;
                count += __popc(held[part]);
            }
        }
        counts[latent] = (float)count;
        bounds[latent + 1] = count;
    }
    block_before(count, &all);
    if (threadIdx.x == 0) sums[blockIdx.x] = all;
}

// Writes where the pairs of each latent begin, and where those of the last one end, from what `count_pairs` has written. As
// many blocks as that has.
extern "C" __global__ void bound_latents(const bits32 *sums, whole latents, whole *bounds) {
    whole latent = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    bits32 some = 0, earlier, all;
    for (unsigned block = threadIdx.x; block < blockIdx.x; block += blockDim.x) some += sums[block];
    block_before(some, &earlier);
    bits32 count = latent < latents ? (bits32)bounds[latent + 1] : 0;
    bits32 before = block_before(count, &all);
    if (latent < latents) bounds[latent + 1] = (whole)earlier + before + count;
    if (latent == 0) bounds[0] = 0;
}

// Writes the places of the pairs in their order. A warp for each token.
extern "C" __global__ void order_pairs(const int *index, const int *listed, const int *starts, whole stride, whole tokens, whole latents,
                                       const bits32 *marks, const bits32 *before, const whole *bounds, whole *order) {
    whole token = (whole)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (token >= tokens) return;
    whole group = token / GROUPED, first = first_pair(starts, token, stride);
    bits32 earlier = (1u << token % GROUPED) - 1;
    for (whole at = threadIdx.x % WARP; at < listed[token]; at += WARP) {
        whole latent = index[first + at];
        if (latent >= latents) continue;
        whole cell = group * latents + latent;
        order[bounds[latent] + before[cell] + __popc(marks[cell] & earlier)] = first + at;
    }
}
