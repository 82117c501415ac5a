// Sums in float64, whose order follows from how many numbers there are and from nothing else.

// Writes for each column the sum over the rows of a part, which has `apart` rows. A block for each part and some columns.
extern "C" __global__ void add_rows(const float *rows, whole count, whole width, whole apart, double *parts) {
    whole column = (whole)blockIdx.y * blockDim.x + threadIdx.x, first = (whole)blockIdx.x * apart;
    if (column >= width) return;
    whole end = first + apart < count ? first + apart : count;
    double sum = 0.0;
#pragma unroll 8
    for (whole row = first; row < end; row++) sum += rows[row * width + column];
    parts[blockIdx.x * width + column] = sum;
}

// Writes for each column the sum over all parts, divided by `divisor`. A thread for each column.
extern "C" __global__ void add_parts(const double *parts, whole count, whole width, double divisor, float *sums) {
    whole column = (whole)blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) return;
    double sum = 0.0;
#pragma unroll 8
    for (whole part = 0; part < count; part++) sum += parts[part * width + column];
    sums[column] = (float)(sum / divisor);
}

// Writes the sum of numbers times `factor`. One block.
extern "C" __global__ void add_numbers(const float *numbers, whole count, double factor, float *sum) {
    __shared__ double sums[CHAINS];
    for (unsigned chain = threadIdx.x; chain < CHAINS; chain += blockDim.x) {
        double part = 0.0;
#pragma unroll 4
        for (whole at = chain; at < count; at += CHAINS) part += numbers[at];
        sums[chain] = part;
    }
    __syncthreads();
    for (unsigned apart = CHAINS / 2; apart > 0; apart /= 2) {
        for (unsigned chain = threadIdx.x; chain < apart; chain += blockDim.x) sums[chain] += sums[chain + apart];
        __syncthreads();
    }
    if (threadIdx.x == 0) *sum = (float)(sums[0] * factor);
}

// Writes the sum of up to 8 numbers, in their order; none for a place that is null.
extern "C" __global__ void add_terms(const float *v0, const float *v1, const float *v2, const float *v3, const float *v4,
                                     const float *v5, const float *v6, const float *v7, float *sum) {
    if (blockIdx.x > 0 || threadIdx.x > 0) return;
    const float *values[] = {v0, v1, v2, v3, v4, v5, v6, v7};
    float total = 0.0f;
#pragma unroll
    for (int at = 0; at < 8; at++) {
        if (values[at]) total += *values[at];
    }
    *sum = total;
}
