// Complex transforms of a line of vectors: Stockham's passes, which leave the result in natural order.
#pragma once

#include "butterflies.h"
#include "plan.h"

namespace nifconv {
namespace NIFCONV_ISA {

// A line of complex vectors in memory. Exchanging re and im before and after a transform makes it the inverse one:
// swap(z) = i conj(z), and conjugation turns exp(-i t) into exp(i t). No code and no table is written twice.
template <class T>
struct Line {
    V<T>* r;
    V<T>* i;
    ptrdiff_t step;  // between neighbours, in vectors

    Line(Complex<T>* start, ptrdiff_t distance = 1) : r(&start->r), i(&start->i), step(2 * distance) {}
    Line(V<T>* r, V<T>* i, ptrdiff_t step) : r(r), i(i), step(step) {}
    INLINE Line exchanged() const { return {i, r, step}; }
    INLINE Line from(ptrdiff_t vectors) const { return {r + vectors, i + vectors, step}; }
    INLINE Complex<T> operator[](ptrdiff_t n) const { return {r[n * step], i[n * step]}; }
    INLINE void set(ptrdiff_t n, Complex<T> value) const {
        r[n * step] = value.r;
        i[n * step] = value.i;
    }
};

// x[j + r m] for r < R, times twiddle factors, through a butterfly, to y[g R done + k + r done]; j = g done + k.
template <int R, bool twiddled, class T>
INLINE void move(Line<T> x, Line<T> y, ptrdiff_t m, ptrdiff_t done, const T* w) {
    Complex<T> a[R];
    unroll<R>([&](auto r) INLINE_LAMBDA {
        a[r] = x[r * m];
        if constexpr (twiddled && r > 0) a[r] = times(a[r], w[2 * r - 2], w[2 * r - 1]);
    });
    butterfly<R>(a);
    unroll<R>([&](auto r) INLINE_LAMBDA { y.set(r * done, a[r]); });
}

template <int R, class T>
__attribute__((noinline)) void pass(Line<T> x, Line<T> y, int n, const Pass<T>& p) {
    const ptrdiff_t m = n / R, done = p.done, groups = m / done;
    for (ptrdiff_t g = 0; g < groups; g++)
        move<R, false>(x.from(g * done * x.step), y.from(g * done * R * y.step), m, done, p.twiddles);
    for (ptrdiff_t k = 1; k < done; k++) {
        const T* w = p.twiddles + 2 * (R - 1) * (k - 1);
        for (ptrdiff_t g = 0; g < groups; g++)
            move<R, true>(x.from((g * done + k) * x.step), y.from((g * done * R + k) * y.step), m, done, w);
    }
}

// The same for a prime radix above 13, by a loop.
template <class T>
__attribute__((noinline)) void prime_pass(Line<T> x, Line<T> y, int n, const Pass<T>& p) {
    const int R = p.radix, half = (R - 1) / 2;
    const ptrdiff_t m = n / R, done = p.done;
    Complex<T> even[largest_radix / 2 + 1], odd[largest_radix / 2 + 1];
    for (ptrdiff_t j = 0; j < m; j++) {
        const ptrdiff_t k = j % done;
        const T* w = p.twiddles + 2 * (R - 1) * (k - 1);
        auto input = [&](int r) INLINE_LAMBDA {
            Complex<T> a = x[j + r * m];
            return k && r ? times(a, w[2 * r - 2], w[2 * r - 1]) : a;
        };
        const Complex<T> first = input(0);
        Complex<T> sum = first;
        for (int r = 1; r <= half; r++) {
            Complex<T> a = input(r), b = input(R - r);
            even[r] = a + b;
            odd[r] = a - b;
            sum = sum + even[r];
        }
        const Line<T> out = y.from(((j - k) * R + k) * y.step);
        out.set(0, sum);
        for (int q = 1; q <= half; q++) {
            Complex<T> e = first, o = {};
            for (int r = 1, turn = q; r <= half; r++, turn = turn + q < R ? turn + q : turn + q - R) {
                const T c = p.circle[2 * turn], s = -p.circle[2 * turn + 1];
                e = {e.r + even[r].r * c, e.i + even[r].i * c};
                o = {o.r + odd[r].r * s, o.i + odd[r].i * s};
            }
            out.set(q * done, {e.r + o.i, e.i - o.r});
            out.set((R - q) * done, {e.r - o.i, e.i + o.r});
        }
    }
}

template <class T>
INLINE void any_pass(Line<T> x, Line<T> y, int n, const Pass<T>& p) {
    switch (p.radix) {
        case 2: return pass<2>(x, y, n, p);
        case 3: return pass<3>(x, y, n, p);
        case 4: return pass<4>(x, y, n, p);
        case 5: return pass<5>(x, y, n, p);
        case 6: return pass<6>(x, y, n, p);
        case 7: return pass<7>(x, y, n, p);
        case 8: return pass<8>(x, y, n, p);
        case 9: return pass<9>(x, y, n, p);
        case 10: return pass<10>(x, y, n, p);
        case 11: return pass<11>(x, y, n, p);
        case 12: return pass<12>(x, y, n, p);
        case 13: return pass<13>(x, y, n, p);
        case 14: return pass<14>(x, y, n, p);
        case 15: return pass<15>(x, y, n, p);
        case 16: return pass<16>(x, y, n, p);
        default: return prime_pass(x, y, n, p);
    }
}

template <class T>
void transform(const Plan<T>& plan, Line<T> x, Line<T> y, Complex<T>* workspace);

template <class T>
__attribute__((noinline)) void bluestein(const Plan<T>& plan, Line<T> x, Line<T> y, Complex<T>* workspace) {
    const int n = plan.length, longer = plan.inner->length;
    Complex<T>* a = workspace;
    const Line<T> line(a);
    for (int k = 0; k < n; k++) a[k] = times(x[k], plan.chirp[2 * k], plan.chirp[2 * k + 1]);
    for (int k = n; k < longer; k++) a[k] = Complex<T>{};
    transform(*plan.inner, line, line, workspace + longer);
    for (int k = 0; k < longer; k++) a[k] = times(a[k], plan.response[2 * k], plan.response[2 * k + 1]);
    transform(*plan.inner, line.exchanged(), line.exchanged(), workspace + longer);
    for (int k = 0; k < n; k++) y.set(k, times(a[k], plan.chirp[2 * k], plan.chirp[2 * k + 1]));
}

// From x to y, which may be the same line.
template <class T>
void transform(const Plan<T>& plan, Line<T> x, Line<T> y, Complex<T>* workspace) {
    if (plan.inner) return bluestein(plan, x, y, workspace);
    const int n = plan.length;
    if (plan.count == 0) y.set(0, x[0]);
    Line<T> from = x, here(workspace), there(workspace + n);
    for (int p = 0; p < plan.count; p++) {
        const Line<T> to = p + 1 == plan.count ? y : here;
        any_pass(from, to, n, plan.passes[p]);
        from = to;
        here = there;
        there = from;
    }
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
