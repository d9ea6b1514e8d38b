// Filters in lanes: from a half spectrum in memory, and a gradient back to one.
//
// The transform of two real planes as one complex plane fills the whole plane of frequencies; a filter needs half of it,
// as H(-f) = conj H(f). Columns k = 0 .. W/2 are stored, each with h = 0 .. H - 1. A column that is its own mirror (DC,
// Nyquist) must be Hermitian in itself: what is not so, irfft ignores.
#pragma once

#include "maps.h"

namespace nifconv {
namespace NIFCONV_ISA {

struct Grid {
    int H, W;        // a signal is a column: W = 1
    int columns;     // of the half plane
    bool signal;     // whether memory holds the first half of the only column, instead of all of it
    int bins;        // of the half spectrum in memory
    ptrdiff_t pitch; // from column to column; odd, so that columns do not share the sets of a cache

    Grid(int64_t height, int64_t width, bool signal)
        : H(height), W(width), columns(W / 2 + 1), signal(signal), bins(signal ? H / 2 + 1 : H * columns), pitch(H | 1) {}
    bool is_own_mirror(int k) const { return 2 * k % W == 0; }
    int mirror(int h) const { return h ? H - h : 0; }
};

// `flat` has room for the bins in the order of memory.
template <class T>
void read_spectrum(const T* spectrum, const Lanes<T>& lanes, const Grid& grid, Complex<T>* flat, Complex<T>* filter) {
    const T scale = T(1) / (T(grid.H) * T(grid.W)), half = scale / 2;
    read<T>(spectrum, 1, 2 * grid.bins, lanes, &flat->r, 1, 0);
    for (int k = 0; k < grid.columns; k++) {
        Complex<T>* column = filter + k * grid.pitch;
        auto bin = [&](int h) { return flat[h * grid.columns + k]; };
        if (!grid.is_own_mirror(k))
            for (int h = 0; h < grid.H; h++) column[h] = {bin(h).r * scale, bin(h).i * scale};
        else
            for (int h = 0; h <= grid.H / 2; h++) {
                const Complex<T> a = bin(h), b = grid.signal ? a : bin(grid.mirror(h));
                const bool real = grid.mirror(h) == h;
                const V<T> im = real ? V<T>{} : grid.signal ? a.i * scale : (a.i - b.i) * half;
                column[h] = {(a.r + b.r) * half, im};
                column[grid.mirror(h)] = {column[h].r, real ? im : -im};
            }
    }
}

// From sums of conj(X(f)) Y(f) + its mirror; own mirrors hold the first term alone.
template <class T>
void write_spectrum(const Complex<T>* sums, const Lanes<T>& lanes, const Grid& grid, Complex<T>* flat, T* gradient) {
    const T scale = T(1) / (T(grid.H) * T(grid.W));
    for (int k = 0; k < grid.columns; k++) {
        const Complex<T>* column = sums + k * grid.pitch;
        for (int h = 0; h * grid.columns + k < grid.bins; h++) {
            const Complex<T> a = column[h], b = column[grid.mirror(h)];
            const bool once = !grid.signal || grid.mirror(h) == h;
            const T weight = grid.is_own_mirror(k) && once ? scale / 2 : scale;
            flat[h * grid.columns + k] = grid.is_own_mirror(k)
                ? Complex<T>{(a.r + b.r) * weight, (a.i - b.i) * weight}
                : Complex<T>{a.r * weight, a.i * weight};
        }
    }
    write<T>(gradient, 1, 2 * grid.bins, lanes, &flat->r, 1, 0);
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
