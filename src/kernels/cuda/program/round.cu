// Rows of float32 rounded to bfloat16, with what the rounding cost: `row = rounded + rest`, |row| <= norm, |rest| <=
// residual. A block for each row. Rows that are not finite, or too large, become zero and have an infinite residual.
extern "C" __global__ void round_rows(const float *rows, whole width, unsigned short *rounded, float *norm,
                                      float *residual) {
    const float *row = rows + blockIdx.x * width;
    double squares = 0.0, rests = 0.0;
    for (whole at = threadIdx.x; at < width; at += blockDim.x) {
        bits32 bits = __float_as_uint(row[at]);
        // To the nearest, and to the even one between two.
        bits32 nearest = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
        float rest = row[at] - __uint_as_float(nearest);
        squares += (double)row[at] * row[at];
        rests += (double)rest * rest;
    }
    // Sums in float64 of up to 2^24 squares are off by less than 2^-28, roots and the rounding to float32 by 2^-24.
    const float up = 1.0f + 2.384185791015625e-7f;
    float length = (float)sqrt(block_sum(squares)) * up;
    float rest = (float)sqrt(block_sum(rests)) * up;
    bool usable = length <= LARGEST;
    for (whole at = threadIdx.x; at < width; at += blockDim.x) {
        bits32 bits = __float_as_uint(row[at]);
        bits32 nearest = bits + 0x7fffu + (bits >> 16 & 1u);
        rounded[blockIdx.x * width + at] = usable ? (unsigned short)(nearest >> 16) : 0;
    }
    if (threadIdx.x == 0) {
        norm[blockIdx.x] = length;
        residual[blockIdx.x] = usable ? rest : __uint_as_float(0x7f800000u);
    }
}
