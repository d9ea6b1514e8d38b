// The depthwise convolution y = irfft(H rfft(x)) and its gradients, compiled once per instruction set.
//
// Lanes. One vector holds the same pixel of `lanes` planes: channels, or samples where channels are few. All
// arithmetic is then between whole vectors and twiddle factors are scalars.
//
// Pairs. Two samples x1, x2 of a channel are one complex plane z = x1 + i x2. As the kernel is real, z * h =
// x1 * h + i x2 * h: the transform Z of z is multiplied by H over the whole plane of frequencies, and re and im of the
// result are the two outputs. Half spectra need never be taken apart. The gradient by H wants conj(X1) Y1 + conj(X2) Y2,
// which is Hermitian, while conj(Z) times the transform of y1 + i y2 adds i times another Hermitian term to it; adding
// the conjugate at -f removes that. Sums over the batch come first, so it is done as the sums are formed.
//
// Order. Z[h, k] is stored by columns, at k * pitch + h. Rows are transformed on the way in, from the map to Z[h, :].
// Then some columns k and their mirrors W - k, which share a filter, are transformed, multiplied and transformed back
// within the first cache. The product of (h, k) is placed at (-h, -k) and that one's at (h, k), in place: this makes the
// second transform the inverse one. Rows are transformed on the way out. Stockham's passes leave natural order, so
// nothing is permuted or transposed between.
//
// Work is cut into items by sizes alone, never by the number of threads, and sums run in a fixed order within and
// between them: every number of threads gives the same bits.

#include "parallel.h"
#include "spectra.h"

namespace nifconv {
namespace NIFCONV_ISA {
namespace {

template <class I>
I ceil_div(I a, I b) {
    return (a + b - 1) / b;
}

// Which planes share a vector, and which vectors an item.
struct Division {
    int64_t samples;             // of one channel in a vector; the other lanes are further channels
    int64_t channels;            // in a vector
    int64_t blocks, steps;       // vectors of channels; pairs of vectors of samples
    int64_t chunks;              // of the steps, so that small numbers of channels also occupy many threads

    Division(int64_t batch, int64_t all_channels, int lanes) {
        int64_t least = INT64_MAX;
        for (int64_t s = 1; s <= lanes; s *= 2) {
            const int64_t vectors = ceil_div(all_channels, lanes / s) * ceil_div(batch, 2 * s);
            if (vectors < least) least = vectors, samples = s;
        }
        channels = lanes / samples;
        blocks = ceil_div(all_channels, channels);
        steps = ceil_div(batch, 2 * samples);
        const int64_t wanted = ceil_div<int64_t>(16, blocks), most = ceil_div<int64_t>(steps, 4);
        chunks = wanted < most ? wanted : most;
    }
    int64_t first_step(int64_t chunk) const { return chunk * steps / chunks; }
};

// P H and Q conj(H), of frequencies (h, k) and (-h, -k), each placed at the other's; with conj, P conj(H) and Q H. A
// column that is its own mirror is both P and Q.
template <bool conj, bool add, class T>
void multiply(int n, const Complex<T>* p, const Complex<T>* q, const Complex<T>* filter, Complex<T>* p_out, Complex<T>* q_out) {
    for (int h = 0; h < (p == q ? n / 2 + 1 : n); h++) {
        const int m = h ? n - h : 0;
        Complex<T> a = conj ? times_conjugate(p[h], filter[h]) : times(p[h], filter[h]);
        Complex<T> b = conj ? times(q[m], filter[h]) : times_conjugate(q[m], filter[h]);
        if (add) a = a + q_out[m], b = b + p_out[h];
        q_out[m] = a;
        p_out[h] = b;
    }
}

// sums += conj(X) Y at f, and the conjugate of that at -f.
template <class T>
void accumulate(int n, const Complex<T>* x, const Complex<T>* x_mirror, const Complex<T>* y, const Complex<T>* y_mirror, Complex<T>* sums) {
    for (int h = 0; h < n; h++) {
        const int m = h ? n - h : 0;
        Complex<T> sum = sums[h] + times_conjugate(y[h], x[h]);
        if (x != x_mirror) sum = sum + times_conjugate(x_mirror[m], y_mirror[m]);
        sums[h] = sum;
    }
}

// Some columns k of the half plane, as many as fit into the first cache, and the mirrors W - k of those that have one.
struct Group {
    const Grid& grid;
    int first = 0, end = 0, first_mirror, end_mirror;

    explicit Group(const Grid& grid) : grid(grid) {}
    bool next() {
        const int most = lines_at_once(grid.H);
        first = end;
        end = first + most < grid.columns ? first + most : grid.columns;
        const int from = first ? first : 1, to = grid.is_own_mirror(end - 1) ? end - 1 : end;
        first_mirror = grid.W - to + 1;
        end_mirror = grid.W - from + 1;
        return first < end;
    }
};

template <class T>
class Worker {
    const Convolution& c;
    const Division& division;
    const Grid& grid;
    const Plan<T>&along_rows, &along_columns;
    Complex<T>*X, *Y, *D;           // transforms of x and of dy, and of dx where that is a sum over filters
    Complex<T>*filters, *sums;      // of the block's channels, multiplier of each
    Complex<T>*buffer, *workspace;  // some rows of pixels; for transforms

public:
    Worker(const Convolution& c, const Division& division, const Grid& grid, const Plan<T>& rows, const Plan<T>& columns)
        : c(c), division(division), grid(grid), along_rows(rows), along_columns(columns) {}

    // Bytes, or the pointers if there is memory to lay out.
    size_t lay_out(char* memory) {
        const size_t plane = grid.W * grid.pitch, half = c.problem.multiplier * grid.columns * grid.pitch;
        const size_t pixels = grid.W > points_at_once ? grid.W : points_at_once;
        const size_t work = along_rows.workspace > along_columns.workspace ? along_rows.workspace : along_columns.workspace;
        Complex<T>* end = reinterpret_cast<Complex<T>*>(memory);
        auto take = [&](size_t count) { Complex<T>* start = end; end += count; return start; };
        const bool several = c.problem.multiplier > 1;
        X = take(plane);
        Y = several || c.backward ? take(plane) : X;
        D = several && c.backward ? take(plane) : Y;
        filters = take(half);
        sums = take(c.backward ? half : 0);
        buffer = take(pixels);
        workspace = take(work);
        return reinterpret_cast<char*>(end) - memory;
    }

    void run(int64_t block, int64_t chunk, T* dspectrum) {
        const int m = c.problem.multiplier;
        const size_t one = grid.columns * grid.pitch;
        const T* spectrum = static_cast<const T*>(c.spectrum);
        for (int j = 0; j < m; j++) read_spectrum(spectrum, spectrum_lanes(block, j, false), grid, X, filters + j * one);
        if (dspectrum) memset(static_cast<void*>(sums), 0, m * one * sizeof(Complex<T>));
        for (int64_t step = division.first_step(chunk); step < division.first_step(chunk + 1); step++)
            c.backward ? gradients(block, step, dspectrum) : product(block, step);
        for (int j = 0; dspectrum && j < m; j++) {
            add_samples(sums + j * one);
            write_spectrum(sums + j * one, spectrum_lanes(block, j, true), grid, X, dspectrum);
        }
    }

private:
    void product(int64_t block, int64_t step) {
        rows_in(c.x, planes(c.x, block, step, 1, 0), X);
        for (int j = 0; j < c.problem.multiplier; j++) {
            for (Group group(grid); group.next();) {
                if (j == 0) along(group, X);
                for (int k = group.first; k < group.end; k++)
                    multiply<false, false>(grid.H, column(X, k), mirror(X, k), filter(j, k), column(Y, k), mirror(Y, k));
                along(group, Y);
            }
            rows_out(c.y, planes(c.y, block, step, c.problem.multiplier, j), Y);
        }
    }

    void gradients(int64_t block, int64_t step, bool wants_spectrum) {
        const int m = c.problem.multiplier;
        const bool wants_x = c.dx.data;
        const auto into = [](bool add) { return add ? multiply<true, true, T> : multiply<true, false, T>; };
        if (wants_spectrum) rows_in(c.x, planes(c.x, block, step, 1, 0), X);
        for (int j = 0; j < m; j++) {
            rows_in(c.y, planes(c.y, block, step, m, j), Y);
            for (Group group(grid); group.next();) {
                along(group, Y);
                if (wants_spectrum && j == 0) along(group, X);
                for (int k = group.first; k < group.end; k++) {
                    Complex<T>* sum = sums + (filter(j, k) - filters);
                    if (wants_spectrum) accumulate(grid.H, column(X, k), mirror(X, k), column(Y, k), mirror(Y, k), sum);
                    if (wants_x)
                        into(j > 0)(grid.H, column(Y, k), mirror(Y, k), filter(j, k), column(D, k), mirror(D, k));
                }
                if (wants_x && j == m - 1) along(group, D);
            }
        }
        if (wants_x) rows_out(c.dx, planes(c.dx, block, step, 1, 0), D);
    }

    // Transforms the columns of a group and their mirrors.
    void along(const Group& group, Complex<T>* Z) {
        const auto columns = [&](int first, int end) {
            const Lines<T> lines{Z + first * grid.pitch, 1, grid.pitch};
            transform(along_columns, lines, lines, end - first, workspace);
        };
        columns(group.first, group.end);
        columns(group.first_mirror, group.end_mirror);
    }

    // From the pixels of a map to Z[h, :]; rows without pixels are zero.
    void rows_in(const nifconv_map& map, const PlanePair<T>& pair, Complex<T>* Z) {
        const ptrdiff_t down = map.step[0], right = map.step[1];
        for (int h = 0; h < grid.H; h++)
            if (h % down || h / down >= map.height)
                for (int k = 0; k < grid.W; k++) Z[k * grid.pitch + h] = Complex<T>{};
        if (grid.W == 1) return pair.load(map, 0, map.row_stride, map.height, Z, down);
        const bool whole = is_whole(map);
        const int at_once = lines_at_once(grid.W);
        for (int first = 0; first < map.height; first += at_once) {
            const int rows = first + at_once <= map.height ? at_once : map.height - first;
            const ptrdiff_t start = first * map.row_stride;
            if (whole) {
                pair.load(map, start, map.column_stride, rows * grid.W, buffer, 1, ahead(map, first));
            } else {
                memset(static_cast<void*>(buffer), 0, rows * grid.W * sizeof(Complex<T>));
                for (int a = 0; a < rows; a++)
                    pair.load(map, start + a * map.row_stride, map.column_stride, map.width, buffer + a * grid.W, right);
            }
            const Lines<T> pixels{buffer, 1, grid.W}, frequencies{Z + first * down, grid.pitch, down};
            transform(along_rows, pixels, frequencies, rows, workspace);
        }
    }

    void rows_out(const nifconv_map& map, const PlanePair<T>& pair, Complex<T>* Z) {
        const ptrdiff_t down = map.step[0], right = map.step[1];
        if (grid.W == 1) return pair.store(map, 0, map.row_stride, map.height, Z, down);
        const bool whole = is_whole(map);
        const int at_once = lines_at_once(grid.W);
        for (int first = 0; first < map.height; first += at_once) {
            const int rows = first + at_once <= map.height ? at_once : map.height - first;
            const ptrdiff_t start = first * map.row_stride;
            const Lines<T> pixels{buffer, 1, grid.W}, frequencies{Z + first * down, grid.pitch, down};
            transform(along_rows, frequencies, pixels, rows, workspace);
            if (whole) pair.store(map, start, map.column_stride, rows * grid.W, buffer, 1, ahead(map, first));
            else
                for (int a = 0; a < rows; a++)
                    pair.store(map, start + a * map.row_stride, map.column_stride, map.width, buffer + a * grid.W, right);
        }
    }

    // From a run of rows to the next one, or to the first one of the next step.
    ptrdiff_t ahead(const nifconv_map& map, int first) const {
        const int next = first + lines_at_once(grid.W);
        return next < map.height ? (next - first) * map.row_stride : 2 * division.samples * map.batch_stride - first * map.row_stride;
    }

    // Whether its rows, one after another, fill the rows of the grid.
    bool is_whole(const nifconv_map& map) const {
        return map.width == grid.W && map.step[1] == 1 && map.row_stride == map.width * map.column_stride;
    }

    Complex<T>* column(Complex<T>* Z, int k) const { return Z + k * grid.pitch; }
    Complex<T>* mirror(Complex<T>* Z, int k) const { return column(Z, (grid.W - k) % grid.W); }
    const Complex<T>* filter(int j, int k) const { return filters + (j * grid.columns + k) * grid.pitch; }

    // Filter j of each channel: lane l holds sample l % samples of channel l / samples of the block.
    PlanePair<T> planes(const nifconv_map& map, int64_t block, int64_t step, int64_t filters_each, int64_t j) const {
        PlanePair<T> pair;
        pair.has_im = false;
        for (int l = 0; l < lanes_of<T>; l++) {
            const int64_t channel = block * division.channels + l / division.samples;
            const int64_t re = 2 * step * division.samples + l % division.samples, im = re + division.samples;
            const int64_t offset = (channel * filters_each + j) * map.channel_stride;
            const bool exists = channel < c.problem.channels;
            pair.re.offset[l] = exists && re < c.problem.batch ? offset + re * map.batch_stride : Lanes<T>::absent;
            pair.im.offset[l] = exists && im < c.problem.batch ? offset + im * map.batch_stride : Lanes<T>::absent;
            pair.has_im |= pair.im.offset[l] != Lanes<T>::absent;
        }
        pair.re.find_adjacent();
        pair.im.find_adjacent();
        return pair;
    }

    Lanes<T> spectrum_lanes(int64_t block, int64_t j, bool one_for_each_channel) const {
        Lanes<T> lanes;
        for (int l = 0; l < lanes_of<T>; l++) {
            const int64_t channel = block * division.channels + l / division.samples;
            const bool exists = channel < c.problem.channels && !(one_for_each_channel && l % division.samples);
            lanes.offset[l] = exists ? (channel * c.problem.multiplier + j) * grid.bins * 2 : Lanes<T>::absent;
        }
        return lanes;
    }

    // Sums over the samples of each channel, into its first lane.
    void add_samples(Complex<T>* sum) const {
        T* values = reinterpret_cast<T*>(sum);
        const size_t vectors = 2 * grid.columns * grid.pitch;
        for (size_t n = 0; division.samples > 1 && n < vectors; n++)
            for (int l = 0; l < lanes_of<T>; l++)
                if (l % division.samples) values[n * lanes_of<T> + l / division.samples * division.samples] += values[n * lanes_of<T> + l];
    }
};

template <class T>
struct PlanHolder {
    const Plan<T>* plan;
    explicit PlanHolder(int length) : plan(acquire_plan<T>(length)) {}
    ~PlanHolder() { release_plan(plan); }
    PlanHolder(const PlanHolder&) = delete;
};

template <class T>
struct Job {
    const Convolution& c;
    const Division& division;
    const Grid& grid;
    const Plan<T>&rows, &columns;
    T* partial;  // gradients by the spectrum of all chunks but the first

    static bool item(int64_t n, void* context) {
        const Job& job = *static_cast<Job*>(context);
        Worker<T> worker(job.c, job.division, job.grid, job.rows, job.columns);
        char* memory = static_cast<char*>(thread_memory(worker.lay_out(nullptr)));
        if (!memory) return false;
        worker.lay_out(memory);
        const int64_t block = n / job.division.chunks, chunk = n % job.division.chunks;
        T* gradient = static_cast<T*>(job.c.dspectrum);
        worker.run(block, chunk, gradient && chunk ? job.partial + (chunk - 1) * job.spectrum_size() : gradient);
        return true;
    }
    int64_t spectrum_size() const { return c.problem.channels * c.problem.multiplier * grid.bins * 2; }
};

template <class T>
bool convolve(const Convolution& c) {
    const Grid grid(c.problem.grid[0], c.problem.grid[1], c.problem.signal);
    const Division division(c.problem.batch, c.problem.channels, lanes_of<T>);
    const PlanHolder<T> rows(grid.W), columns(grid.H);
    Job<T> job{c, division, grid, *rows.plan, *columns.plan, nullptr};
    const int64_t size = job.spectrum_size(), extra = c.dspectrum ? (division.chunks - 1) * size : 0;
    const Memory partial(extra * sizeof(T));
    job.partial = static_cast<T*>(partial.start);
    if (extra && !partial.start) return false;
    if (!for_each(division.blocks * division.chunks, Job<T>::item, &job)) return false;
    T* gradient = static_cast<T*>(c.dspectrum);
    for (int64_t chunk = 0; extra && chunk < division.chunks - 1; chunk++)
        for (int64_t n = 0; n < size; n++) gradient[n] += job.partial[chunk * size + n];
    return true;
}

}  // namespace

extern const InstructionSet instruction_set = {NIFCONV_NAME, convolve<float>, convolve<double>};

}  // namespace NIFCONV_ISA
}  // namespace nifconv
