// Runs the kernels on a processor, for tests. The threads of a block take turns on one thread of the machine, each on a
// stack of its own, and change where they wait for one another: at barriers and in operations of a warp. Blocks run one
// after the other. Either order can be turned round, so that what depends on it shows. Barriers that not all threads of
// a block reach, or of a warp, end in an error instead of waiting.
#include <csetjmp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>
#include <ucontext.h>

namespace emulated {

struct Place { unsigned x, y, z; };

struct Thread {
    ucontext_t start;
    jmp_buf here;
    std::unique_ptr<char[]> stack;
    bool begun = false, ended = false;
};

constexpr size_t STACK = 64 << 10;
constexpr unsigned LANES = 32;

struct Warp {
    uint64_t values[LANES];
    unsigned arrived = 0, round = 0;
};

struct Block {
    std::vector<Thread> threads;
    std::vector<Warp> warps;
    unsigned arrived = 0, round = 0;
    size_t now = 0;
    bool moved = false;
    jmp_buf scheduler;
    void (*body)(void **) = nullptr;
    void **arguments = nullptr;
};

// One kernel runs at a time, so that nothing belongs to a thread.
inline std::mutex turn;
inline Block block;
inline Place thread_place, block_place, block_size, grid_size;

inline void wait() {
    if (_setjmp(block.threads[block.now].here) == 0) _longjmp(block.scheduler, 1);
}

// Waits until `count` threads have come here.
inline void meet(unsigned &arrived, unsigned &round, unsigned count) {
    unsigned mine = round;
    block.moved = true;
    if (++arrived == count) {
        arrived = 0;
        round++;
        return;
    }
    while (round == mine) wait();
}

// Returns what lane `from` of the warp has brought.
template <class T> T exchange(T value, unsigned from) {
    Warp &warp = block.warps[block.now / LANES];
    std::memcpy(&warp.values[block.now % LANES], &value, sizeof value);
    meet(warp.arrived, warp.round, LANES);
    T other;
    std::memcpy(&other, &warp.values[from % LANES], sizeof other);
    meet(warp.arrived, warp.round, LANES);
    return other;
}

// Returns the sum of what the lanes of the warp have brought.
inline unsigned total(unsigned count) {
    Warp &warp = block.warps[block.now / LANES];
    warp.values[block.now % LANES] = count;
    meet(warp.arrived, warp.round, LANES);
    unsigned sum = 0;
    for (uint64_t value : warp.values) sum += unsigned(value);
    meet(warp.arrived, warp.round, LANES);
    return sum;
}

// Returns for which lanes of the warp a condition holds, a bit for each.
inline unsigned vote(bool holds) { return total(unsigned(holds) << block.now % LANES); }

// What a thread does for ever: its part of one block, then of the next.
inline void begin() {
    for (;;) {
        block.body(block.arguments);
        block.threads[block.now].ended = true;
        block.moved = true;
        wait();
    }
}

inline void resume(size_t index) {
    Thread &thread = block.threads[index];
    block.now = index;
    thread_place = {unsigned(index), 0, 0};
    if (_setjmp(block.scheduler) != 0) return;
    if (thread.begun) _longjmp(thread.here, 1);
    thread.begun = true;
    getcontext(&thread.start);
    thread.start.uc_stack.ss_sp = thread.stack.get();
    thread.start.uc_stack.ss_size = STACK;
    thread.start.uc_link = nullptr;
    makecontext(&thread.start, begin, 0);
    setcontext(&thread.start);
}

// Runs one block; false where some threads wait for others that never come.
inline bool run_block(unsigned threads, bool reversed) {
    while (block.threads.size() < threads) {
        block.threads.emplace_back();
        block.threads.back().stack.reset(new char[STACK]);
    }
    block.warps.assign(threads / LANES, Warp{});
    block.arrived = block.round = 0;
    for (Thread &thread : block.threads) thread.ended = false;
    for (;;) {
        bool all = true;
        block.moved = false;
        for (unsigned at = 0; at < threads; at++) {
            unsigned index = reversed ? threads - 1 - at : at;
            if (block.threads[index].ended) continue;
            all = false;
            resume(index);
        }
        if (all) return true;
        if (!block.moved) {
            block.threads.clear();  // they stand in the middle of something
            return false;
        }
    }
}

// What a parameter is, as a letter.
template <class T> constexpr char letter() {
    static_assert(sizeof(T) == 8, "every parameter is 8 bytes long");
    return std::is_pointer_v<T> ? 'p' : std::is_same_v<T, double> ? 'd' : 'w';
}

template <auto Kernel> struct Call;
template <class... A, void (*Kernel)(A...)> struct Call<Kernel> {
    template <size_t... I> static void spread(void **arguments, std::index_sequence<I...>) {
        Kernel(*static_cast<A *>(arguments[I])...);
    }
    static void body(void **arguments) { spread(arguments, std::index_sequence_for<A...>{}); }
    static std::string letters() { return {letter<A>()...}; }
};

struct Entry {
    const char *name;
    void (*body)(void **);
    std::string (*letters)();
};

}  // namespace emulated

struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) ushort4 { unsigned short x, y, z, w; };

#define __global__
#define __device__ inline
#define __shared__ static
#define threadIdx emulated::thread_place
#define blockIdx emulated::block_place
#define blockDim emulated::block_size
#define gridDim emulated::grid_size

#define __syncthreads() emulated::meet(emulated::block.arrived, emulated::block.round, blockDim.x)
#define __shfl_xor_sync(lanes, value, apart) emulated::exchange(value, threadIdx.x ^ unsigned(apart))
#define __shfl_up_sync(lanes, value, apart) \
    emulated::exchange(value, threadIdx.x % 32 < unsigned(apart) ? threadIdx.x : threadIdx.x - unsigned(apart))

#define __ballot_sync(lanes, holds) emulated::vote(holds)
#define __any_sync(lanes, holds) (emulated::vote(holds) != 0)
#define __all_sync(lanes, holds) (emulated::vote(holds) == lanes)
#define __reduce_add_sync(lanes, count) emulated::total(count)
#define __syncwarp() emulated::exchange(0, threadIdx.x)

template <class Number> static inline Number atomicAdd(Number *place, Number more) {
    Number before = *place;
    *place += more;
    return before;
}
static inline unsigned atomicOr(unsigned *place, unsigned bits) {
    unsigned before = *place;
    *place |= bits;
    return before;
}
static inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
static inline unsigned __float_as_uint(float x) { unsigned bits; std::memcpy(&bits, &x, 4); return bits; }
static inline float __uint_as_float(unsigned bits) { float x; std::memcpy(&x, &bits, 4); return x; }
