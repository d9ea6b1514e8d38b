// The engine's border: plain functions on pointers and strides, for ctypes.
#pragma once

#include <cstdint>

extern "C" {
#pragma GCC visibility push(default)

// Where the elements of a tensor (batch, channels, height, width) lie, and where its pixels lie on the grid: pixel
// (a, b) at (a * step[0], b * step[1]), zeros elsewhere. Strides count elements. A signal is a map of height 1.
struct nifconv_map {
    void* data;
    int64_t batch_stride, channel_stride, row_stride, column_stride;
    int64_t height, width;
    int64_t step[2];
    int32_t type;  // 0: float32, 1: float64, 2: bfloat16, 3: float16
};

// A depthwise convolution on a grid; filters are channels * multiplier, filter o reading channel o / multiplier.
// Spectra: contiguous pairs (re, im), (filters, grid[0], grid[1] / 2 + 1), float64 if `wide`, else float32.
struct nifconv_problem {
    int64_t batch, channels, multiplier;
    int64_t grid[2];
    int32_t wide;
};

// y = irfft(H rfft(x)). Each returns 0, or 1 where memory is short.
int nifconv_product(const nifconv_problem*, const nifconv_map* x, const void* spectrum, const nifconv_map* y);
// dX = sum conj(H) dY over the filters of a channel, dH = sum conj(X) dY over the batch, each bin as often as it counts
// in the inverse transform. What is not wanted is null.
int nifconv_gradients(const nifconv_problem*, const nifconv_map* x, const void* spectrum, const nifconv_map* dy,
                      const nifconv_map* dx, void* dspectrum);

// A dense convolution on a grid, its groups one after another; `outputs` and `inputs` are channels of one group.
// Spectra of maps: (bins, channels, samples up to a whole number of cache lines), as dense.h describes them, aligned.
// Filters: entry (o, i) of bin (h, k) and part (re, im) at part * part_stride + (h * (grid[1] / 2 + 1) + k) * bin_stride
// + o * output_stride + i * input_stride, for outputs of all groups. One of the last two strides is 1.
struct nifconv_dense {
    int64_t batch, groups, outputs, inputs;
    int64_t grid[2];
    int64_t part_stride, bin_stride, output_stride, input_stride;
    int32_t wide;
};

// Between a map of `channels` channels and its spectra; each returns 0, or 1 where memory is short.
int nifconv_dense_to_bins(const nifconv_dense*, int64_t channels, const nifconv_map*, void* spectra);
int nifconv_dense_from_bins(const nifconv_dense*, int64_t channels, const nifconv_map*, void* spectra);
// From spectra to spectra: Y = H X and dX = conj(H) dY, and from two of them to dH = dY conj(X), which is added to
// what is there if `add`.
int nifconv_dense_product(const nifconv_dense*, void* filters, void* x, void* y);
int nifconv_dense_adjoint(const nifconv_dense*, void* filters, void* dx, void* dy);
int nifconv_dense_outer(const nifconv_dense*, void* dfilters, void* x, void* dy, int32_t add);

// The addresses of torch_parallel_for and torch_get_num_threads; without them everything runs in the calling thread.
typedef void (*nifconv_range)(int64_t begin, int64_t end, void* context);
typedef int32_t (*nifconv_parallel_for)(int64_t begin, int64_t end, int64_t grain, nifconv_range, void* context);
typedef int32_t (*nifconv_thread_count)(uint32_t*);
void nifconv_use_threads(nifconv_parallel_for, nifconv_thread_count);

// The instruction sets that were compiled and that this processor has, separated by spaces, the widest first; and the
// choice of one of them (0: done). The widest is chosen at load.
const char* nifconv_instruction_sets(void);
int nifconv_choose(const char* instruction_set);

#pragma GCC visibility pop
}  // extern "C"
