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

// One move of Adam, AdamW or SparseAdam. `scale` is what clipping multiplies the gradient by besides `gain`, if it does.
extern "C" __global__ void adam_move(float *parameter, float *mean, float *square, const float *gradient, whole count,
                                     const double *scale, double gain, double keep, double beta1, double gain1, double beta2,
                                     double gain2, double root, double epsilon, double rate, whole where_gradient) {
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
