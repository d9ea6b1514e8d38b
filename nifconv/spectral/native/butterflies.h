// Discrete Fourier transforms of a few points, in registers: X[k] = sum_n x[n] exp(-2 pi i n k / R).
//
// Primes by the symmetry of cosine and sine; others by two factors, without twiddle factors where these are coprime.
#pragma once

#include "vectors.h"

namespace nifconv {
namespace NIFCONV_ISA {

template <class T>
struct Complex {
    V<T> r, i;
};
template <class T>
INLINE Complex<T> operator+(Complex<T> a, Complex<T> b) {
    return {a.r + b.r, a.i + b.i};
}
template <class T>
INLINE Complex<T> operator-(Complex<T> a, Complex<T> b) {
    return {a.r - b.r, a.i - b.i};
}
template <class T>
INLINE Complex<T> times(Complex<T> a, T re, T im) {
    return {a.r * re - a.i * im, a.r * im + a.i * re};
}
template <class T>
INLINE Complex<T> times(Complex<T> a, Complex<T> b) {
    return {a.r * b.r - a.i * b.i, a.r * b.i + a.i * b.r};
}
template <class T>
INLINE Complex<T> times_conjugate(Complex<T> a, Complex<T> b) {
    return {a.r * b.r + a.i * b.i, a.i * b.r - a.r * b.i};
}

// cos and sin of 2 pi n / N for the compiler: Taylor series within an eighth of the circle.
constexpr double series(double x, double term, int from) {
    double sum = term;
    for (int n = from; n < from + 20; n += 2) sum += term *= -x * x / (n * (n + 1));
    return sum;
}
constexpr double cosine(int n, int N);
constexpr double sine(int n, int N) {
    n = (n % N + N) % N;
    if (2 * n > N) return -sine(N - n, N);
    if (4 * n > N) return sine(N - 2 * n, 2 * N);
    if (8 * n > N) return cosine(N - 4 * n, 4 * N);
    double x = 6.283185307179586476925 * n / N;
    return series(x, x, 2);
}
constexpr double cosine(int n, int N) {
    n = (n % N + N) % N;
    if (2 * n > N) n = N - n;
    if (4 * n > N) return -cosine(N - 2 * n, 2 * N);
    if (8 * n > N) return sine(N - 4 * n, 4 * N);
    return series(6.283185307179586476925 * n / N, 1, 1);
}

// a exp(-2 pi i n / N)
template <int n, int N, class T>
INLINE Complex<T> rotated(Complex<T> a) {
    constexpr int e = 8 * (n % N);
    constexpr T half = T(cosine(1, 8));
    if constexpr (e == 0) return a;
    else if constexpr (e == 2 * N) return {a.i, -a.r};
    else if constexpr (e == N) return {(a.r + a.i) * half, (a.i - a.r) * half};
    else if constexpr (e == 3 * N) return {(a.i - a.r) * half, (a.r + a.i) * -half};
    else return times(a, T(cosine(n, N)), T(-sine(n, N)));
}

constexpr bool is_prime(int n) {
    for (int d = 2; d * d <= n; d++)
        if (n % d == 0) return false;
    return n > 1;
}
// The first factor of a composite radix: the whole power of its smallest prime, or about half of that power.
constexpr int first_factor(int n) {
    int prime = 2, power = 1;
    while (n % prime) prime++;
    while (n % (power * prime) == 0) power *= prime;
    if (power < n) return power;
    return n == prime * prime * prime ? prime : n == prime * prime ? prime : prime * prime;
}

// in(n) and out(k) are given constants; values are fetched as late and put as early as can be, to need few registers.
template <int R, class T, class In, class Out>
INLINE void butterfly(In in, Out out);

template <int R, class T, class In, class Out>
INLINE void prime_butterfly(In in, Out out) {
    constexpr int half = (R - 1) / 2;
    Complex<T> even[half + 1], odd[half + 1];
    const Complex<T> first = in(Constant<0>{});
    Complex<T> sum = first;
    unroll<half>([&](auto index) INLINE_LAMBDA {
        constexpr int n = index + 1;
        const Complex<T> a = in(Constant<n>{}), b = in(Constant<R - n>{});
        even[n] = a + b;
        odd[n] = a - b;
        sum = sum + even[n];
    });
    out(Constant<0>{}, sum);
    unroll<half>([&](auto index) INLINE_LAMBDA {
        constexpr int k = index + 1;
        Complex<T> e = first, o = {odd[1].r * T(sine(k, R)), odd[1].i * T(sine(k, R))};
        unroll<half>([&](auto m) INLINE_LAMBDA {
            constexpr int n = m + 1;
            constexpr T c = T(cosine(n * k, R)), s = T(sine(n * k, R));
            e = {e.r + even[n].r * c, e.i + even[n].i * c};
            if constexpr (n > 1) o = {o.r + odd[n].r * s, o.i + odd[n].i * s};
        });
        out(Constant<k>{}, {e.r + o.i, e.i - o.r});
        out(Constant<R - k>{}, {e.r - o.i, e.i + o.r});
    });
}

constexpr int with_remainders(int p, int P, int q, int Q) {
    int n = 0;
    while (n % P != p || n % Q != q) n++;
    return n;
}

// Good's mapping for coprime P and Q: n = Q n1 + P n2, and k has the remainders k1 modulo P and k2 modulo Q; then
// exp(-2 pi i n k / PQ) is a product of one factor in n1 k1 and one in n2 k2. Otherwise Cooley and Tukey's:
// n = Q n1 + n2 and k = k1 + P k2, with the twiddle factors exp(-2 pi i n2 k1 / PQ) between.
template <int P, int Q, class T, class In, class Out>
INLINE void composite_butterfly(In in, Out out) {
    constexpr bool coprime = P % Q && Q % P;
    Complex<T> t[P * Q];
    unroll<Q>([&](auto column) INLINE_LAMBDA {
        constexpr int n2 = column;
        butterfly<P, T>(
            [&](auto n1) INLINE_LAMBDA { return in(Constant<coprime ? (Q * n1 + P * n2) % (P * Q) : Q * n1 + n2>{}); },
            [&](auto k1, Complex<T> value) INLINE_LAMBDA {
                t[k1 * Q + n2] = rotated<coprime ? 0 : k1 * n2, P * Q>(value);
            });
    });
    unroll<P>([&](auto row) INLINE_LAMBDA {
        constexpr int k1 = row;
        butterfly<Q, T>(
            [&](auto n2) INLINE_LAMBDA { return t[k1 * Q + n2]; },
            [&](auto k2, Complex<T> value) INLINE_LAMBDA {
                out(Constant<coprime ? with_remainders(k1, P, k2, Q) : k1 + P * k2>{}, value);
            });
    });
}

template <int R, class T, class In, class Out>
INLINE void butterfly(In in, Out out) {
    if constexpr (R == 2) {
        const Complex<T> a = in(Constant<0>{}), b = in(Constant<1>{});
        out(Constant<0>{}, a + b);
        out(Constant<1>{}, a - b);
    } else if constexpr (is_prime(R)) {
        prime_butterfly<R, T>(in, out);
    } else {
        constexpr int P = first_factor(R);
        composite_butterfly<P, R / P, T>(in, out);
    }
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
