// Maps in memory to vectors of lanes and back: one plane in each lane.
#pragma once

#include "engine.h"
#include "numbers.h"
#include "transform.h"

namespace nifconv {
namespace NIFCONV_ISA {

// The planes of one vector, as distances from a first element; absent ones are read as zeros and never written.
template <class T>
struct Lanes {
    static constexpr ptrdiff_t absent = -1;
    ptrdiff_t offset[lanes_of<T>];
    int adjacent = 0;  // present lanes if they are neighbours, so that no transposition is needed; else 0

    void find_adjacent() {
        int present = 0;
        while (offset[0] != absent && present < lanes_of<T> && offset[present] == offset[0] + present) present++;
        adjacent = present;
        for (int l = present; l < lanes_of<T>; l++)
            if (offset[l] != absent) adjacent = 0;
    }
};

// `count` elements, `stride` apart, of every lane: out[n * step]. What is wanted next lies `ahead` elements further.
template <class T, class S>
void read(const S* from, ptrdiff_t stride, int count, const Lanes<T>& lanes, V<T>* out, ptrdiff_t step,
          ptrdiff_t ahead) {
    constexpr int L = lanes_of<T>;
    if (stride == 1 && count >= L) {
        for (int n = 0; n < count; n += L) {
            const int first = n + L <= count ? n : count - L;  // the last square overlaps the one before
            V<T> rows[L];
            for (int l = 0; l < L; l++)
                if (lanes.offset[l] < 0) {
                    rows[l] = V<T>{};
                } else {
                    rows[l] = load<T>(from + lanes.offset[l] + first);
                    __builtin_prefetch(from + lanes.offset[l] + first + ahead, 0, 2);
                }
            Shuffles<T>::transpose(rows);
            for (int l = 0; l < L; l++) out[(first + l) * step] = rows[l];
        }
    } else if (lanes.adjacent == L) {
        from += lanes.offset[0];
        for (int n = 0; n < count; n++) {
            out[n * step] = load<T>(from + n * stride);
            __builtin_prefetch(from + n * stride + ahead, 0, 2);
        }
    } else {
        for (int n = 0; n < count; n++) {
            S values[L] = {};
            for (int l = 0; l < L; l++)
                if (lanes.offset[l] >= 0) values[l] = from[n * stride + lanes.offset[l]];
            out[n * step] = load<T>(values);
        }
    }
}

template <class T, class S>
void write(S* to, ptrdiff_t stride, int count, const Lanes<T>& lanes, const V<T>* in, ptrdiff_t step,
           ptrdiff_t ahead) {
    constexpr int L = lanes_of<T>;
    if (stride == 1 && count >= L) {
        for (int n = 0; n < count; n += L) {
            const int first = n + L <= count ? n : count - L;
            V<T> rows[L];
            for (int l = 0; l < L; l++) rows[l] = in[(first + l) * step];
            Shuffles<T>::transpose(rows);
            for (int l = 0; l < L; l++)
                if (lanes.offset[l] >= 0) {
                    store<T>(to + lanes.offset[l] + first, rows[l]);
                    __builtin_prefetch(to + lanes.offset[l] + first + ahead, 1, 2);
                }
        }
    } else if (lanes.adjacent == L) {
        to += lanes.offset[0];
        for (int n = 0; n < count; n++) {
            store<T>(to + n * stride, in[n * step]);
            __builtin_prefetch(to + n * stride + ahead, 1, 2);
        }
    } else {
        for (int n = 0; n < count; n++) {
            S values[L];
            store<T>(values, in[n * step]);
            for (int l = 0; l < L; l++)
                if (lanes.offset[l] >= 0) to[n * stride + lanes.offset[l]] = values[l];
        }
    }
}

// The element type of a map is known when it is read; f gets a typed pointer.
template <class T, class F>
INLINE void with_type(const nifconv_map& map, F&& f) {
    if constexpr (sizeof(T) == 8) return f(static_cast<double*>(map.data));
    else if (map.type == 2) return f(static_cast<Bfloat16*>(map.data));
    else if (map.type == 3) return f(static_cast<Float16*>(map.data));
    else return f(static_cast<float*>(map.data));
}

template <bool in, class T, class S>
INLINE void move(S* data, ptrdiff_t stride, int count, const Lanes<T>& lanes, V<T>* values, ptrdiff_t step,
                 ptrdiff_t ahead) {
    if constexpr (in) read<T>(data, stride, count, lanes, values, step, ahead);
    else write<T>(data, stride, count, lanes, values, step, ahead);
}

}  // namespace NIFCONV_ISA
}  // namespace nifconv
