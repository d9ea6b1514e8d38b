// The engine on threads that a race detector understands, which those of libtorch are not: POSIX threads, started and
// joined for every parallel loop, while several callers run at once. Returns 1 if any bit differs from those of one
// thread. Prints a number for each case, its results against fixed weights, to compare compilers and processors by.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "engine.h"

namespace {

int32_t parallel_for(int64_t begin, int64_t end, int64_t, nifconv_range range, void* context) {
    std::vector<std::thread> threads;
    for (int64_t n = begin; n < end; n++) threads.emplace_back(range, n, n + 1, context);
    for (std::thread& thread : threads) thread.join();
    return 0;
}

int32_t four_threads(uint32_t* count) {
    *count = 4;
    return 0;
}

struct Case {
    int64_t batch, channels, multiplier, height, width;
};

// Output and both gradients, one after another.
std::vector<float> results(const Case& c) {
    const int64_t filters = c.channels * c.multiplier, pixels = c.height * c.width;
    const int64_t inputs = c.batch * c.channels * pixels, outputs = c.batch * filters * pixels;
    const int64_t bins = 2 * filters * c.height * (c.width / 2 + 1);
    std::vector<float> x(inputs), grad(outputs), spectrum(bins), all(outputs + inputs + bins);
    for (int64_t n = 0; n < inputs; n++) x[n] = float(n * 7919 % 1013) / 1013 - .5f;
    for (int64_t n = 0; n < outputs; n++) grad[n] = float(n * 104729 % 1009) / 1009 - .5f;
    for (int64_t n = 0; n < bins; n++) spectrum[n] = float(n * 15485863 % 997) / 997 - .5f;
    const nifconv_problem problem{c.batch, c.channels, c.multiplier, {c.height, c.width}, 0};
    const auto map = [&](float* data, int64_t channels) {
        return nifconv_map{data, channels * pixels, pixels, c.width, 1, c.height, c.width, {1, 1}, 0};
    };
    const nifconv_map in = map(x.data(), c.channels), out = map(all.data(), filters), dy = map(grad.data(), filters);
    const nifconv_map dx = map(all.data() + outputs, c.channels);
    if (nifconv_product(&problem, &in, spectrum.data(), &out)) return {};
    if (nifconv_gradients(&problem, &in, spectrum.data(), &dy, &dx, all.data() + outputs + inputs)) return {};
    return all;
}

}  // namespace

int main() {
    // Many samples of few channels, whose gradients are summed over chunks; several filters each; a signal; sizes whose
    // plans share a place, and one with a large prime, all planned for the first time by several threads at once; large
    // maps of few planes, which threads divide.
    const Case cases[] = {{70, 3, 1, 12, 10}, {33, 20, 2, 6, 5}, {9, 40, 1, 1, 1030}, {5, 20, 1, 6, 6}, {3, 18, 1, 67, 8},
                          {2, 5, 2, 96, 100}};
    int failures = 0;
    for (const Case& c : cases) {
        nifconv_use_threads(parallel_for, four_threads);
        std::vector<float> found[3];
        std::vector<std::thread> callers;
        for (auto& result : found) callers.emplace_back([&] { result = results(c); });
        for (std::thread& caller : callers) caller.join();
        nifconv_use_threads(nullptr, nullptr);
        const std::vector<float> expected = results(c);
        for (const auto& result : found) {
            const bool same = !expected.empty() && result.size() == expected.size() &&
                              !memcmp(result.data(), expected.data(), expected.size() * sizeof(float));
            failures += !same;
            if (!same) printf("%d x %d planes of %d x %d differ\n", int(c.batch), int(c.channels), int(c.height), int(c.width));
        }
        double sum = 0, scale = 0;
        for (size_t n = 0; n < expected.size(); n++) {
            sum += expected[n] * (double(n * 611953 % 991) / 991 - .5);
            scale += double(expected[n]) * expected[n];
        }
        printf("%d x %d planes of %d x %d: %.4f\n", int(c.batch), int(c.channels), int(c.height), int(c.width),
               sum / std::sqrt(scale));
    }
    return failures > 0;
}
