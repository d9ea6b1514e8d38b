// How a length is transformed: passes of small radices, and of the large primes that divide it.
#pragma once

#include <cstddef>

namespace nifconv {

constexpr int largest_butterfly = 16;  // compiled into registers
constexpr int points_at_once = 128;    // lines so short that several fit go through a pass together
constexpr int largest_loop = 61;       // of the primes whose butterfly may be a loop

template <class T>
struct Plan;

// Rader 1968: the powers of a generator g are all numbers 1 .. p - 1 modulo a prime p. With n = g^a and k = g^-b the
// points are X(k) = x(0) + sum_a x(g^a) w(b - a), w(d) = exp(-2 pi i g^-d / p): a circular convolution of p - 1 values,
// or a linear one on a longer grid where p - 1 has large factors again.
template <class T>
struct Rader {
    const Plan<T>* plan = nullptr;  // of the grid
    const int* powers = nullptr;    // g^a modulo p for a = 0 .. p - 2
    const T* response = nullptr;    // transform of w, over plan->length, pairs
};

// Stockham's pass: butterflies of `radix` points over sub-transforms of length `done`. Twiddle factors of position
// k = 1 .. done - 1 are radix - 1 pairs (re, im) each.
template <class T>
struct Pass {
    int radix, done, groups;  // length = radix * done * groups
    const T* twiddles;
    const T* circle;  // exp(-2 pi i n / radix), pairs, for primes by a loop
    Rader<T> rader;   // where that is cheaper than a loop
};

template <class T>
struct Plan {
    int length = 0;
    int count = 0;             // of passes; 0 for length 1
    Pass<T> passes[24] = {};
    size_t workspace = 0;      // complex vectors that a transform needs beside its input and output

    const T* half_circle = nullptr;  // exp(-pi i n / length) for n = 0 .. length, pairs
};

// Of the passes, without the convolutions in them.
inline size_t passes_workspace(int length) { return 2 * size_t(length < points_at_once ? points_at_once : length); }

// A plan lives until release_plan; those that the cache holds stay for good. Null if memory is short.
template <class T>
const Plan<T>* acquire_plan(int length);
template <class T>
void release_plan(const Plan<T>* plan);

}  // namespace nifconv
