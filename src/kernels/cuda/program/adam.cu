// What a move goes by, in the numbers that it is computed in.
struct Rates {
    float factor, keep, beta1, gain1, beta2, gain2, root, epsilon, rate;
    bool is_near, where_gradient;
};

// Moves one number, with the operations of `kernels::adam` in their order.
__device__ void move_one(float *parameter, float *mean, float *square, float gradient, const Rates &rates) {
    float by = gradient * rates.factor;
    float squared = *square * rates.beta2 + by * by * rates.gain2;
    float here = *parameter * rates.keep;
    float before = *mean, after, way;
    if (rates.where_gradient) {
        after = before * rates.beta1 + by * rates.gain1;
        way = after / (sqrtf(squared) + rates.epsilon) * rates.rate;
        if (by == 0.0f) way = 0.0f;
    } else {
        // As torch.lerp does it, from the nearer end.
        float far = by - before;
        after = rates.is_near ? fmaf(rates.gain1, far, before) : fmaf(rates.gain1 - 1.0f, far, by);
        way = after / (sqrtf(squared) / rates.root + rates.epsilon) * rates.rate;
    }
    *parameter = here - way;
    *mean = after;
    *square = squared;
}

// Returns a power as `f64::powi` does it.
__device__ double power(double base, whole exponent) {
    double product = 1.0;
    for (;;) {
        if (exponent & 1) product *= base;
        exponent /= 2;
        if (exponent == 0) return product;
        base *= base;
    }
}

// Counts one more move where some part of a gradient is not 0, and writes to `due` whether it is, and how far numbers then
// move, by the formulas of `Factors::of`. One block.
extern "C" __global__ void count_move(const double *squares, const whole *nonzeros, whole parts, double lr, double beta1,
                                      double beta2, whole *moves, double *due) {
    Norm all = sum_of_parts(squares, nonzeros, 0, parts);
    if (threadIdx.x != 0) return;
    if (all.nonzeros > 0) *moves += 1;
    double correction1 = 1.0 - power(beta1, *moves), correction2 = sqrt(1.0 - power(beta2, *moves));
    due[0] = all.nonzeros > 0 ? 1.0 : 0.0;
    due[1] = lr * correction2 / correction1;
}

// One move of Adam, AdamW or SparseAdam, none where `due` is there and says so. `scale` is what clipping multiplies the gradient by besides `gain`, if it does.
extern "C" __global__ void adam_move(float *parameter, float *mean, float *square, const float *gradient, whole count,
                                     const double *scale, double gain, double keep, double beta1, double gain1, double beta2,
                                     double gain2, double root, double epsilon, double rate, whole where_gradient,
                                     const double *due) {
    if (due && due[0] == 0.0) return;
    if (due) rate = due[1];
    Rates rates = {scale ? (float)*scale * (float)gain : (float)gain, (float)keep, (float)beta1, (float)gain1, (float)beta2,
                   (float)gain2, (float)root, (float)epsilon, (float)rate, gain1 < 0.5, where_gradient != 0};
    whole first = (whole)blockIdx.x * blockDim.x + threadIdx.x, step = (whole)gridDim.x * blockDim.x;
    whole fours = fours_of(parameter, count);
    if (fours_of(mean, count) == 0 || fours_of(square, count) == 0 || fours_of(gradient, count) == 0) fours = 0;
    for (whole at = first; at < fours; at += step) {
        float4 here = ((float4 *)parameter)[at], average = ((float4 *)mean)[at], squares = ((float4 *)square)[at];
        float4 by = ((const float4 *)gradient)[at];
        move_one(&here.x, &average.x, &squares.x, by.x, rates);
        move_one(&here.y, &average.y, &squares.y, by.y, rates);
        move_one(&here.z, &average.z, &squares.z, by.z, rates);
        move_one(&here.w, &average.w, &squares.w, by.w, rates);
        ((float4 *)parameter)[at] = here;
        ((float4 *)mean)[at] = average;
        ((float4 *)square)[at] = squares;
    }
    for (whole at = fours * 4 + first; at < count; at += step) {
        move_one(parameter + at, mean + at, square + at, gradient[at], rates);
    }
}
