// Filters in lanes: from a half spectrum in memory, and a gradient back to one.
#pragma once

#include "maps.h"

namespace nifconv {
namespace NIFCONV_ISA {

struct Grid {
    int H, W;     // a signal has height 1
    int columns;  // of the half spectrum, (H, columns)
    int bins;

    explicit Grid(const int64_t* size) : H(size[0]), W(size[1]), columns(W / 2 + 1), bins(H * columns) {}
    bool is_own_mirror(int k) const { return 2 * k % W == 0; }
};

// Real transforms leave out a factor 1/2 (see real.h). With it, and with 1/HW of the inverse transform, a filter takes
// the scale 1/2HW, and a gradient 1/4HW, twice that for bins that stand for their mirrors too.
template <class T>
T scale_of(const Grid& grid, int parts) {
    return T(1) / (T(parts) * T(grid.H) * T(grid.W));
}

// From the order of memory, [h, k], to lines of the columns k, [k, h]; `flat` has room for all bins.
template <class T>
void read_spectrum(const T* spectrum, const Lanes<T>& lanes, const Grid& grid, Complex<T>* flat, Complex<T>* filter) {
    const T scale = scale_of<T>(grid, 2);
    read<T>(spectrum, 1, 2 * grid.bins, lanes, &flat->r, 1, 0);
    for (int k = 0; k < grid.columns; k++)
        for (int h = 0; h < grid.H; h++) {
            const Complex<T> bin = flat[h * grid.columns + k];
            filter[k * grid.H + h] = {bin.r * scale, bin.i * scale};
        }
}

template <class T>
void write_spectrum(const Complex<T>* sums, const Lanes<T>& lanes, const Grid& grid, Complex<T>* flat, T* gradient) {
    for (int k = 0; k < grid.columns; k++) {
        const T scale = scale_of<T>(grid, grid.is_own_mirror(k) ? 4 : 2);
        for (int h = 0; h < grid.H; h++) {
            const Complex<T> sum = sums[k * grid.H + h];
            flat[h * grid.columns + k] = {sum.r * scale, sum.i * scale};
        }
    }
    write<T>(gradient, 1, 2 * grid.bins, lanes, &flat->r, 1, 0);
}

// out = a b or a conj(b), or adds that.
template <bool conj, bool add, class T>
void multiply(size_t count, const Complex<T>* a, const Complex<T>* b, Complex<T>* out) {
    for (size_t n = 0; n < count; n++) {
        const Complex<T> value = conj ? times_conjugate(a[n], b[n]) : times(a[n], b[n]);
        out[n] = add ? out[n] + value : value;
    }
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
