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

// Rows of a filter that go between memory and lanes at once: several, so that whole pieces of columns are touched.
struct Rows {
    int first, count;
    ptrdiff_t offset, reals;  // of their bins, which lie one after another in memory

    static int most(const Grid& grid) { return grid.W < points_at_once / 8 ? points_at_once / grid.W : 8; }
    static size_t room(const Grid& grid) { return size_t(most(grid)) * grid.columns; }
    static int parts(const Grid& grid) { return (grid.H + most(grid) - 1) / most(grid); }
    Rows(const Grid& grid, int part)
        : first(part * most(grid)), count(minimum(most(grid), grid.H - first)), offset(2 * ptrdiff_t(first) * grid.columns),
          reals(2 * ptrdiff_t(count) * grid.columns) {}
};

// Some rows from the order of memory, [h, k], to lines of the columns k, [k, h]; `flat` has room for them.
template <class T>
void read_spectrum(const T* spectrum, const Lanes<T>& lanes, const Grid& grid, const Rows& rows, Complex<T>* flat,
                   Complex<T>* filter) {
    const T scale = scale_of<T>(grid, 2);
    read<T>(spectrum + rows.offset, 1, rows.reals, lanes, &flat->r, 1, rows.reals);
    for (int k = 0; k < grid.columns; k++)
        for (int h = 0; h < rows.count; h++) {
            const Complex<T> bin = flat[h * grid.columns + k];
            filter[k * grid.H + rows.first + h] = {bin.r * scale, bin.i * scale};
        }
}

// The way back, where the gradient of a channel is the sum over the `samples` neighbouring lanes that it has.
template <class T>
void write_spectrum(const Complex<T>* sums, const Lanes<T>& lanes, int64_t samples, const Grid& grid, const Rows& rows,
                    Complex<T>* flat, T* gradient) {
    for (int k = 0; k < grid.columns; k++) {
        const T scale = scale_of<T>(grid, grid.is_own_mirror(k) ? 4 : 2);
        for (int h = 0; h < rows.count; h++) {
            const Complex<T> sum = sums[k * grid.H + rows.first + h];
            flat[h * grid.columns + k] = {sum.r * scale, sum.i * scale};
        }
    }
    T* values = reinterpret_cast<T*>(flat);
    for (ptrdiff_t n = 0; samples > 1 && n < rows.reals * lanes_of<T>; n += samples)
        for (int64_t s = 1; s < samples; s++) values[n] += values[n + s];
    write<T>(gradient + rows.offset, 1, rows.reals, lanes, &flat->r, 1, rows.reals);
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
