// Tells before this thread has libtorch look at the numbers of tensors.
#include <ATen/record_function.h>

#include <string_view>
#include <unordered_set>

namespace {

using Told = void (*)();
thread_local Told told = nullptr;

// Operations that only look at the same numbers otherwise, or make room for some. Those that may copy call another one for it.
bool touches_numbers(const char *name) {
  static const std::unordered_set<std::string_view> none = {
      "aten::alias",       "aten::as_strided",    "aten::contiguous", "aten::detach",  "aten::empty",
      "aten::empty_like",  "aten::empty_strided", "aten::expand",     "aten::narrow",  "aten::permute",
      "aten::reshape",     "aten::resolve_conj",  "aten::select",     "aten::slice",   "aten::squeeze",
      "aten::t",           "aten::to",            "aten::transpose",  "aten::unbind",  "aten::unsqueeze",
      "aten::view",        "aten::view_as",
      // As the one that differentiation wraps.
      "detach",
  };
  return none.count(name) == 0;
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction &call) {
  if (told && touches_numbers(call.name())) told();
  return nullptr;
}

} // namespace

// Returns what ends it; 0 where it did not begin.
extern "C" uint64_t saescript_tell_before(Told function) noexcept {
  try {
    auto callback = at::RecordFunctionCallback(begin).scopes({at::RecordScope::FUNCTION});
    uint64_t handle = at::addThreadLocalCallback(callback);
    told = function;
    return handle;
  } catch (...) {
    return 0;
  }
}

extern "C" void saescript_tell_no_more(uint64_t handle) noexcept {
  told = nullptr;
  try {
    at::removeCallback(handle);
  } catch (...) {
  }
}
