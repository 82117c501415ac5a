// The errors of reconstructions: for each of the prefixes of the latents, which end at `ends`, the sum of
// `weight * scale * (reconstruction - label)` over this prefix and the longer ones, and the squares of
// `reconstruction - label`. Pairs of a token lie from its place in `starts` on, or its number times `stride`, latents
// ascending; those whose activation is 0 are not looked at. A block for each token, four columns for each thread; `apart`
// numbers lie between the rows of two prefixes.

// Returns the first of the ascending latents from `first` to `last` that is not below `end`.
__device__ whole first_from(const int *latent, whole first, whole last, whole end) {
    while (first < last) {
        whole middle = (first + last) / 2;
        if (latent[middle] < end) first = middle + 1;
        else last = middle;
    }
    return first;
}

// Adds to four sums the columns from `column` on of the decoder's rows of the pairs from `first` to `last`, each times its
// activation.
__device__ void add_pairs(Staged &staged, const float *decoder, const int *index, const float *activation, whole first,
                          whole last, whole column, whole width, bool fours, float4 &sums) {
    for (whole at = first; at < last; at += blockDim.x) {
        int count = stage(staged, at, last, [&](whole pair, const float *&row, float &act) {
            row = decoder + index[pair] * width;
            act = activation[pair];
        });
        add_staged(staged, count, column, width, fours, sums);
    }
}

extern "C" __global__ void residual_rows(const float *decoder, const float *bias, const float *label, whole width,
                                         const int *index, const float *activation, const int *listed, const int *starts,
                                         whole stride, const whole *ends, const double *weight, whole prefixes,
                                         double scale, whole apart, float *residual, float *squared) {
    __shared__ Staged staged;
    whole token = blockIdx.x, begin = first_pair(starts, token, stride), last = begin + listed[token];
    bool fours = in_fours(decoder, width), apart_fours = in_fours(label, width) && in_fours(residual, width);
    // Threads whose columns are beyond the last one help to stage.
    for (whole first = 0; first < width; first += 4 * blockDim.x) {
        whole column = first + 4 * threadIdx.x;
        float4 sums = {0.0f, 0.0f, 0.0f, 0.0f};
        if (bias) sums = four(bias, column, width, in_fours(bias, width));
        whole at = begin;
        for (whole prefix = 0; prefix < prefixes; prefix++) {
            whole till = prefixes > 1 ? first_from(index, at, last, ends[prefix]) : last;
            add_pairs(staged, decoder, index, activation, at, till, column, width, fours, sums);
            at = till;
            float4 expected = four(label + token * width, column, width, apart_fours);
            float4 error = {sums.x - expected.x, sums.y - expected.y, sums.z - expected.z, sums.w - expected.w};
            put_four(residual + prefix * apart + token * width, column, width, apart_fours, error);
        }
    }
    // Each thread reads what it has written itself.
    for (whole prefix = 0; prefix < prefixes; prefix++) {
        const float *errors = residual + prefix * apart + token * width;
        double squares = 0.0;
        for (whole column = 4 * threadIdx.x; column < width; column += 4 * blockDim.x) {
            float4 error = four(errors, column, width, apart_fours);
            squares += (double)error.x * error.x + (double)error.y * error.y + (double)error.z * error.z +
                       (double)error.w * error.w;
        }
        squares = block_sum(squares);
        if (threadIdx.x == 0) squared[prefix * gridDim.x + token] = (float)squares;
    }
    for (whole column = 4 * threadIdx.x; column < width; column += 4 * blockDim.x) {
        float4 sums = {0.0f, 0.0f, 0.0f, 0.0f};
        for (whole prefix = prefixes - 1; prefix >= 0; prefix--) {
            float *errors = residual + prefix * apart + token * width;
            add_four((float)(weight[prefix] * scale), four(errors, column, width, apart_fours), sums);
            put_four(errors, column, width, apart_fours, sums);
        }
    }
}
