// The depthwise convolution y = irfft(H rfft(x)) and its gradients, compiled once per instruction set.
//
// One vector holds the same pixel of several planes: channels, or samples too where channels are few. All arithmetic is
// between whole vectors, twiddle factors are scalars, and no plane ever meets another one: a sample's result has the
// same bits in any batch. Everything of one vector of planes stays in the second cache.
//
// Work is cut into items and parts of items by sizes alone, never by the number of threads, and sums run in a fixed
// order within and between them: every number of threads gives the same bits. That number only decides whether threads
// take whole items or, where these are fewer, parts of one.

#include "dense.h"

namespace nifconv {
namespace NIFCONV_ISA {
namespace {

template <class I>
I ceil_div(I a, I b) {
    return (a + b - 1) / b;
}

// Threads meet several times for each vector of planes that they work on together, which is only worth it on large ones.
constexpr int bins_together = 1 << 12;

// Which planes share a vector, and which vectors an item.
struct Division {
    int64_t samples;   // of one channel in a vector; the other lanes are further channels
    int64_t channels;  // in a vector
    int64_t blocks, steps;  // vectors of channels, and of samples
    int64_t chunks;    // of the steps, so that small numbers of channels also occupy many threads

    Division(int64_t batch, int64_t all_channels, int lanes) {
        int64_t least = INT64_MAX;
        for (int64_t s = 1; s <= lanes; s *= 2) {
            const int64_t vectors = ceil_div(all_channels, lanes / s) * ceil_div(batch, s);
            if (vectors < least) least = vectors, samples = s;
        }
        channels = lanes / samples;
        blocks = ceil_div(all_channels, channels);
        steps = ceil_div(batch, samples);
        chunks = minimum(ceil_div<int64_t>(16, blocks), ceil_div<int64_t>(steps, 8));
    }
    int64_t first_step(int64_t chunk) const { return chunk * steps / chunks; }
};

// Memory of one call of the transforms, and what lies between a transform and a product: some columns.
template <class T>
struct Scratch {
    Complex<T>*any, *lines, *x, *dx;  // `any` is for transforms and rows of filters

    Scratch(Complex<T>* memory, size_t room, size_t group)
        : any(memory), lines(memory + room), x(lines + group), dx(x + group) {}
    static size_t size(size_t room, size_t group) { return room + 3 * group; }
};

// One item: some samples of one vector of channels. Its parts, some rows or columns each, have no data in common; they
// run one after another, or `together` on all threads, where planes are large and few.
template <class T, class Transform>
class Worker {
    const Convolution& c;
    const Division& division;
    const Grid& grid;
    const int64_t block;
    const size_t room, group_room;  // of a scratch
    Transform X, Y;
    Complex<T>*filters, *sums;          // of the block's channels, one after another
    Complex<T>*spectrum, *dx_spectrum;  // of x and of dx, where each channel has several filters
    Complex<T>* own_scratch;            // none if together
    bool complete = true;

public:
    Worker(const Convolution& c, const Division& division, const Grid& grid, const Plan<T>& rows,
           const Plan<T>& columns, const Room& sizes, int64_t block, bool together, Complex<T>* memory)
        : c(c), division(division), grid(grid), block(block), room(scratch_room(grid, sizes)),
          group_room(Transform::longest_group(grid)), X(grid, rows, columns, memory),
          Y(grid, rows, columns, memory + sizes.own) {
        Complex<T>* free = memory + 2 * sizes.own;
        const auto take = [&](size_t vectors) { return free += vectors, free - vectors; };
        const size_t m = c.problem.multiplier, whole = m > 1 ? grid.bins : 0;
        filters = take(m * grid.bins);
        sums = take(m * grid.bins);
        spectrum = take(whole);
        dx_spectrum = take(whole);
        own_scratch = together ? nullptr : free;
    }
    // Complex vectors that the constructor takes from `memory`.
    static size_t size(const Convolution& c, const Grid& grid, const Room& sizes, bool together) {
        const size_t m = c.problem.multiplier, whole = m > 1 ? grid.bins : 0;
        const size_t scratch =
            together ? 0 : Scratch<T>::size(scratch_room(grid, sizes), Transform::longest_group(grid));
        return 2 * sizes.own + 2 * m * grid.bins + 2 * whole + scratch;
    }

    // False if a thread had no memory.
    bool run(int64_t chunk, T* dspectrum) {
        const int parts = Rows::parts(grid), all = c.problem.multiplier * parts;
        const T* given = static_cast<const T*>(c.spectrum);
        each(all, [&](int n, const Scratch<T>& scratch) {
            const int j = n / parts;
            const Rows rows(grid, n % parts);
            read_spectrum(given, spectrum_lanes(j, false), grid, rows, scratch.any, filter(j));
        });
        const int64_t first = division.first_step(chunk);
        for (int64_t step = first; step < division.first_step(chunk + 1); step++)
            c.backward ? gradients(step, dspectrum, step == first) : product(step);
        each(dspectrum ? all : 0, [&](int n, const Scratch<T>& scratch) {
            const int j = n / parts;
            const Rows rows(grid, n % parts);
            write_spectrum(sum(j), spectrum_lanes(j, true), division.samples, grid, rows, scratch.any, dspectrum);
        });
        return complete;
    }

private:
    void product(int64_t step) {
        const int m = c.problem.multiplier;
        enter(X, c.x, planes(c.x, step, 1, 0));
        for (int j = 0; j < m; j++) {
            each(Transform::groups(grid), [&](int n, const Scratch<T>& scratch) {
                const Group group = Transform::group(grid, n);
                Complex<T>* x = m > 1 ? spectrum + group.offset() : scratch.x;
                if (j == 0) X.to_frequency(c.x, group, x, scratch.any);
                multiply<false, false>(group.count(), x, filter(j) + group.offset(), scratch.lines);
                X.to_space(c.y, group, scratch.lines, scratch.any);
            });
            leave(X, c.y, planes(c.y, step, m, j));
        }
    }

    void gradients(int64_t step, bool wants_spectrum, bool begins) {
        const int m = c.problem.multiplier;
        const bool wants_x = c.dx.data;
        if (wants_spectrum) enter(X, c.x, planes(c.x, step, 1, 0));
        for (int j = 0; j < m; j++) {
            enter(Y, c.y, planes(c.y, step, m, j));
            each(Transform::groups(grid), [&](int n, const Scratch<T>& scratch) {
                const Group group = Transform::group(grid, n);
                Complex<T>* x = m > 1 ? spectrum + group.offset() : scratch.x;
                Complex<T>* dx = m > 1 ? dx_spectrum + group.offset() : scratch.dx;
                Y.to_frequency(c.y, group, scratch.lines, scratch.any);
                if (wants_spectrum && j == 0) X.to_frequency(c.x, group, x, scratch.any);
                if (wants_spectrum) product_into(!begins)(group.count(), scratch.lines, x, sum(j) + group.offset());
                if (!wants_x) return;
                product_into(j > 0)(group.count(), scratch.lines, filter(j) + group.offset(), dx);
                if (j == m - 1) Y.to_space(c.dx, group, dx, scratch.any);
            });
        }
        if (wants_x) leave(Y, c.dx, planes(c.dx, step, 1, 0));
    }

    static size_t scratch_room(const Grid& grid, const Room& sizes) {
        return sizes.scratch > Rows::room(grid) ? sizes.scratch : Rows::room(grid);
    }
    static auto product_into(bool add) { return add ? multiply<true, true, T> : multiply<true, false, T>; }

    void enter(Transform& transform, const nifconv_map& map, const Lanes<T>& lanes) {
        each(Transform::parts(grid, map), [&](int part, const Scratch<T>& scratch) {
            transform.enter(map, lanes, ahead(map), part, scratch.any);
        });
    }
    void leave(Transform& transform, const nifconv_map& map, const Lanes<T>& lanes) {
        each(Transform::parts(grid, map), [&](int part, const Scratch<T>& scratch) {
            transform.leave(map, lanes, ahead(map), part, scratch.any);
        });
    }

    // part(n, scratch) for n < count.
    template <class Part>
    void each(int count, const Part& part) {
        if (own_scratch) {
            const Scratch<T> scratch(own_scratch, room, group_room);
            for (int n = 0; n < count; n++) part(n, scratch);
            return;
        }
        struct Parts {
            const Part& part;
            size_t room, group;
            static bool item(int64_t n, void* context) {
                const Parts& self = *static_cast<Parts*>(context);
                void* memory = thread_memory(Scratch<T>::size(self.room, self.group) * sizeof(Complex<T>), of_part);
                if (memory) self.part(int(n), Scratch<T>(static_cast<Complex<T>*>(memory), self.room, self.group));
                return memory;
            }
        } parts{part, room, group_room};
        complete &= for_each(count, Parts::item, &parts);
    }

    Complex<T>* sum(int j) const { return sums + j * grid.bins; }
    Complex<T>* filter(int j) const { return filters + j * grid.bins; }
    ptrdiff_t ahead(const nifconv_map& map) const { return division.samples * map.batch_stride; }

    // Filter j of each channel: lane l holds sample l % samples of channel l / samples of the block.
    Lanes<T> planes(const nifconv_map& map, int64_t step, int64_t filters_each, int64_t j) const {
        Lanes<T> lanes;
        for (int l = 0; l < lanes_of<T>; l++) {
            const int64_t channel = block * division.channels + l / division.samples;
            const int64_t sample = step * division.samples + l % division.samples;
            const bool exists = channel < c.problem.channels && sample < c.problem.batch;
            const int64_t offset = (channel * filters_each + j) * map.channel_stride + sample * map.batch_stride;
            lanes.offset[l] = exists ? offset : Lanes<T>::absent;
        }
        lanes.find_adjacent();
        return lanes;
    }

    Lanes<T> spectrum_lanes(int64_t j, bool one_for_each_channel) const {
        Lanes<T> lanes;
        for (int l = 0; l < lanes_of<T>; l++) {
            const int64_t channel = block * division.channels + l / division.samples;
            const bool exists = channel < c.problem.channels && !(one_for_each_channel && l % division.samples);
            lanes.offset[l] = exists ? (channel * c.problem.multiplier + j) * grid.bins * 2 : Lanes<T>::absent;
        }
        return lanes;
    }
};

template <class T, class Transform>
struct Job {
    const Convolution& c;
    const Division& division;
    const Grid& grid;
    const Plan<T>&rows, &columns;
    bool together;  // whether all threads work on one item
    T* partial;     // gradients by the spectrum of all chunks but the first

    static bool item(int64_t n, void* context) {
        const Job& job = *static_cast<Job*>(context);
        const Room room = Transform::room(job.grid, job.rows, job.columns);
        const size_t size = Worker<T, Transform>::size(job.c, job.grid, room, job.together);
        auto* memory = static_cast<Complex<T>*>(thread_memory(size * sizeof(Complex<T>)));
        if (!memory) return false;
        const int64_t block = n / job.division.chunks, chunk = n % job.division.chunks;
        Worker<T, Transform> worker(job.c, job.division, job.grid, job.rows, job.columns, room, block, job.together,
                                    memory);
        T* gradient = static_cast<T*>(job.c.dspectrum);
        return worker.run(chunk, gradient && chunk ? job.partial + (chunk - 1) * job.spectrum_size() : gradient);
    }
    int64_t spectrum_size() const { return c.problem.channels * c.problem.multiplier * grid.bins * 2; }
};

template <class T, class Transform>
bool convolve_with(const Convolution& c, const Grid& grid) {
    const Division division(c.problem.batch, c.problem.channels, lanes_of<T>);
    const PlanHolder<T> rows(Transform::row_length(grid)), columns(Transform::column_length(grid));
    const int64_t items = division.blocks * division.chunks;
    const bool together = 2 * items <= threads() && grid.bins >= bins_together;
    Job<T, Transform> job{c, division, grid, *rows.plan, *columns.plan, together, nullptr};
    const int64_t size = job.spectrum_size(), extra = c.dspectrum ? (division.chunks - 1) * size : 0;
    const Memory partial(extra * sizeof(T));
    job.partial = static_cast<T*>(partial.start);
    if (extra && !partial.start) return false;
    if (together) {
        for (int64_t n = 0; n < items; n++)
            if (!Job<T, Transform>::item(n, &job)) return false;
    } else if (!for_each(items, Job<T, Transform>::item, &job)) {
        return false;
    }
    T* gradient = static_cast<T*>(c.dspectrum);
    for (int64_t chunk = 0; extra && chunk < division.chunks - 1; chunk++)
        for (int64_t n = 0; n < size; n++) gradient[n] += job.partial[chunk * size + n];
    return true;
}

template <class T>
bool convolve(const Convolution& c) {
    const Grid grid(c.problem.grid);
    return grid.H == 1 ? convolve_with<T, SignalTransform<T>>(c, grid) : convolve_with<T, MapTransform<T>>(c, grid);
}

}  // namespace

extern const InstructionSet instruction_set = {NIFCONV_NAME, convolve<float>, convolve<double>, dense<float>,
                                               dense<double>};

}  // namespace NIFCONV_ISA
}  // namespace nifconv
