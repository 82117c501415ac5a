// Which kernels libtorch may take for attention on a GPU.
#include <ATen/Context.h>

extern "C" int saescript_without_cudnn_attention() noexcept {
  try {
    at::globalContext().setSDPUseCuDNN(false);
    return at::globalContext().userEnabledCuDNNSDP() ? 1 : 0;
  } catch (...) {
    return 1;
  }
}
