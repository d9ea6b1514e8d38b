// One vector of numbers from memory and back, with conversion of 16-bit floats to float32; any alignment.
#pragma once

#include "vectors.h"

namespace nifconv {
namespace NIFCONV_ISA {

struct Bfloat16 {
    uint16_t bits;
};
struct Float16 {
    uint16_t bits;
};

constexpr int singles = lanes_of<float>;
typedef uint16_t Halves __attribute__((vector_size(2 * singles)));
typedef uint32_t Words __attribute__((vector_size(4 * singles)));

template <class To, class From>
INLINE To bits_of(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}
INLINE Words load_words(const void* from) {
    Halves halves;
    memcpy(&halves, from, sizeof halves);
    return __builtin_convertvector(halves, Words);
}
INLINE void store_words(void* to, Words words) {
    const Halves halves = __builtin_convertvector(words, Halves);
    memcpy(to, &halves, sizeof halves);
}

template <class T>
INLINE V<T> load(const T* from) {
    V<T> v;
    memcpy(&v, from, sizeof v);
    return v;
}
template <class T>
INLINE void store(T* to, V<T> v) {
    memcpy(to, &v, sizeof v);
}

template <class T>
INLINE V<float> load(const Bfloat16* from) {
    return bits_of<V<float>>(load_words(from) << 16);
}
template <class T>
INLINE void store(Bfloat16* to, V<float> v) {
    const Words u = bits_of<Words>(v), rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    store_words(to, v == v ? rounded : u >> 16 | 0x40);  // rounding must not turn a NaN into infinity
}

// Exponents are moved by 127 - 15; a subnormal number of the small format is normal in the large one.
template <class T>
INLINE V<float> load(const Float16* from) {
    const Words h = load_words(from), sign = (h & 0x8000) << 16, magnitude = (h & 0x7fff) << 13;
    const Words exponent = magnitude & 0x0f800000, moved = magnitude + (112u << 23);
    const Words subnormal = bits_of<Words>(bits_of<V<float>>(moved + (1u << 23)) - bits_of<float>(113u << 23));
    const Words value = exponent == 0x0f800000 ? moved + (112u << 23) : exponent == 0 ? subnormal : moved;
    return bits_of<V<float>>(value | sign);
}
template <class T>
INLINE void store(Float16* to, V<float> v) {
    const Words u = bits_of<Words>(v), sign = (u >> 16) & 0x8000, magnitude = u & 0x7fffffff;
    const Words infinite = magnitude > 0x7f800000 ? Words{} + 0x7e00 : Words{} + 0x7c00;
    const Words subnormal = bits_of<Words>(bits_of<V<float>>(magnitude) + bits_of<float>(126u << 23)) - (126u << 23);
    const Words normal = (magnitude - (112u << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    const Words value = magnitude >= (143u << 23) ? infinite : magnitude < (113u << 23) ? subnormal : normal;
    store_words(to, value | sign);
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
