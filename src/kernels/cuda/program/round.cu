// Rows of float32, each times a power of two that brings its norm to 32 to 64, rounded to float16, with what the rounding
// cost: `row = back * (rounded + rest)`, |row| <= norm, |back * rest| <= residual. Rows that are not finite, or too large,
// become zero and have an infinite residual; those smaller than SMALLEST become zero, and SMALLEST is their residual. A warp for each row or, where `is_wide`, a block, so that the few rows that are
// read at a time are near when they are read again.

// Returns the nearest float16 number, the even one between two, and zero for what float16 has no full precision for.
__device__ float half_of(float x) {
    bits32 bits = __float_as_uint(x);
    float nearest = __uint_as_float((bits + 0xfffu + (bits >> 13 & 1u)) & 0xffffe000u);
    return fabsf(nearest) < 6.103515625e-5f ? 0.0f : nearest;
}

// Returns the 16 bits of a number of `half_of`.
__device__ unsigned short half_bits(float half) {
    bits32 bits = __float_as_uint(half);
    bits32 size = bits << 1 == 0 ? 0 : (bits & 0x7fffffffu) - (112u << 23);
    return (unsigned short)((bits >> 16 & 0x8000u) | (size >> 13));
}

// Returns the power of two that brings a norm of at most LARGEST to 32 to 64, or at least nearer.
__device__ float scale_of(float norm) {
    bits32 exponent = __float_as_uint(norm) >> 23;
    return __uint_as_float((259u - (exponent < 96u ? 96u : exponent)) << 23);
}

extern "C" __global__ void round_rows(const float *rows, whole count, whole width, whole is_wide, unsigned short *rounded,
                                      float *back, float *norm, float *residual) {
    whole team = is_wide ? blockDim.x : WARP, member = threadIdx.x % team;
    whole index = (whole)blockIdx.x * (blockDim.x / team) + threadIdx.x / team;
    if (index >= count) return;
    auto sum_of = [&](double sum) { return is_wide ? block_sum(sum) : warp_sum(sum); };
    const float *row = rows + index * width;
    bool fours = in_fours(rows, width);
    double squares = 0.0, rests = 0.0, sizes = 0.0;
#pragma unroll 4
    for (whole at = 4 * member; at < width; at += 4 * team) {
        float4 x = four(row, at, width, fours);
        squares += x.x * x.x + x.y * x.y + x.z * x.z + x.w * x.w;
        sizes += fmaxf(fmaxf(fabsf(x.x), fabsf(x.y)), fmaxf(fabsf(x.z), fabsf(x.w)));
    }
    // Sums of four squares in float32 are off by 2^-22, those in float64 of up to 2^24 of them by 2^-28; roots and the
    // rounding to float32 by 2^-24.
    const float up = 1.0f + 4.76837158203125e-7f;
    float length = (float)sqrt(sum_of(squares)) * up;
    bool usable = length <= LARGEST;
    // Squares of small numbers are cut off.
    bool is_small = length < SMALLEST && sum_of(sizes) > 0.0;
    float scale = usable && !is_small ? scale_of(length) : 0.0f;
#pragma unroll 4
    for (whole at = 4 * member; at < width; at += 4 * team) {
        float4 x = four(row, at, width, fours);
        float scaled[4] = {x.x * scale, x.y * scale, x.z * scale, x.w * scale};
        ushort4 bits;
        unsigned short *places[4] = {&bits.x, &bits.y, &bits.z, &bits.w};
#pragma unroll
        for (int part = 0; part < 4; part++) {
            float half = usable ? half_of(scaled[part]) : 0.0f;
            scaled[part] -= half;
            *places[part] = half_bits(half);
        }
        rests += scaled[0] * scaled[0] + scaled[1] * scaled[1] + scaled[2] * scaled[2] + scaled[3] * scaled[3];
        if (fours) {
            *(ushort4 *)(rounded + index * width + at) = bits;
        } else {
            for (int part = 0; part < 4 && at + part < width; part++) rounded[index * width + at + part] = *places[part];
        }
    }
    // The rest of a number that was rounded is a millionth of the norm or more, or so small that the bound covers it.
    float rest = (float)sqrt(sum_of(rests)) * up;
    if (member == 0) {
        back[index] = scale > 0.0f ? 1.0f / scale : 0.0f;
        norm[index] = is_small ? SMALLEST : length;
        residual[index] = is_small ? SMALLEST : usable ? rest / scale : __uint_as_float(0x7f800000u);
    }
}
