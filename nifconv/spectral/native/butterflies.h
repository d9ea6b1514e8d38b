// Discrete Fourier transforms of a few points, in registers: X[k] = sum_n x[n] exp(-2 pi i n k / R).
//
// Primes by the symmetry of cosine and sine; products of coprime factors by Good's mapping, which needs no twiddle
// factors; 4, 8, 9 and 16 by Cooley and Tukey's. The inverse is the same transform with re and im exchanged.
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

template <int R, class T>
INLINE void butterfly(Complex<T>* a);

template <int R, class T>
INLINE void prime_butterfly(Complex<T>* a) {
    constexpr int half = (R - 1) / 2;
    Complex<T> even[half + 1], odd[half + 1], sum = a[0];
    const Complex<T> first = a[0];
    unroll<half>([&](auto n) INLINE_LAMBDA {
        even[n + 1] = a[n + 1] + a[R - 1 - n];
        odd[n + 1] = a[n + 1] - a[R - 1 - n];
        sum = sum + even[n + 1];
    });
    unroll<half>([&](auto q) INLINE_LAMBDA {
        constexpr int k = q + 1;
        Complex<T> e = first, o = {odd[1].r * T(sine(k, R)), odd[1].i * T(sine(k, R))};
        unroll<half>([&](auto m) INLINE_LAMBDA {
            constexpr int n = m + 1;
            constexpr T c = T(cosine(n * k, R)), s = T(sine(n * k, R));
            e = {e.r + even[n].r * c, e.i + even[n].i * c};
            if constexpr (n > 1) o = {o.r + odd[n].r * s, o.i + odd[n].i * s};
        });
        a[k] = {e.r + o.i, e.i - o.r};
        a[R - k] = {e.r - o.i, e.i + o.r};
    });
    a[0] = sum;
}

constexpr int with_remainders(int p, int P, int q, int Q) {
    int n = 0;
    while (n % P != p || n % Q != q) n++;
    return n;
}

// Good: n = Q n1 + P n2, and k the number with the remainders k1 modulo P and k2 modulo Q; then
// exp(-2 pi i n k / PQ) is a product of one factor in n1 k1 and one in n2 k2.
template <int P, int Q, class T>
INLINE void coprime_butterfly(Complex<T>* a) {
    Complex<T> t[P * Q];
    unroll<Q>([&](auto column) INLINE_LAMBDA {
        constexpr int n2 = column;
        Complex<T> b[P];
        unroll<P>([&](auto n1) INLINE_LAMBDA { b[n1] = a[(Q * n1 + P * n2) % (P * Q)]; });
        butterfly<P>(b);
        unroll<P>([&](auto k1) INLINE_LAMBDA { t[k1 * Q + n2] = b[k1]; });
    });
    unroll<P>([&](auto row) INLINE_LAMBDA {
        constexpr int k1 = row;
        butterfly<Q>(t + k1 * Q);
        unroll<Q>([&](auto k2) INLINE_LAMBDA { a[with_remainders(k1, P, k2, Q)] = t[k1 * Q + k2]; });
    });
}

// Cooley and Tukey: n = Q n1 + n2 and k = k1 + P k2.
template <int P, int Q, class T>
INLINE void composite_butterfly(Complex<T>* a) {
    Complex<T> t[P * Q];
    unroll<Q>([&](auto column) INLINE_LAMBDA {
        constexpr int n2 = column;
        Complex<T> b[P];
        unroll<P>([&](auto n1) INLINE_LAMBDA { b[n1] = a[Q * n1 + n2]; });
        butterfly<P>(b);
        unroll<P>([&](auto k1) INLINE_LAMBDA { t[k1 * Q + n2] = rotated<k1 * n2, P * Q>(b[k1]); });
    });
    unroll<P>([&](auto row) INLINE_LAMBDA {
        constexpr int k1 = row;
        butterfly<Q>(t + k1 * Q);
        unroll<Q>([&](auto k2) INLINE_LAMBDA { a[k1 + P * k2] = t[k1 * Q + k2]; });
    });
}

template <int R, class T>
INLINE void butterfly(Complex<T>* a) {
    if constexpr (R == 2) {
        Complex<T> difference = a[0] - a[1];
        a[0] = a[0] + a[1];
        a[1] = difference;
    } else if constexpr (is_prime(R)) {
        prime_butterfly<R>(a);
    } else {
        constexpr int P = first_factor(R), Q = R / P;
        if constexpr (Q % P && P % Q) coprime_butterfly<P, Q>(a);
        else composite_butterfly<P, Q>(a);
    }
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
