#include "engine.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "parallel.h"

namespace nifconv {

#define NIFCONV_DECLARE(name) namespace name { extern const InstructionSet instruction_set; }
#ifdef NIFCONV_X86
NIFCONV_DECLARE(avx512)
NIFCONV_DECLARE(avx2)
#endif
NIFCONV_DECLARE(baseline)

namespace {

nifconv_parallel_for parallel_for = nullptr;
nifconv_thread_count thread_count = nullptr;

constexpr size_t alignment = 64, kept_by_a_thread = 16 << 20;

size_t rounded(size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

// Those that run here, the widest first.
int available(const InstructionSet** sets) {
    int count = 0;
#ifdef NIFCONV_X86
    __builtin_cpu_init();
    const bool fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        sets[count++] = &avx512::instruction_set;
    if (fma) sets[count++] = &avx2::instruction_set;
#endif
    sets[count++] = &baseline::instruction_set;
    return count;
}

std::atomic<const InstructionSet*> chosen{nullptr};

const InstructionSet& current() {
    const InstructionSet* sets[3];
    if (!chosen.load()) available(sets), chosen.store(sets[0]);
    return *chosen.load();
}

struct ThreadMemory {
    void* start = nullptr;
    size_t size = 0;
    ~ThreadMemory() { free(start); }
};

struct Queue {
    std::atomic<int64_t> next{0};
    int64_t count;
    Item item;
    void* context;
    std::atomic<bool> failed{false};

    static void drain(int64_t, int64_t, void* self) {
        Queue& queue = *static_cast<Queue*>(self);
        for (int64_t n; (n = queue.next.fetch_add(1)) < queue.count;)
            if (!queue.item(n, queue.context)) queue.failed = true;
    }
};

template <class Work>
int run(const Work& work, bool (*InstructionSet::*single)(const Work&), bool (*InstructionSet::*wide)(const Work&)) {
    try {
        return (current().*(work.problem.wide ? wide : single))(work) ? 0 : 1;
    } catch (const std::bad_alloc&) {
        return 1;
    }
}

int run(const Convolution& work) { return run(work, &InstructionSet::convolve_single, &InstructionSet::convolve_double); }
int run(const Dense& work) { return run(work, &InstructionSet::dense_single, &InstructionSet::dense_double); }

}  // namespace

bool for_each(int64_t count, Item item, void* context) {
    Queue queue;
    queue.count = count, queue.item = item, queue.context = context;
    const int64_t several = threads() < count ? threads() : count;
    if (several > 1) parallel_for(0, several, 1, Queue::drain, &queue);
    Queue::drain(0, 1, &queue);  // all items, or those that threads which could not be started have left
    return !queue.failed;
}

int64_t threads() {
    uint32_t count = 1;
    if (parallel_for && thread_count) thread_count(&count);
    return count;
}

void* thread_memory(size_t bytes, Use use) {
    thread_local ThreadMemory all[uses];
    ThreadMemory& memory = all[use];
    if (bytes > memory.size || (memory.size > kept_by_a_thread && bytes <= kept_by_a_thread)) {
        free(memory.start);
        memory.size = rounded(bytes);
        memory.start = aligned_alloc(alignment, memory.size);
        if (!memory.start) memory.size = 0;
    }
    return memory.start;
}

Memory::Memory(size_t bytes) : start(bytes ? aligned_alloc(alignment, rounded(bytes)) : nullptr) {}
Memory::~Memory() { free(start); }

}  // namespace nifconv

using namespace nifconv;

extern "C" {

int nifconv_product(const nifconv_problem* problem, const nifconv_map* x, const void* spectrum, const nifconv_map* y) {
    return run(Convolution{*problem, *x, *y, {}, spectrum, nullptr, false});
}

int nifconv_gradients(const nifconv_problem* problem, const nifconv_map* x, const void* spectrum, const nifconv_map* dy,
                      const nifconv_map* dx, void* dspectrum) {
    return run(Convolution{*problem, *x, *dy, dx ? *dx : nifconv_map{}, spectrum, dspectrum, true});
}

int nifconv_dense_to_bins(const nifconv_dense* problem, int64_t channels, const nifconv_map* map, void* spectra) {
    return run(Dense{*problem, Dense::to_bins, channels, *map, nullptr, spectra, nullptr, false});
}
int nifconv_dense_from_bins(const nifconv_dense* problem, int64_t channels, const nifconv_map* map, void* spectra) {
    return run(Dense{*problem, Dense::from_bins, channels, *map, nullptr, spectra, nullptr, false});
}
int nifconv_dense_product(const nifconv_dense* problem, void* filters, void* x, void* y) {
    return run(Dense{*problem, Dense::product, 0, {}, filters, x, y, false});
}
int nifconv_dense_adjoint(const nifconv_dense* problem, void* filters, void* dx, void* dy) {
    return run(Dense{*problem, Dense::adjoint, 0, {}, filters, dx, dy, false});
}
int nifconv_dense_outer(const nifconv_dense* problem, void* dfilters, void* x, void* dy, int32_t add) {
    return run(Dense{*problem, Dense::outer, 0, {}, dfilters, x, dy, add != 0});
}

void nifconv_use_threads(nifconv_parallel_for parallel, nifconv_thread_count count) {
    parallel_for = parallel;
    thread_count = count;
}

const char* nifconv_instruction_sets(void) {
    static char names[64];
    const InstructionSet* sets[3];
    const int count = available(sets);
    names[0] = 0;
    for (int n = 0; n < count; n++) strcat(strcat(names, n ? " " : ""), sets[n]->name);
    return names;
}

int nifconv_choose(const char* instruction_set) {
    const InstructionSet* sets[3];
    const int count = available(sets);
    for (int n = 0; n < count; n++)
        if (!strcmp(sets[n]->name, instruction_set)) {
            chosen.store(sets[n]);
            return 0;
        }
    return 1;
}

}  // extern "C"
