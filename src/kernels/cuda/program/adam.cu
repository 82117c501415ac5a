// One move of Adam, AdamW or SparseAdam, with the operations of `kernels::adam` in their order. `scale` is what clipping
// multiplies the gradient by besides `gain`, if it does.
extern "C" __global__ void adam_move(float *parameter, float *mean, float *square, const float *gradient, whole count,
                                     const double *scale, double gain, double keep, double beta1, double gain1, double beta2,
                                     double gain2, double root, double epsilon, double rate, whole where_gradient) {
    float factor = scale ? (float)*scale * (float)gain : (float)gain;
    whole step = (whole)gridDim.x * blockDim.x;
    for (whole at = (whole)blockIdx.x * blockDim.x + threadIdx.x; at < count; at += step) {
        float by = gradient[at] * factor;
        float squared = square[at] * (float)beta2 + by * by * (float)gain2;
        float here = parameter[at] * (float)keep;
        float before = mean[at], after, way;
        if (where_gradient) {
            after = before * (float)beta1 + by * (float)gain1;
            way = after / (sqrtf(squared) + (float)epsilon) * (float)rate;
            if (by == 0.0f) way = 0.0f;
        } else {
            // As torch.lerp does it, from the nearer end.
            float far = by - before;
            after = gain1 < 0.5 ? fmaf((float)gain1, far, before) : fmaf((float)gain1 - 1.0f, far, by);
            way = after / (sqrtf(squared) / (float)root + (float)epsilon) * (float)rate;
        }
        parameter[at] = here - way;
        mean[at] = after;
        square[at] = squared;
    }
}
