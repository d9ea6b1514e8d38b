// Dense convolutions: at each bin f a product of matrices, Y[o](f) = sum_i H[o, i](f) X[i](f).
//
// Three layouts, and why nothing is transposed between them:
//     maps      (batch, channels, height, width), any strides
//     spectra   [bin][channel][sample]: samples are the lanes, a vector of real and one of imaginary parts in turns
//     filters   outputs or inputs side by side, real and imaginary parts apart, all other strides free: as a linear head
//               on features(f), or a product with the weights of a 1x1 convolution, gives them
// A transform has the same pixel of several samples of one channel in a vector, so it yields one bin of all of them,
// which is stored as it is. There samples stay lanes, and the entries of H are scalars:
//     Y[o]     = sum_i H[o, i] X[i]              a row of H, and X
//     dX[i]    = sum_o conj(H[o, i]) dY[o]       a column of H, and dY
//     dH[o, i] = sum_b dY[o, b] conj(X[i, b])    a row of dY, and X with inputs as lanes, transposed within the cache;
//                                                or a row of X and dY with outputs as lanes, where those lie side by side
// Bins of spectra lie by columns, [k, h], as the transform leaves them; those of filters by rows, [h, k].
//
// A channel or a bin is one item of work and all sums have a fixed order: every number of threads gives the same bits, and a sample
// has the same result in any batch.
#pragma once

#include "parallel.h"
#include "real.h"

namespace nifconv {
namespace NIFCONV_ISA {

// Sums of `rows` x `vectors` in registers: 16 of 32 vectors of AVX-512, 8 of 16 elsewhere.
constexpr int tile_rows = NIFCONV_VECTOR_BYTES == 64 ? 4 : 2, tile_vectors = 2;
// Terms of a sum at a time: their rows of vectors stay in the first cache, and columns of H in the second.
constexpr int terms_at_once = 64;

template <class T>
struct Pair {
    T re, im;
};

// sum_k a(m, k) b[k][n] or sum_k conj(a(m, k)) b[k][n]; a(m, k) is a pair of scalars, and put(m, n, sum) takes sums.
template <int M, int N, bool conj, class T, class A, class Put>
INLINE void tile(int count, A a, const Complex<T>* b, ptrdiff_t step, Put put) {
    Complex<T> sums[M][N] = {};
    for (int k = 0; k < count; k++, b += step) {
        Complex<T> v[N];
        unroll<N>([&](auto n) INLINE_LAMBDA { v[n] = b[n]; });
        unroll<M>([&](auto m) INLINE_LAMBDA {
            const Pair<T> scalar = a(m, k);
            unroll<N>([&](auto n) INLINE_LAMBDA {
                Complex<T>& sum = sums[m][n];
                sum.r += v[n].r * scalar.re;
                sum.i += v[n].i * scalar.re;
                if constexpr (conj) sum.r += v[n].i * scalar.im, sum.i -= v[n].r * scalar.im;
                else sum.r -= v[n].i * scalar.im, sum.i += v[n].r * scalar.im;
            });
        });
    }
    unroll<M>([&](auto m) INLINE_LAMBDA {
        unroll<N>([&](auto n) INLINE_LAMBDA { put(m, n, sums[m][n]); });
    });
}

// f(Constant<rows>, first row, Constant<vectors>, first vector) for tiles that cover a matrix, those at its ends smaller.
template <class F>
INLINE void for_each_tile(int rows, int vectors, F f) {
    for (int n = 0; n < vectors; n += tile_vectors) {
        const auto column = [&](auto width) INLINE_LAMBDA {
            int m = 0;
            for (; m + tile_rows <= rows; m += tile_rows) f(Constant<tile_rows>{}, m, width, n);
            for (; m < rows; m++) f(Constant<1>{}, m, width, n);
        };
        if (n + tile_vectors <= vectors) column(Constant<tile_vectors>{});
        else column(Constant<1>{});
    }
}

// H of one bin and group, or its gradient: the first entry of each part.
template <class T>
struct Filters {
    T *re, *im;
};

// out[m] = scale sum_k a(m, k) in[k] for vectors of samples, where a(m, k) = H[m * row + k * column] or its conjugate.
template <bool conj, class T>
__attribute__((noinline)) void mix(Filters<const T> H, ptrdiff_t row, ptrdiff_t column, int rows, int terms,
                                   const Complex<T>* in, Complex<T>* out, int vectors, T scale) {
    for (int from = 0; from < terms; from += terms_at_once) {
        const int some = minimum(terms_at_once, terms - from);
        for_each_tile(rows, vectors, [&](auto M, int m0, auto N, int n0) INLINE_LAMBDA {
            const T *re = H.re + m0 * row + from * column, *im = H.im + m0 * row + from * column;
            tile<M, N, conj, T>(
                some, [&](int m, int k) INLINE_LAMBDA { return Pair<T>{re[m * row + k * column], im[m * row + k * column]}; },
                in + ptrdiff_t(from) * vectors + n0, vectors, [&](int m, int n, Complex<T> sum) INLINE_LAMBDA {
                    Complex<T>& to = out[ptrdiff_t(m0 + m) * vectors + n0 + n];
                    const Complex<T> value = {sum.r * scale, sum.i * scale};
                    to = from ? to + value : value;
                });
        });
    }
}

// Samples as lanes, [channel][vectors], to channels as lanes, [sample][ceil(channels / lanes)], zeros in those beyond.
template <class T>
void transpose(const Complex<T>* in, int channels, int vectors, Complex<T>* out) {
    constexpr int L = lanes_of<T>;
    const int width = (channels + L - 1) / L;
    for (int w = 0; w < width; w++)
        for (int v = 0; v < vectors; v++) {
            V<T> re[L], im[L];
            for (int l = 0; l < L; l++) {
                const int c = w * L + l;
                const Complex<T> value = c < channels ? in[ptrdiff_t(c) * vectors + v] : Complex<T>{};
                re[l] = value.r, im[l] = value.i;
            }
            Shuffles<T>::transpose(re);
            Shuffles<T>::transpose(im);
            for (int l = 0; l < L; l++) out[ptrdiff_t(v * L + l) * width + w] = {re[l], im[l]};
        }
}

template <class T>
INLINE void put_part(T* to, V<T> value, int count, bool add) {
    if (count == lanes_of<T>) {
        store<T>(to, add ? load<T>(to) + value : value);
    } else {
        for (int l = 0; l < count; l++) to[l] = add ? to[l] + value[l] : value[l];
    }
}

// dH[m, n] = scale sum_b R[m, b] conj(S[n, b]) or, `conjugated`, the conjugate of that; or adds it. The entries n of dH
// lie side by side, the m a `row` apart; R has samples as lanes, and S channels, `width` vectors of `columns` in all.
template <class T>
__attribute__((noinline)) void outer(const Complex<T>* r, int rows, int vectors, const Complex<T>* s, int columns,
                                     int samples, T scale, bool conjugated, bool add, Filters<T> dH, ptrdiff_t row) {
    constexpr int L = lanes_of<T>;
    const int width = (columns + L - 1) / L;
    const T scale_im = conjugated ? scale : -scale;
    for_each_tile(rows, width, [&](auto M, int m0, auto N, int n0) INLINE_LAMBDA {
        const T* scalars = reinterpret_cast<const T*>(r + ptrdiff_t(m0) * vectors);
        // The sum of conj(R) S, to be conjugated. After L real parts lie L imaginary ones.
        const auto entry = [&](int m, int b) INLINE_LAMBDA {
            const T* re = scalars + ptrdiff_t(m) * vectors * 2 * L + b + (b & ~(L - 1));
            return Pair<T>{re[0], re[L]};
        };
        tile<M, N, true, T>(samples, entry, s + n0, width, [&](int m, int n, Complex<T> sum) INLINE_LAMBDA {
            const int first = (n0 + n) * L, count = minimum(L, columns - first);
            const ptrdiff_t at = (m0 + m) * row + first;
            put_part(dH.re + at, sum.r * scale, count, add);
            put_part(dH.im + at, sum.i * scale_im, count, add);
        });
    });
}

template <class T>
int vectors_of_samples(const Dense& d) {
    constexpr int line = 64 / sizeof(T);  // of the cache, in samples
    return int((d.problem.batch + line - 1) / line * line / lanes_of<T>);
}

// One item of the transforms: all samples of one channel.
template <class T, class Transform>
struct DenseTransform {
    const Dense& d;
    const Grid& grid;
    const Plan<T>&rows, &columns;

    static bool item(int64_t channel, void* context) {
        const auto& self = *static_cast<DenseTransform*>(context);
        return self.d.operation == Dense::to_bins ? self.template move<true>(channel)
                                                  : self.template move<false>(channel);
    }

    template <bool in>
    bool move(int64_t channel) const {
        const Room room = Transform::room(grid, rows, columns);
        auto* memory = static_cast<Complex<T>*>(
            thread_memory((room.own + room.scratch + Transform::longest_group(grid)) * sizeof(Complex<T>)));
        if (!memory) return false;
        Transform transform(grid, rows, columns, memory);
        Complex<T>*scratch = memory + room.own, *lines = scratch + room.scratch;
        const int vectors = vectors_of_samples<T>(d), parts = Transform::parts(grid, d.map);
        const ptrdiff_t next_bin = d.channels * vectors, ahead = lanes_of<T> * d.map.batch_stride;
        for (int v = 0; v < vectors; v++) {
            Complex<T>* spectrum = static_cast<Complex<T>*>(d.x) + channel * vectors + v;
            const Lanes<T> lanes = samples(channel, v);
            for (int n = 0; in && n < parts; n++) transform.enter(d.map, lanes, ahead, n, scratch);
            for (int g = 0; g < Transform::groups(grid); g++) {
                const Group group = Transform::group(grid, g);
                Complex<T>* bins = spectrum + group.offset() * next_bin;
                if (in) transform.to_frequency(d.map, group, lines, scratch);
                for (int n = 0; n < group.count(); n++) {
                    if (in) bins[n * next_bin] = lines[n];
                    else lines[n] = bins[n * next_bin];
                }
                if (!in) transform.to_space(d.map, group, lines, scratch);
            }
            for (int n = 0; !in && n < parts; n++) transform.leave(d.map, lanes, ahead, n, scratch);
        }
        return true;
    }

    Lanes<T> samples(int64_t channel, int v) const {
        Lanes<T> lanes;
        for (int l = 0; l < lanes_of<T>; l++) {
            const int64_t sample = v * lanes_of<T> + l;
            const int64_t offset = channel * d.map.channel_stride + sample * d.map.batch_stride;
            lanes.offset[l] = sample < d.problem.batch ? offset : Lanes<T>::absent;
        }
        lanes.find_adjacent();
        return lanes;
    }
};

// One item of the products: one group at one bin.
template <class T>
struct DenseProduct {
    const Dense& d;
    const Grid& grid;

    static bool item(int64_t n, void* context) { return static_cast<DenseProduct*>(context)->multiply(n); }

    bool multiply(int64_t n) const {
        const nifconv_dense& p = d.problem;
        const int64_t bin = n / p.groups, group = n % p.groups, k = bin / grid.H, h = bin % grid.H;
        const int vectors = vectors_of_samples<T>(d);
        auto* x = static_cast<Complex<T>*>(d.x) + n * p.inputs * vectors;
        auto* y = static_cast<Complex<T>*>(d.y) + n * p.outputs * vectors;
        T* H = static_cast<T*>(d.spectrum) + (h * grid.columns + k) * p.bin_stride +
               group * p.outputs * p.output_stride;
        const Filters<const T> filters = {H, H + p.part_stride};
        const T scale = scale_of<T>(grid, 2);
        if (d.operation == Dense::product) {
            mix<false, T>(filters, p.output_stride, p.input_stride, p.outputs, p.inputs, x, y, vectors, scale);
        } else if (d.operation == Dense::adjoint) {
            mix<true, T>(filters, p.input_stride, p.output_stride, p.inputs, p.outputs, y, x, vectors, scale);
        } else {
            // The channels that lie side by side in dH become lanes.
            const bool by_output = p.output_stride == 1 && p.input_stride != 1;
            const int64_t rows = by_output ? p.inputs : p.outputs, columns = by_output ? p.outputs : p.inputs;
            const int64_t width = (columns + lanes_of<T> - 1) / lanes_of<T>;
            auto* transposed =
                static_cast<Complex<T>*>(thread_memory(vectors * lanes_of<T> * width * sizeof(Complex<T>)));
            if (!transposed) return false;
            transpose(by_output ? y : x, columns, vectors, transposed);
            outer<T>(by_output ? x : y, rows, vectors, transposed, columns, p.batch,
                     scale_of<T>(grid, grid.is_own_mirror(k) ? 4 : 2), by_output, d.add, {H, H + p.part_stride},
                     by_output ? p.input_stride : p.output_stride);
        }
        return true;
    }
};

template <class T, class Transform>
bool transform_dense(const Dense& d, const Grid& grid) {
    const PlanHolder<T> rows(Transform::row_length(grid)), columns(Transform::column_length(grid));
    DenseTransform<T, Transform> work{d, grid, *rows.plan, *columns.plan};
    return for_each(d.channels, DenseTransform<T, Transform>::item, &work);
}

template <class T>
bool dense(const Dense& d) {
    const Grid grid(d.problem.grid);
    if (d.operation == Dense::to_bins || d.operation == Dense::from_bins)
        return grid.H == 1 ? transform_dense<T, SignalTransform<T>>(d, grid) : transform_dense<T, MapTransform<T>>(d, grid);
    DenseProduct<T> work{d, grid};
    return for_each(d.problem.groups * grid.bins, DenseProduct<T>::item, &work);
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
