// How a length is transformed: passes of small radices, or Bluestein's convolution where a large prime divides it.
#pragma once

#include <cstddef>

namespace nifconv {

constexpr int largest_butterfly = 16;  // compiled into registers
constexpr int points_at_once = 128;    // lines so short that several fit go through a pass together
constexpr int largest_radix = 61;      // primes above 13 by a loop; beyond this Bluestein is cheaper

// Stockham's pass: butterflies of `radix` points over sub-transforms of length `done`. Twiddle factors of position
// k = 1 .. done - 1 are radix - 1 pairs (re, im) each; for prime radices above 13 a table of cosines and sines follows.
template <class T>
struct Pass {
    int radix, done, groups;  // length = radix * done * groups
    const T* twiddles;
    const T* circle;
};

template <class T>
struct Plan {
    int length = 0;
    int count = 0;             // of passes; 0 for length 1 and for Bluestein's
    Pass<T> passes[24] = {};
    size_t workspace = 0;      // complex vectors that a transform needs beside its input and output

    const T* half_circle = nullptr;  // exp(-pi i n / length) for n = 0 .. length, pairs

    // Bluestein 1970: nk = (n^2 + k^2 - (k - n)^2) / 2 makes the transform a convolution with a chirp.
    const Plan* inner = nullptr;
    const T* chirp = nullptr;     // exp(-pi i n^2 / length), pairs
    const T* response = nullptr;  // transform of the conjugate chirp, over inner->length
};

// A plan lives until release_plan; those that the cache holds stay for good. Null if memory is short.
template <class T>
const Plan<T>* acquire_plan(int length);
template <class T>
void release_plan(const Plan<T>* plan);

}  // namespace nifconv
