// The streams on which libtorch works on a GPU: that of this thread, so that kernels of ours come in turn with its own, and
// what it takes for threads to work on several of them.
#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace {

// Calls work, which exceptions must not leave; returns whether it did its work.
template <typename Work> int done(Work work) noexcept {
  try {
    work(c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA));
    return 0;
  } catch (...) {
    return 1;
  }
}

c10::Device gpu(int index) { return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index)}; }

} // namespace

extern "C" int saescript_current_stream(int index, void **stream) noexcept {
  return done([&](auto guard) { *stream = guard.getStream(gpu(index)).native_handle(); });
}

// From here on this thread works on another stream than those that have not asked.
extern "C" int saescript_own_stream(int index) noexcept {
  return done([&](auto guard) { guard.exchangeStream(guard.getStreamFromGlobalPool(gpu(index))); });
}

// Waits until the GPU has done what this thread told it.
extern "C" int saescript_finish_stream(int index) noexcept {
  return done([&](auto guard) { guard.synchronizeStream(guard.getStream(gpu(index))); });
}

// An event after all that this thread has told the GPU.
extern "C" int saescript_mark(int index, void **event) noexcept {
  return done([&](auto guard) {
    auto made = std::make_unique<c10::Event>(c10::DeviceType::CUDA);
    made->record(guard.getStream(gpu(index)));
    *event = made.release();
  });
}

// What this thread tells the GPU next comes after the event.
extern "C" int saescript_after_mark(int index, const void *event) noexcept {
  return done([&](auto guard) { static_cast<const c10::Event *>(event)->block(guard.getStream(gpu(index))); });
}

extern "C" void saescript_forget_mark(void *event) noexcept { delete static_cast<c10::Event *>(event); }

// When a tensor is freed, its memory goes to others only after what this thread has told the GPU until then.
extern "C" int saescript_used_here(const void *tensor) noexcept {
  return done([&](auto guard) {
    const auto &used = *static_cast<const at::Tensor *>(tensor);
    guard.recordDataPtrOnStream(used.storage().data_ptr(), guard.getStream(used.device()));
  });
}
