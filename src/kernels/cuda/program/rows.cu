// Lengths of rows, a warp for each row.

// Returns the length of a row to all lanes of a warp.
__device__ float row_length(const float *row, whole width, bool fours) {
    double squares = 0.0;
    for (whole at = threadIdx.x % WARP * 4; at < width; at += WARP * 4) {
        float4 x = four(row, at, width, fours);
        squares += (double)x.x * x.x + (double)x.y * x.y + (double)x.z * x.z + (double)x.w * x.w;
    }
    return (float)sqrt(warp_sum(squares));
}

// Writes the length of each row, and the length where it is over `floor`, else 0, if there is a place for it.
extern "C" __global__ void row_lengths(const float *rows, whole count, whole width, double floor, float *length,
                                       float *seen) {
    whole row = (whole)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= count) return;
    float found = row_length(rows + row * width, width, in_fours(rows, width));
    if (threadIdx.x % WARP != 0) return;
    length[row] = found;
    // A factor, so that NaN stays.
    if (seen) seen[row] = found * (found > (float)floor ? 1.0f : 0.0f);
}

// Writes each row times `root / length`, where the length counts as `floor` at least.
extern "C" __global__ void scale_rows(const float *rows, whole count, whole width, double floor, double root, float *scaled) {
    whole row = (whole)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= count) return;
    const float *from = rows + row * width;
    float *to = scaled + row * width;
    bool fours = in_fours(rows, width) && in_fours(scaled, width);
    float length = row_length(from, width, fours);
    float factor = 1.0f / (length < (float)floor ? (float)floor : length) * (float)root;
    if (fours) {
        for (whole at = threadIdx.x % WARP * 4; at < width; at += WARP * 4) {
            float4 x = *(const float4 *)(from + at);
            *(float4 *)(to + at) = float4{x.x * factor, x.y * factor, x.z * factor, x.w * factor};
        }
    } else {
        for (whole at = threadIdx.x % WARP; at < width; at += WARP) to[at] = from[at] * factor;
    }
}
