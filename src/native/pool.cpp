// Memory of tensors on the CPU that goes from one round of work to the next: an allocator that stands before libtorch's own and
// takes from the pool of its thread, where it has one.
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace {

struct Pool;

// What stands before the numbers of every tensor.
struct alignas(64) Block {
  // Where it goes to; none: to the C library.
  Pool *pool;
  size_t bytes;
  // The round in which it was given back.
  uint64_t round;

  void *numbers() { return this + 1; }
};
static_assert(sizeof(Block) == 64, "numbers start where a cache line does");

// Smaller blocks cost the C library next to nothing.
constexpr size_t LEAST = 4096 - sizeof(Block);

Block *of_numbers(void *numbers) { return static_cast<Block *>(numbers) - 1; }

// libtorch's own.
c10::Allocator *own = c10::GetCPUAllocator();

struct ToOwn {
  void operator()(Block *block) const { own->raw_deallocate(block); }
};
using Owned = std::unique_ptr<Block, ToOwn>;

// The size of a block for so many bytes, up to an eighth more: what grows and shrinks a little finds a block again.
size_t rounded(size_t bytes) {
  size_t step = 256;
  while (step * 16 <= bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

// Throws where there is too little memory, as libtorch's own does.
Owned made(Pool *pool, size_t bytes) {
  return Owned(new (own->raw_allocate(sizeof(Block) + bytes)) Block{pool, bytes, 0});
}

struct Pool {
  std::mutex lock;
  std::unordered_map<size_t, std::vector<Owned>> kept;
  uint64_t round = 0;
  bool has_ended = false;
  // Blocks that tensors hold, and one until it has ended.
  size_t held = 1;
};

thread_local Pool *current = nullptr;

// Those that have not ended, to the end of the process and after main. Whoever locks both locks this first.
std::mutex all_lock;
auto &all = *new std::vector<Pool *>;

// Gives back to the C library what is kept since before that round.
void free_kept(Pool *pool, uint64_t before) {
  for (auto of_size = pool->kept.begin(); of_size != pool->kept.end();) {
    auto &blocks = of_size->second;
    auto is_old = [&](const Owned &block) { return block->round < before; };
    blocks.erase(std::remove_if(blocks.begin(), blocks.end(), is_old), blocks.end());
    of_size = blocks.empty() ? pool->kept.erase(of_size) : std::next(of_size);
  }
}

// A block less is held. The last one ends the pool.
void let_go(Pool *pool, std::unique_lock<std::mutex> locked) {
  bool is_last = --pool->held == 0;
  locked.unlock();
  if (is_last) delete pool;
}

void give_back(void *numbers) {
  if (!numbers) return;
  Owned block(of_numbers(numbers));
  auto *pool = block->pool;
  if (!pool) return;
  std::unique_lock<std::mutex> locked(pool->lock);
  block->round = pool->round;
  try {
    if (!pool->has_ended) pool->kept[block->bytes].push_back(std::move(block));
  } catch (const std::bad_alloc &) {
    // Then it is not kept.
  }
  let_go(pool, std::move(locked));
}

Owned taken(Pool *pool, size_t bytes) {
  std::lock_guard<std::mutex> locked(pool->lock);
  Owned block;
  auto of_size = pool->kept.find(bytes);
  if (of_size != pool->kept.end() && !of_size->second.empty()) {
    block = std::move(of_size->second.back());
    of_size->second.pop_back();
  } else {
    // What this round does not need may be what is missing.
    free_kept(pool, pool->round);
    block = made(pool, bytes);
  }
  ++pool->held;
  return block;
}

struct Pooled final : c10::Allocator {
  at::DataPtr allocate(size_t bytes) override {
    void *numbers = nullptr;
    if (bytes > 0) {
      auto block = current && bytes >= LEAST ? taken(current, rounded(bytes)) : made(nullptr, bytes);
      numbers = block.release()->numbers();
    }
    return {numbers, numbers, give_back, at::Device(at::kCPU)};
  }

  c10::DeleterFnPtr raw_deleter() const override { return give_back; }

  void copy_data(void *into, const void *from, size_t bytes) const override { default_copy_data(into, from, bytes); }
};

// From before main on, so that there is no memory of which one of the two does not know.
[[maybe_unused]] const bool stands_before = [] {
  c10::SetCPUAllocator(new Pooled);
  return true;
}();

} // namespace

extern "C" void *saescript_pool_new() noexcept {
  auto *pool = new Pool;
  std::lock_guard<std::mutex> locked(all_lock);
  all.push_back(pool);
  return pool;
}

// Ends a pool; what tensors hold of it stays until they go.
extern "C" void saescript_pool_end(void *handle) noexcept {
  auto *pool = static_cast<Pool *>(handle);
  {
    std::lock_guard<std::mutex> locked(all_lock);
    all.erase(std::remove(all.begin(), all.end(), pool), all.end());
  }
  std::unique_lock<std::mutex> locked(pool->lock);
  pool->has_ended = true;
  pool->kept.clear();
  let_go(pool, std::move(locked));
}

// Gives back to the C library what no tensor holds of any pool.
extern "C" void saescript_pools_free_kept() noexcept {
  std::lock_guard<std::mutex> all_locked(all_lock);
  for (auto *pool : all) {
    std::lock_guard<std::mutex> locked(pool->lock);
    free_kept(pool, UINT64_MAX);
  }
}

// Returns how many bytes are kept that no tensor holds.
extern "C" size_t saescript_pool_kept(void *handle) noexcept {
  auto *pool = static_cast<Pool *>(handle);
  std::lock_guard<std::mutex> locked(pool->lock);
  size_t bytes = 0;
  for (auto &of_size : pool->kept) bytes += of_size.first * of_size.second.size();
  return bytes;
}

// Begins a round: what the one before did not need goes back to the C library.
extern "C" void saescript_pool_begin(void *handle) noexcept {
  auto *pool = static_cast<Pool *>(handle);
  std::lock_guard<std::mutex> locked(pool->lock);
  free_kept(pool, pool->round);
  ++pool->round;
}

// Has tensors of this thread come from a pool, or from none; returns the pool from which they came before.
extern "C" void *saescript_pool_use(void *handle) noexcept {
  auto *before = current;
  current = static_cast<Pool *>(handle);
  return before;
}
