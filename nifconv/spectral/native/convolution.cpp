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
// Order. Z[h, k] is stored by columns, at k * pitch + h. Rows are transformed on the way in, from the map to
// Z[h, :]; then, for k and its mirror W - k at once and within the first cache, columns are transformed, multiplied by
// H[:, k], which both share, and transformed back; rows are transformed again on the way out. Stockham's passes leave
// natural order, and the product pairs (h, k) with (-h, -k) by index alone: nothing is permuted or transposed between.
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

// out = P H at (h, k), and Q conj(H) at (-h, -k); Q is null where the column is its own mirror. With lines exchanged
// the product is by conj(H), as swap(z) H = swap(z conj(H)).
template <bool add, class T>
void multiply(int n, Line<T> p, Line<T> q, const Complex<T>* filter, Line<T> p_out, Line<T> q_out) {
    auto put = [](Line<T> line, int h, Complex<T> value) INLINE_LAMBDA {
        line.set(h, add ? line[h] + value : value);
    };
    for (int h = 0; h < n; h++) {
        const int m = h ? n - h : 0;
        put(p_out, h, times(p[h], filter[h]));
        if (q.r) put(q_out, m, times_conjugate(q[m], filter[h]));
    }
}

// sums += conj(X) Y at f, and the conjugate of that at -f.
template <class T>
void accumulate(int n, Line<T> x, Line<T> x_mirror, Line<T> y, Line<T> y_mirror, Complex<T>* sums) {
    for (int h = 0; h < n; h++) {
        const int m = h ? n - h : 0;
        Complex<T> sum = sums[h] + times_conjugate(y[h], x[h]);
        if (x_mirror.r) sum = sum + times_conjugate(x_mirror[m], y_mirror[m]);
        sums[h] = sum;
    }
}

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
    static constexpr int pixels_at_once = 128;

    Worker(const Convolution& c, const Division& division, const Grid& grid, const Plan<T>& rows, const Plan<T>& columns)
        : c(c), division(division), grid(grid), along_rows(rows), along_columns(columns) {}

    // Bytes, or the pointers if there is memory to lay out.
    size_t lay_out(char* memory) {
        const size_t plane = grid.W * grid.pitch, half = c.problem.multiplier * grid.columns * grid.pitch;
        const size_t pixels = grid.W > pixels_at_once ? grid.W : pixels_at_once;
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
            for (int k = 0; k < grid.columns; k++) {
                const Line<T> p = column(X, k), q = mirror(X, k), p_out = column(Y, k), q_out = mirror(Y, k);
                if (j == 0) to_frequency(p), to_frequency(q);
                multiply<false>(grid.H, p, q, filter(j, k), p_out, q_out);
                to_space(p_out), to_space(q_out);
            }
            rows_out(c.y, planes(c.y, block, step, c.problem.multiplier, j), Y);
        }
    }

    void gradients(int64_t block, int64_t step, bool wants_spectrum) {
        const int m = c.problem.multiplier;
        const bool wants_x = c.dx.data;
        if (wants_spectrum) rows_in(c.x, planes(c.x, block, step, 1, 0), X);
        for (int j = 0; j < m; j++) {
            rows_in(c.y, planes(c.y, block, step, m, j), Y);
            for (int k = 0; k < grid.columns; k++) {
                const Line<T> x = column(X, k), x_mirror = mirror(X, k), y = column(Y, k), y_mirror = mirror(Y, k);
                to_frequency(y), to_frequency(y_mirror);
                if (wants_spectrum) {
                    if (j == 0) to_frequency(x), to_frequency(x_mirror);
                    accumulate(grid.H, x, x_mirror, y, y_mirror, sums + (filter(j, k) - filters));
                }
                if (!wants_x) continue;
                const Line<T> d = column(D, k), d_mirror = mirror(D, k);
                const auto into = j ? multiply<true, T> : multiply<false, T>;
                into(grid.H, y.exchanged(), y_mirror.exchanged(), filter(j, k), d.exchanged(), d_mirror.exchanged());
                if (j == m - 1) to_space(d), to_space(d_mirror);
            }
        }
        if (wants_x) rows_out(c.dx, planes(c.dx, block, step, 1, 0), D);
    }

    // From the pixels of a map to Z[h, :]; rows without pixels are zero.
    void rows_in(const nifconv_map& map, const PlanePair<T>& pair, Complex<T>* Z) {
        const ptrdiff_t down = map.step[0], along = map.step[1];
        for (int h = 0; h < grid.H; h++)
            if (h % down || h / down >= map.height)
                for (int k = 0; k < grid.W; k++) Z[k * grid.pitch + h] = Complex<T>{};
        if (grid.W == 1) return pair.load(map, 0, map.row_stride, map.height, Z, down);
        const bool whole = is_whole(map);
        const int at_once = rows_at_once();
        for (int first = 0; first < map.height; first += at_once) {
            const int rows = first + at_once <= map.height ? at_once : map.height - first;
            const ptrdiff_t start = first * map.row_stride;
            if (whole) {
                pair.load(map, start, map.column_stride, rows * grid.W, buffer, 1);
            } else {
                memset(static_cast<void*>(buffer), 0, rows * grid.W * sizeof(Complex<T>));
                for (int a = 0; a < rows; a++)
                    pair.load(map, start + a * map.row_stride, map.column_stride, map.width, buffer + a * grid.W, along);
            }
            for (int a = 0; a < rows; a++)
                transform(along_rows, Line<T>(buffer + a * grid.W), Line<T>(Z + (first + a) * down, grid.pitch), workspace);
        }
    }

    void rows_out(const nifconv_map& map, const PlanePair<T>& pair, Complex<T>* Z) {
        const ptrdiff_t down = map.step[0], along = map.step[1];
        if (grid.W == 1) return pair.store(map, 0, map.row_stride, map.height, Z, down);
        const bool whole = is_whole(map);
        const int at_once = rows_at_once();
        for (int first = 0; first < map.height; first += at_once) {
            const int rows = first + at_once <= map.height ? at_once : map.height - first;
            const ptrdiff_t start = first * map.row_stride;
            for (int a = 0; a < rows; a++) {
                const Line<T> row(Z + (first + a) * down, grid.pitch), pixels(buffer + a * grid.W);
                transform(along_rows, row.exchanged(), pixels.exchanged(), workspace);
            }
            if (whole) pair.store(map, start, map.column_stride, rows * grid.W, buffer, 1);
            else
                for (int a = 0; a < rows; a++)
                    pair.store(map, start + a * map.row_stride, map.column_stride, map.width, buffer + a * grid.W, along);
        }
    }

    // Whether its rows, one after another, fill the rows of the grid.
    bool is_whole(const nifconv_map& map) const {
        return map.width == grid.W && map.step[1] == 1 && map.row_stride == map.width * map.column_stride;
    }
    int rows_at_once() const { return grid.W < pixels_at_once ? pixels_at_once / grid.W : 1; }

    Line<T> column(Complex<T>* Z, int k) const { return Line<T>(Z + k * grid.pitch); }
    Line<T> mirror(Complex<T>* Z, int k) const {
        return grid.is_own_mirror(k) ? Line<T>(nullptr, nullptr, 0) : column(Z, grid.W - k);
    }
    const Complex<T>* filter(int j, int k) const { return filters + (j * grid.columns + k) * grid.pitch; }

    void to_frequency(Line<T> line) const {
        if (line.r) transform(along_columns, line, line, workspace);
    }
    void to_space(Line<T> line) const {
        if (line.r) transform(along_columns, line.exchanged(), line.exchanged(), workspace);
    }

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
    const Grid grid(c.problem.grid);
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
