// Vectors of lanes, and the square transposition that turns rows of pixels into lanes.
//
// Everything that is compiled once per instruction set lives in a namespace of its own (NIFCONV_ISA), and uses no
// library template: the linker would keep one copy of it for all, and that copy might be the one for AVX-512.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#ifdef NIFCONV_SMALL_FUNCTIONS  // a build with sanitizers would take hours, and needs no speed
#define INLINE inline
#define INLINE_LAMBDA
#else
#define INLINE inline __attribute__((always_inline))
#define INLINE_LAMBDA __attribute__((always_inline))
#endif

namespace nifconv {
namespace NIFCONV_ISA {

template <class T>
struct Vector {
    static constexpr int lanes = NIFCONV_VECTOR_BYTES / sizeof(T);
    typedef T type __attribute__((vector_size(NIFCONV_VECTOR_BYTES)));
};
template <class T>
using V = typename Vector<T>::type;
template <class T>
constexpr int lanes_of = Vector<T>::lanes;

template <int n>
using Constant = std::integral_constant<int, n>;

template <class I>
constexpr I minimum(I a, I b) {
    return a < b ? a : b;
}

// Loops whose indices are constants, so that local arrays become registers.
template <class F, int... I>
INLINE void unroll_sequence(F&& f, std::integer_sequence<int, I...>) {
    (f(Constant<I>{}), ...);
}
template <int N, class F>
INLINE void unroll(F&& f) {
    unroll_sequence(static_cast<F&&>(f), std::make_integer_sequence<int, N>{});
}

// The shuffles that processors have are those within pieces of 128 bits, and those of whole pieces.
template <class T>
struct Shuffles {
    static constexpr int L = lanes_of<T>, piece = 16 / sizeof(T), pieces = L / piece;

    // Lane i of the low (half = 0) or high half of every piece of a and b, interleaved.
    static constexpr int zip(int half, int i) {
        int p = i % piece;
        return (p % 2 ? L : 0) + i / piece * piece + half * piece / 2 + p / 2;
    }
    // Lane i of the pieces of even (odd = 0) or odd number, those of a before those of b.
    static constexpr int unzip(int odd, int i) {
        int source = 2 * (i / piece) + odd;
        return (source >= pieces ? L + (source - pieces) * piece : source * piece) + i % piece;
    }

    template <int half, int... I>
    static INLINE V<T> zipped(V<T> a, V<T> b, std::integer_sequence<int, I...>) {
        return __builtin_shufflevector(a, b, zip(half, I)...);
    }
    template <int odd, int... I>
    static INLINE V<T> unzipped(V<T> a, V<T> b, std::integer_sequence<int, I...>) {
        return __builtin_shufflevector(a, b, unzip(odd, I)...);
    }

    // The first log2(piece) stages transpose squares within pieces, the others the square of pieces.
    static INLINE void transpose(V<T>* rows) {
        constexpr auto all = std::make_integer_sequence<int, L>{};
        V<T> other[L];
        for (int size = piece; size > 1; size /= 2) {
            unroll<L / 2>([&](auto i) INLINE_LAMBDA {
                constexpr int square = i / (piece / 2) * piece, row = i % (piece / 2);
                V<T> a = rows[square + row], b = rows[square + row + piece / 2];
                other[square + 2 * row] = zipped<0>(a, b, all);
                other[square + 2 * row + 1] = zipped<1>(a, b, all);
            });
            unroll<L>([&](auto i) INLINE_LAMBDA { rows[i] = other[i]; });
        }
        for (int size = pieces; size > 1; size /= 2) {
            unroll<L / 2>([&](auto i) INLINE_LAMBDA {
                constexpr int pair = i / piece, within = i % piece;
                V<T> a = rows[2 * pair * piece + within], b = rows[(2 * pair + 1) * piece + within];
                other[pair * piece + within] = unzipped<0>(a, b, all);
                other[(pair + pieces / 2) * piece + within] = unzipped<1>(a, b, all);
            });
            unroll<L>([&](auto i) INLINE_LAMBDA { rows[i] = other[i]; });
        }
    }
};

}  // namespace NIFCONV_ISA
}  // namespace nifconv
