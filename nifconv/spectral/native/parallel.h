// What the parts compiled for each instruction set and the part compiled once know of one another.
#pragma once

#include <cstddef>

#include "engine.h"

namespace nifconv {

// Calls item(n, context) for n = 0 .. count - 1, in any order, from several threads. False if one of them failed.
typedef bool (*Item)(int64_t n, void* context);
bool for_each(int64_t count, Item item, void* context);
// How many at most.
int64_t threads();

// Aligned memory that belongs to the calling thread until its next call for the same use; null if there is none.
enum Use { of_item, of_part, uses };
void* thread_memory(size_t bytes, Use use = of_item);

struct Memory {
    void* start;
    explicit Memory(size_t bytes);
    ~Memory();
    Memory(const Memory&) = delete;
};

struct Convolution {
    nifconv_problem problem;
    nifconv_map x, y, dx;  // y: the output, or its gradient
    const void* spectrum;
    void* dspectrum;
    bool backward;
};

// A step of a dense convolution; x and y are spectra, and for the transforms `map` is that of x.
struct Dense {
    enum Operation { to_bins, from_bins, product, adjoint, outer };
    nifconv_dense problem;
    Operation operation;
    int64_t channels;
    nifconv_map map;
    void *spectrum, *x, *y;
    bool add;
};

// One per instruction set. False where memory is short.
struct InstructionSet {
    const char* name;
    bool (*convolve_single)(const Convolution&);
    bool (*convolve_double)(const Convolution&);
    bool (*dense_single)(const Dense&);
    bool (*dense_double)(const Dense&);
};

}  // namespace nifconv
