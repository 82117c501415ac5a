// After the kernels and their TABLE. Runs the kernel `name` and returns 0; 1 where there is none of that name, 2 where
// its parameters are not those of `letters`, 3 where its threads wait for others that never come.
extern "C" int emulate(const char *name, const char *letters, unsigned blocks, unsigned rows, unsigned threads,
                       void **arguments, int reversed) {
    std::lock_guard<std::mutex> held(emulated::turn);
    for (const emulated::Entry &entry : TABLE) {
        if (std::strcmp(entry.name, name) != 0) continue;
        if (entry.letters() != letters) return 2;
        emulated::block.body = entry.body;
        emulated::block.arguments = arguments;
        blockDim = {threads, 1, 1};
        gridDim = {blocks, rows, 1};
        for (uint64_t at = 0; at < uint64_t(blocks) * rows; at++) {
            uint64_t index = reversed ? uint64_t(blocks) * rows - 1 - at : at;
            blockIdx = {unsigned(index % blocks), unsigned(index / blocks), 0};
            if (!emulated::run_block(threads, reversed != 0)) return 3;
        }
        return 0;
    }
    return 1;
}
