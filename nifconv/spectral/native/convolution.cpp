// The depthwise convolution y = irfft(H rfft(x)) and its gradients, compiled once per instruction set.
//
// One vector holds the same pixel of several planes: channels, or samples too where channels are few. All arithmetic is
// between whole vectors, twiddle factors are scalars, and no plane ever meets another one: a sample's result has the
// same bits in any batch. Everything of one vector of planes stays in the second cache.
//
// Work is cut into items by sizes alone, never by the number of threads, and sums run in a fixed order within and
// between them: every number of threads gives the same bits.

#include "dense.h"

namespace nifconv {
namespace NIFCONV_ISA {
namespace {

template <class I>
I ceil_div(I a, I b) {
    return (a + b - 1) / b;
}

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

// One item: some samples of one vector of channels.
template <class T, class Transform>
class Worker {
    const Convolution& c;
    const Division& division;
    const Grid& grid;
    const int64_t block;
    Transform X, Y;
    Complex<T>*filters, *sums;           // of the block's channels, one after another
    Complex<T>* lines;                   // a group of the spectrum of y
    Complex<T>*spectrum, *dx_spectrum;   // of x and of dx: all of it if each channel has several filters, else a group

public:
    Worker(const Convolution& c, const Division& division, const Grid& grid, const Plan<T>& rows,
           const Plan<T>& columns, const Room& room, int64_t block, Complex<T>* memory)
        : c(c), division(division), grid(grid), block(block), X(grid, rows, columns, memory, memory + 2 * room.own),
          Y(grid, rows, columns, memory + room.own, memory + 2 * room.own) {
        Complex<T>* free = memory + 2 * room.own + room.shared;
        const auto take = [&](size_t vectors) { return free += vectors, free - vectors; };
        const size_t m = c.problem.multiplier, group = Transform::longest_group(grid);
        filters = take(m * grid.bins);
        sums = take(m * grid.bins);
        lines = take(group);
        spectrum = take(m > 1 ? grid.bins : group);
        dx_spectrum = take(m > 1 ? grid.bins : group);
    }
    // Complex vectors that the constructor takes from `memory`.
    static size_t size(const Convolution& c, const Grid& grid, const Room& room) {
        const size_t m = c.problem.multiplier, group = Transform::longest_group(grid);
        return 2 * room.own + room.shared + 2 * m * grid.bins + group + 2 * (m > 1 ? grid.bins : group);
    }

    void run(int64_t chunk, T* dspectrum) {
        const int m = c.problem.multiplier;
        const T* given = static_cast<const T*>(c.spectrum);
        Complex<T>* flat = sums;  // free until the sums begin
        for (int j = 0; j < m; j++) read_spectrum(given, spectrum_lanes(j, false), grid, flat, filter(j));
        memset(static_cast<void*>(sums), 0, m * grid.bins * sizeof(Complex<T>));
        for (int64_t step = division.first_step(chunk); step < division.first_step(chunk + 1); step++)
            c.backward ? gradients(step, dspectrum) : product(step);
        flat = filters;  // not needed any more
        for (int j = 0; dspectrum && j < m; j++) {
            add_samples(sum(j));
            write_spectrum(sum(j), spectrum_lanes(j, true), grid, flat, dspectrum);
        }
    }

private:
    void product(int64_t step) {
        const int m = c.problem.multiplier;
        X.enter(c.x, planes(c.x, step, 1, 0), ahead(c.x));
        for (int j = 0; j < m; j++) {
            for (Group group; Transform::next(grid, group);) {
                Complex<T>* x = part(spectrum, group);
                if (j == 0) X.to_frequency(c.x, group, x);
                multiply<false, false>(group.count(), x, filter(j) + group.offset(), lines);
                X.to_space(c.y, group, lines);
            }
            X.leave(c.y, planes(c.y, step, m, j), ahead(c.y));
        }
    }

    void gradients(int64_t step, bool wants_spectrum) {
        const int m = c.problem.multiplier;
        const bool wants_x = c.dx.data;
        if (wants_spectrum) X.enter(c.x, planes(c.x, step, 1, 0), ahead(c.x));
        for (int j = 0; j < m; j++) {
            Y.enter(c.y, planes(c.y, step, m, j), ahead(c.y));
            for (Group group; Transform::next(grid, group);) {
                Complex<T>*x = part(spectrum, group), *dx = part(dx_spectrum, group);
                Y.to_frequency(c.y, group, lines);
                if (wants_spectrum && j == 0) X.to_frequency(c.x, group, x);
                if (wants_spectrum) multiply<true, true>(group.count(), lines, x, sum(j) + group.offset());
                if (!wants_x) continue;
                const auto into = j ? multiply<true, true, T> : multiply<true, false, T>;
                into(group.count(), lines, filter(j) + group.offset(), dx);
                if (j == m - 1) Y.to_space(c.dx, group, dx);
            }
        }
        if (wants_x) Y.leave(c.dx, planes(c.dx, step, 1, 0), ahead(c.dx));
    }

    Complex<T>* sum(int j) const { return sums + j * grid.bins; }
    Complex<T>* filter(int j) const { return filters + j * grid.bins; }
    Complex<T>* part(Complex<T>* all, const Group& group) const {
        return c.problem.multiplier > 1 ? all + group.offset() : all;
    }
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

    // Sums over the samples of each channel, into its first lane.
    void add_samples(Complex<T>* sum_of_lanes) const {
        T* values = reinterpret_cast<T*>(sum_of_lanes);
        for (int64_t n = 0; division.samples > 1 && n < 2 * grid.bins * lanes_of<T>; n++)
            if (n % division.samples) values[n - n % division.samples] += values[n];
    }
};

template <class T, class Transform>
struct Job {
    const Convolution& c;
    const Division& division;
    const Grid& grid;
    const Plan<T>&rows, &columns;
    T* partial;  // gradients by the spectrum of all chunks but the first

    static bool item(int64_t n, void* context) {
        const Job& job = *static_cast<Job*>(context);
        const Room room = Transform::room(job.grid, job.rows, job.columns);
        const size_t size = Worker<T, Transform>::size(job.c, job.grid, room);
        auto* memory = static_cast<Complex<T>*>(thread_memory(size * sizeof(Complex<T>)));
        if (!memory) return false;
        const int64_t block = n / job.division.chunks, chunk = n % job.division.chunks;
        Worker<T, Transform> worker(job.c, job.division, job.grid, job.rows, job.columns, room, block, memory);
        T* gradient = static_cast<T*>(job.c.dspectrum);
        worker.run(chunk, gradient && chunk ? job.partial + (chunk - 1) * job.spectrum_size() : gradient);
        return true;
    }
    int64_t spectrum_size() const { return c.problem.channels * c.problem.multiplier * grid.bins * 2; }
};

template <class T, class Transform>
bool convolve_with(const Convolution& c, const Grid& grid) {
    const Division division(c.problem.batch, c.problem.channels, lanes_of<T>);
    const PlanHolder<T> rows(Transform::row_length(grid)), columns(Transform::column_length(grid));
    Job<T, Transform> job{c, division, grid, *rows.plan, *columns.plan, nullptr};
    const int64_t size = job.spectrum_size(), extra = c.dspectrum ? (division.chunks - 1) * size : 0;
    const Memory partial(extra * sizeof(T));
    job.partial = static_cast<T*>(partial.start);
    if (extra && !partial.start) return false;
    if (!for_each(division.blocks * division.chunks, Job<T, Transform>::item, &job)) return false;
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
