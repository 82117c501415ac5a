// libtorch's own thread pool for loops of ours, so that no second pool fights over the cores. Compiled with -fopenmp.
#include <ATen/Parallel.h>

extern "C" void saescript_parallel_for(int64_t count, int64_t grain, void *work,
                                       void (*call)(void *work, int64_t begin, int64_t end)) {
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) { call(work, begin, end); });
}

extern "C" int64_t saescript_threads() { return at::in_parallel_region() ? 1 : at::get_num_threads(); }
