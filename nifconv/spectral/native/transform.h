// Complex transforms of lines of vectors: Stockham's passes, which leave the result in natural order.
//
// There is no inverse transform. The forward transform of values placed at -f is the inverse transform of those at f,
// and the product of spectra can place its results where it likes.
#pragma once

#include "butterflies.h"
#include "plan.h"

namespace nifconv {
namespace NIFCONV_ISA {

// Lines of complex vectors; distances from point to point and from line to line.
template <class T>
struct Lines {
    Complex<T>* start;
    ptrdiff_t step, next;
};

// As many lines go through a pass together as fit into the first cache, so that calls cost little for short ones.
INLINE int lines_at_once(int length) { return length < points_at_once ? points_at_once / length : 1; }

// x[r m] for r < R, times twiddle factors, through a butterfly, to y[r done].
template <int R, bool twiddled, class T>
INLINE void step(const Complex<T>* x, ptrdiff_t x_step, Complex<T>* y, ptrdiff_t y_step, const T* w) {
    butterfly<R, T>(
        [&](auto r) INLINE_LAMBDA {
            const Complex<T> a = x[r * x_step];
            if constexpr (twiddled && r > 0) return times(a, w[2 * r - 2], w[2 * r - 1]);
            else return a;
        },
        [&](auto r, Complex<T> value) INLINE_LAMBDA { y[r * y_step] = value; });
}

// Point j + r m, j = g done + k, of each group g and position k, to point g R done + k + r done.
template <int R, class T>
__attribute__((noinline)) void pass(const Lines<T>& x, const Lines<T>& y, int lines, const Pass<T>& p) {
    const ptrdiff_t x_step = p.groups * p.done * x.step, y_step = p.done * y.step, groups = p.groups, done = p.done;
    for (int line = 0; line < lines; line++) {
        const Complex<T>* from = x.start + line * x.next;
        Complex<T>* to = y.start + line * y.next;
        for (ptrdiff_t g = 0; g < groups; g++)
            step<R, false>(from + g * done * x.step, x_step, to + g * R * y_step, y_step, p.twiddles);
        const T* w = p.twiddles;
        for (ptrdiff_t k = 1; k < done; k++, w += 2 * (R - 1)) {
            from += x.step;
            to += y.step;
            for (ptrdiff_t g = 0; g < groups; g++)
                step<R, true>(from + g * done * x.step, x_step, to + g * R * y_step, y_step, w);
        }
    }
}

// The points of one butterfly, given twiddle factors when they are read.
template <class T>
struct Column {
    const Complex<T>* from;
    Complex<T>* to;
    ptrdiff_t from_step, to_step;
    const T* twiddles;

    Column(const Lines<T>& x, const Lines<T>& y, const Pass<T>& p, ptrdiff_t line, ptrdiff_t j) {
        const ptrdiff_t k = j % p.done;
        from = x.start + line * x.next + j * x.step;
        to = y.start + line * y.next + ((j - k) * p.radix + k) * y.step;
        from_step = p.groups * p.done * x.step;
        to_step = p.done * y.step;
        twiddles = k ? p.twiddles + 2 * (p.radix - 1) * (k - 1) : nullptr;
    }
    Complex<T> get(int r) const {
        const Complex<T> a = from[r * from_step];
        return twiddles && r ? times(a, twiddles[2 * r - 2], twiddles[2 * r - 1]) : a;
    }
    void put(int r, Complex<T> value) const { to[r * to_step] = value; }
};

// The prime butterfly by a loop.
template <class T>
INLINE void step_by_loop(const Column<T>& column, int R, const T* circle) {
    const int half = (R - 1) / 2;
    Complex<T> even[largest_loop / 2 + 1], odd[largest_loop / 2 + 1];
    const Complex<T> first = column.get(0);
    Complex<T> sum = first;
    for (int r = 1; r <= half; r++) {
        const Complex<T> a = column.get(r), b = column.get(R - r);
        even[r] = a + b;
        odd[r] = a - b;
        sum = sum + even[r];
    }
    column.put(0, sum);
    for (int q = 1; q <= half; q++) {
        Complex<T> e = first, o = {};
        for (int r = 1, turn = q; r <= half; r++, turn = turn + q < R ? turn + q : turn + q - R) {
            const T c = circle[2 * turn], s = -circle[2 * turn + 1];
            e = {e.r + even[r].r * c, e.i + even[r].i * c};
            o = {o.r + odd[r].r * s, o.i + odd[r].i * s};
        }
        column.put(q, {e.r + o.i, e.i - o.r});
        column.put(R - q, {e.r - o.i, e.i + o.r});
    }
}

template <class T>
void transform(const Plan<T>& plan, Lines<T> x, Lines<T> y, int lines, Complex<T>* workspace);

// The same by Rader's convolution. The sum of all values but the first is bin 0 of their transform, and the first, put
// there, is added to all results; the second transform leaves these in reverse.
template <class T>
INLINE void step_by_convolution(const Column<T>& column, int R, const Rader<T>& rader, Complex<T>* workspace) {
    const int count = R - 1, length = rader.plan->length;
    const Lines<T> line{workspace, 1, length};
    const Complex<T> first = column.get(0);
    for (int a = 0; a < count; a++) workspace[a] = column.get(rader.powers[a]);
    for (int a = count; a < length; a++) workspace[a] = Complex<T>{};
    transform(*rader.plan, line, line, 1, workspace + length);
    column.put(0, first + workspace[0]);
    for (int f = 0; f < length; f++)
        workspace[f] = times(workspace[f], rader.response[2 * f], rader.response[2 * f + 1]);
    workspace[0] = workspace[0] + first;
    transform(*rader.plan, line, line, 1, workspace + length);
    for (int b = 0; b < count; b++) column.put(rader.powers[b], workspace[b ? length - count + b : 0]);
}

// The same pass for a prime radix above 13.
template <class T>
__attribute__((noinline)) void prime_pass(const Lines<T>& x, const Lines<T>& y, int lines, const Pass<T>& p,
                                          Complex<T>* workspace) {
    for (int line = 0; line < lines; line++)
        for (ptrdiff_t j = 0; j < p.groups * p.done; j++) {
            const Column<T> column(x, y, p, line, j);
            if (p.rader.plan) step_by_convolution(column, p.radix, p.rader, workspace);
            else step_by_loop(column, p.radix, p.circle);
        }
}

template <class T>
INLINE void any_pass(const Lines<T>& x, const Lines<T>& y, int lines, const Pass<T>& p, Complex<T>* workspace) {
    switch (p.radix) {
        case 2: return pass<2>(x, y, lines, p);
        case 3: return pass<3>(x, y, lines, p);
        case 4: return pass<4>(x, y, lines, p);
        case 5: return pass<5>(x, y, lines, p);
        case 6: return pass<6>(x, y, lines, p);
        case 7: return pass<7>(x, y, lines, p);
        case 8: return pass<8>(x, y, lines, p);
        case 9: return pass<9>(x, y, lines, p);
        case 10: return pass<10>(x, y, lines, p);
        case 11: return pass<11>(x, y, lines, p);
        case 12: return pass<12>(x, y, lines, p);
        case 13: return pass<13>(x, y, lines, p);
        case 14: return pass<14>(x, y, lines, p);
        case 15: return pass<15>(x, y, lines, p);
        case 16: return pass<16>(x, y, lines, p);
        default: return prime_pass(x, y, lines, p, workspace);
    }
}

// From x to y, which may be the same lines.
template <class T>
void transform(const Plan<T>& plan, Lines<T> x, Lines<T> y, int lines, Complex<T>* workspace) {
    const int n = plan.length, most = lines_at_once(n);
    for (; lines > 0; lines -= most, x.start += most * x.next, y.start += most * y.next) {
        const int some = lines < most ? lines : most;
        for (int l = 0; n == 1 && l < some; l++) y.start[l * y.next] = x.start[l * x.next];
        Lines<T> from = x, here{workspace, 1, n}, there{workspace + n * most, 1, n};
        for (int p = 0; p < plan.count; p++) {
            const Lines<T> to = p + 1 == plan.count ? y : here;
            any_pass(from, to, some, plan.passes[p], workspace + passes_workspace(n));
            from = to;
            here = there;
            there = from;
        }
    }
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
