// Real maps and signals to half spectra and back, all lanes at once.
//
// Maps. Two real rows a, b are one complex row z = a + i b, and their transforms are found in that of z:
//     2 A(k) = Z(k) + conj(Z(-k)),   2 B(k) = -i (Z(k) - conj(Z(-k))).
// Z is stored by columns. On the way in, rows of the map, not of the grid, are paired and transformed; then, for some
// columns k = 0 .. W/2 at once and within the first cache, Z(k) and Z(-k) become one column of the half spectrum, with
// A and B where their rows lie on the grid and zeros elsewhere, and the column is transformed. The way out is the same
// backwards, for the rows that the map reads. So rows that hold only zeros, or that nobody reads, cost nothing.
//
// Inverse. The forward transform is the inverse one up to the sign of an index: after a column's, row h is found at -h;
// before a row's, Z(k) is placed at -k. No pass permutes or transposes anything.
//
// Signals. Pairs of neighbours z(n) = x(2n) + i x(2n + 1) are how the values lie in memory already. The transforms E
// and O of the even and odd values are found in that of z as A and B above, and X(k) = E(k) + exp(-2 pi i k/N) O(k).
#pragma once

#include "spectra.h"

namespace nifconv {
namespace NIFCONV_ISA {

// Some columns of the half spectrum, as lines of `length` bins.
struct Group {
    int first, end, length;
    int offset() const { return first * length; }
    int count() const { return (end - first) * length; }
};

// Complex vectors of memory that a transform has for itself, and as scratch during a call.
struct Room {
    size_t own, scratch;
};

template <class T>
struct PlanHolder {
    const Plan<T>* plan;
    explicit PlanHolder(int length) : plan(acquire_plan<T>(length)) {}
    ~PlanHolder() { release_plan(plan); }
    PlanHolder(const PlanHolder&) = delete;
};

template <class T>
class MapTransform {
    const Grid& grid;
    const Plan<T>&along_rows, &along_columns;
    const ptrdiff_t pitch;  // from column to column of Z; odd, so that columns do not share the sets of a cache
    Complex<T>* Z;

public:
    static int row_length(const Grid& grid) { return grid.W; }
    static int column_length(const Grid& grid) { return grid.H; }
    static Room room(const Grid& grid, const Plan<T>& rows, const Plan<T>& columns) {
        const size_t most = rows.workspace > columns.workspace ? rows.workspace : columns.workspace;
        return {size_t(grid.W) * pitch_of(grid), size_t(lines_at_once(grid.W)) * grid.W + most};
    }

    MapTransform(const Grid& grid, const Plan<T>& rows, const Plan<T>& columns, Complex<T>* own)
        : grid(grid), along_rows(rows), along_columns(columns), pitch(pitch_of(grid)), Z(own) {}

    // Columns that go through a transform together. Groups have no columns of Z in common.
    static int longest_group(const Grid& grid) { return lines_at_once(grid.H) * grid.H; }
    static int groups(const Grid& grid) { return (grid.columns + lines_at_once(grid.H) - 1) / lines_at_once(grid.H); }
    static Group group(const Grid& grid, int n) {
        const int most = lines_at_once(grid.H);
        return {n * most, minimum((n + 1) * most, grid.columns), grid.H};
    }

    // Pairs of rows that go through a transform together.
    static int parts(const Grid& grid, const nifconv_map& map) {
        return (pairs_of(map) + lines_at_once(grid.W) - 1) / lines_at_once(grid.W);
    }

    void enter(const nifconv_map& map, const Lanes<T>& lanes, ptrdiff_t next_step, int part, Complex<T>* scratch) {
        const Pairs p(*this, map, next_step, part);
        Complex<T>*buffer = scratch, *workspace = workspace_in(scratch);
        if (!is_whole(map) || p.im < p.re) memset(static_cast<void*>(buffer), 0, p.re * grid.W * sizeof(Complex<T>));
        move_rows<true>(map, lanes, p.first, p.re, &buffer->r, p.ahead);
        move_rows<true>(map, lanes, p.all + p.first, p.im, &buffer->i, p.ahead);
        transform(along_rows, Lines<T>{buffer, 1, grid.W}, Lines<T>{Z + p.first, pitch, 1}, p.re, workspace);
    }

    // Columns of the half spectrum, times 2, from Z.
    void to_frequency(const nifconv_map& map, const Group& group, Complex<T>* lines, Complex<T>* scratch) {
        const int pairs = pairs_of(map), down = map.step[0];
        if (map.height * down < grid.H || down > 1)
            memset(static_cast<void*>(lines), 0, (group.end - group.first) * grid.H * sizeof(Complex<T>));
        for (int k = group.first; k < group.end; k++) {
            const Complex<T>*z = column(k), *mirror = column((grid.W - k) % grid.W);
            Complex<T>*a = lines + (k - group.first) * grid.H, *b = a + pairs * down;
            for (int n = 0; n < pairs; n++) {
                a[n * down] = {z[n].r + mirror[n].r, z[n].i - mirror[n].i};
                if (pairs + n < map.height) b[n * down] = {z[n].i + mirror[n].i, mirror[n].r - z[n].r};
            }
        }
        along(group, lines, scratch);
    }

    // The way back. A column that is its own mirror must belong to a real row: what does not, irfft ignores.
    void to_space(const nifconv_map& map, const Group& group, Complex<T>* lines, Complex<T>* scratch) {
        const int pairs = pairs_of(map), down = map.step[0];
        along(group, lines, scratch);
        for (int k = group.first; k < group.end; k++) {
            Complex<T>*z = column(k), *mirror = column((grid.W - k) % grid.W);
            const Complex<T>* y = lines + (k - group.first) * grid.H;
            for (int n = 0; n < pairs; n++) {
                const int h = n * down, other = pairs + n < map.height ? h + pairs * down : h;
                const Complex<T> a = y[h ? grid.H - h : 0], b = y[other ? grid.H - other : 0];
                mirror[n] = {a.r - b.i, a.i + b.r};
                z[n] = z == mirror ? Complex<T>{a.r, b.r} : Complex<T>{a.r + b.i, b.r - a.i};
            }
        }
    }

    void leave(const nifconv_map& map, const Lanes<T>& lanes, ptrdiff_t next_step, int part, Complex<T>* scratch) {
        const Pairs p(*this, map, next_step, part);
        Complex<T>*buffer = scratch, *workspace = workspace_in(scratch);
        transform(along_rows, Lines<T>{Z + p.first, pitch, 1}, Lines<T>{buffer, 1, grid.W}, p.re, workspace);
        move_rows<false>(map, lanes, p.first, p.re, &buffer->r, p.ahead);
        move_rows<false>(map, lanes, p.all + p.first, p.im, &buffer->i, p.ahead);
    }

private:
    // Some of `all` pairs of rows: the first ones, which become real parts, and those of them that have a partner.
    struct Pairs {
        int all, first, re, im;
        ptrdiff_t ahead;  // to what is wanted next
        Pairs(const MapTransform& self, const nifconv_map& map, ptrdiff_t next_step, int part) {
            const int most = lines_at_once(self.grid.W);
            all = pairs_of(map), first = part * most;
            re = minimum(most, all - first), im = minimum<int>(re, map.height - all - first);
            ahead = first + most < all ? most * map.row_stride : next_step - first * map.row_stride;
        }
    };

    Complex<T>* workspace_in(Complex<T>* scratch) const { return scratch + lines_at_once(grid.W) * grid.W; }
    static ptrdiff_t pitch_of(const Grid& grid) { return ((grid.H + 1) / 2) | 1; }
    static int pairs_of(const nifconv_map& map) { return (map.height + 1) / 2; }
    Complex<T>* column(int k) const { return Z + k * pitch; }

    void along(const Group& group, Complex<T>* lines, Complex<T>* scratch) {
        const Lines<T> columns{lines, 1, grid.H};
        transform(along_columns, columns, columns, group.end - group.first, workspace_in(scratch));
    }

    // Whether its rows, one after another, fill the rows of the grid.
    bool is_whole(const nifconv_map& map) const {
        return map.width == grid.W && map.step[1] == 1 && map.row_stride == map.width * map.column_stride;
    }

    // Between rows of the map and the real or imaginary parts of the buffer.
    template <bool in>
    void move_rows(const nifconv_map& map, const Lanes<T>& lanes, int first, int rows, V<T>* part, ptrdiff_t ahead) {
        const int runs = is_whole(map) ? rows > 0 : rows, count = is_whole(map) ? rows * grid.W : map.width;
        with_type<T>(map, [&](auto* data) {
            for (int a = 0; a < runs; a++)
                move<in>(data + (first + a) * map.row_stride, map.column_stride, count, lanes, part + 2 * a * grid.W,
                         2 * map.step[1], ahead);
        });
    }
};

template <class T>
class SignalTransform {
    const Grid& grid;
    const Plan<T>& plan;  // of half the length, or of all where that is odd
    const bool even;
    Complex<T>* Z;

public:
    static int row_length(const Grid& grid) { return grid.W % 2 ? grid.W : grid.W / 2; }
    static int column_length(const Grid&) { return 1; }
    static Room room(const Grid&, const Plan<T>& rows, const Plan<T>&) {
        return {size_t(rows.length), rows.workspace};
    }

    SignalTransform(const Grid& grid, const Plan<T>& rows, const Plan<T>&, Complex<T>* own)
        : grid(grid), plan(rows), even(grid.W % 2 == 0), Z(own) {}

    static int longest_group(const Grid& grid) { return grid.columns; }
    static int groups(const Grid&) { return 1; }
    static Group group(const Grid& grid, int) { return {0, 1, grid.columns}; }
    static int parts(const Grid&, const nifconv_map&) { return 1; }

    void enter(const nifconv_map& map, const Lanes<T>& lanes, ptrdiff_t next_step, int, Complex<T>*) {
        if (!even || map.width != grid.W) memset(static_cast<void*>(Z), 0, plan.length * sizeof(Complex<T>));
        with_type<T>(map, [&](auto* data) {
            move<true>(data, map.column_stride, map.width, lanes, &Z->r, between(map), next_step);
        });
    }

    // The half spectrum, times 2.
    void to_frequency(const nifconv_map&, const Group& group, Complex<T>* line, Complex<T>* workspace) {
        along(workspace);
        for (int k = 0; k < group.length; k++) {
            const Complex<T> z = Z[k % plan.length], mirror = Z[k ? plan.length - k : 0];
            const Complex<T> e = {z.r + mirror.r, z.i - mirror.i}, o = {z.i + mirror.i, mirror.r - z.r};
            line[k] = even ? e + times(o, plan.half_circle[2 * k], plan.half_circle[2 * k + 1]) : z + z;
        }
    }

    // The way back; 0 and N/2 are their own mirrors, and their imaginary parts are ignored.
    void to_space(const nifconv_map&, const Group& group, Complex<T>* line, Complex<T>*) {
        line[0].i = V<T>{};
        if (even) line[plan.length].i = V<T>{};
        for (int k = 0; k < plan.length; k++) {
            const int to = k ? plan.length - k : 0;
            if (even) {
                const Complex<T> y = line[k], mirror = line[plan.length - k];
                const Complex<T> e = {y.r + mirror.r, y.i - mirror.i}, d = {y.r - mirror.r, y.i + mirror.i};
                const Complex<T> o = times(d, plan.half_circle[2 * k], -plan.half_circle[2 * k + 1]);
                Z[to] = {e.r - o.i, e.i + o.r};
            } else {
                Z[to] = k < group.length ? line[k] : Complex<T>{line[to].r, -line[to].i};
            }
        }
    }

    void leave(const nifconv_map& map, const Lanes<T>& lanes, ptrdiff_t next_step, int, Complex<T>* workspace) {
        along(workspace);
        with_type<T>(map, [&](auto* data) {
            move<false>(data, map.column_stride, map.width, lanes, &Z->r, between(map), next_step);
        });
    }

private:
    ptrdiff_t between(const nifconv_map& map) const { return even ? map.step[1] : 2 * map.step[1]; }
    void along(Complex<T>* workspace) {
        const Lines<T> line{Z, 1, plan.length};
        transform(plan, line, line, 1, workspace);
    }
};

}  // namespace NIFCONV_ISA
}  // namespace nifconv
