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

// The same for a prime radix above 13, by a loop.
template <class T>
__attribute__((noinline)) void prime_pass(const Lines<T>& x, const Lines<T>& y, int lines, const Pass<T>& p) {
    const int R = p.radix, half = (R - 1) / 2;
    const ptrdiff_t done = p.done, m = p.groups * done;
    Complex<T> even[largest_radix / 2 + 1], odd[largest_radix / 2 + 1];
    for (ptrdiff_t n = 0; n < lines * m; n++) {
        const ptrdiff_t line = n / m, j = n % m, k = j % done;
        const T* w = p.twiddles + 2 * (R - 1) * (k - 1);
        auto input = [&](int r) INLINE_LAMBDA {
            const Complex<T> a = x.start[line * x.next + (j + r * m) * x.step];
            return k && r ? times(a, w[2 * r - 2], w[2 * r - 1]) : a;
        };
        const Complex<T> first = input(0);
        Complex<T> sum = first;
        for (int r = 1; r <= half; r++) {
            const Complex<T> a = input(r), b = input(R - r);
            even[r] = a + b;
            odd[r] = a - b;
            sum = sum + even[r];
        }
        Complex<T>* to = y.start + line * y.next + ((j - k) * R + k) * y.step;
        to[0] = sum;
        for (int q = 1; q <= half; q++) {
            Complex<T> e = first, o = {};
            for (int r = 1, turn = q; r <= half; r++, turn = turn + q < R ? turn + q : turn + q - R) {
                const T c = p.circle[2 * turn], s = -p.circle[2 * turn + 1];
                e = {e.r + even[r].r * c, e.i + even[r].i * c};
                o = {o.r + odd[r].r * s, o.i + odd[r].i * s};
            }
            to[q * done * y.step] = {e.r + o.i, e.i - o.r};
            to[(R - q) * done * y.step] = {e.r - o.i, e.i + o.r};
        }
    }
}

template <class T>
INLINE void any_pass(const Lines<T>& x, const Lines<T>& y, int lines, const Pass<T>& p) {
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
        default: return prime_pass(x, y, lines, p);
    }
}

template <class T>
void transform(const Plan<T>& plan, Lines<T> x, Lines<T> y, int lines, Complex<T>* workspace);

template <class T>
__attribute__((noinline)) void bluestein(const Plan<T>& plan, const Complex<T>* x, ptrdiff_t x_step, Complex<T>* y,
                                         ptrdiff_t y_step, Complex<T>* workspace) {
    const int n = plan.length, longer = plan.inner->length;
    Complex<T>* a = workspace;
    const Lines<T> line{a, 1, longer};
    for (int k = 0; k < n; k++) a[k] = times(x[k * x_step], plan.chirp[2 * k], plan.chirp[2 * k + 1]);
    for (int k = n; k < longer; k++) a[k] = Complex<T>{};
    transform(*plan.inner, line, line, 1, workspace + longer);
    for (int k = 0; k < longer; k++) a[k] = times(a[k], plan.response[2 * k], plan.response[2 * k + 1]);
    transform(*plan.inner, line, line, 1, workspace + longer);
    for (int k = 0; k < n; k++) y[k * y_step] = times(a[k ? longer - k : 0], plan.chirp[2 * k], plan.chirp[2 * k + 1]);
}

// From x to y, which may be the same lines.
template <class T>
void transform(const Plan<T>& plan, Lines<T> x, Lines<T> y, int lines, Complex<T>* workspace) {
    const int n = plan.length, most = lines_at_once(n);
    for (; lines > 0; lines -= most, x.start += most * x.next, y.start += most * y.next) {
        const int some = lines < most ? lines : most;
        if (plan.inner) bluestein(plan, x.start, x.step, y.start, y.step, workspace);
        for (int l = 0; n == 1 && l < some; l++) y.start[l * y.next] = x.start[l * x.next];
        Lines<T> from = x, here{workspace, 1, n}, there{workspace + n * most, 1, n};
        for (int p = 0; p < plan.count; p++) {
            const Lines<T> to = p + 1 == plan.count ? y : here;
            any_pass(from, to, some, plan.passes[p]);
            from = to;
            here = there;
            there = from;
        }
    }
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
