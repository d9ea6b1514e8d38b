#include "plan.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <complex>
#include <limits>
#include <new>
#include <vector>

namespace nifconv {
namespace {

using Wave = std::complex<double>;

Wave unit(long long n, long long N) {
    const double turn = -2 * 3.14159265358979323846 * double(n % N) / double(N);
    return {std::cos(turn), std::sin(turn)};
}

// Time for each point of a pass, measured in the first cache, on a scale that has no meaning.
double cost(int radix) {
    static const double measured[] = {0, 0, 16, 19, 22, 22, 20, 24, 23, 26, 27, 36, 31, 44, 32, 34, 33};
    return radix <= largest_butterfly ? measured[radix] : 4 * radix;
}

// The cheapest factors of n, all at most largest_radix; infinite if there are none.
double factorise(int n, int largest, std::vector<int>& radices) {
    radices.clear();
    if (n == 1) return 0;
    double best = std::numeric_limits<double>::infinity();
    for (int radix = largest; radix > 1; radix--) {
        const bool small_factor = radix % 2 == 0 || radix % 3 == 0 || radix % 5 == 0 || radix % 7 == 0;
        if (n % radix || (radix > largest_butterfly && small_factor)) continue;
        std::vector<int> rest;
        const double total = cost(radix) + factorise(n / radix, radix, rest);
        if (total < best) {
            best = total;
            rest.insert(rest.begin(), radix);
            radices = rest;
        }
    }
    return best;
}

template <class T>
T* table(const std::vector<Wave>& values) {
    T* pairs = new T[2 * values.size() + 1];
    for (size_t n = 0; n < values.size(); n++) {
        pairs[2 * n] = T(values[n].real());
        pairs[2 * n + 1] = T(values[n].imag());
    }
    return pairs;
}

template <class T>
void set_passes(Plan<T>& plan, const std::vector<int>& radices) {
    int done = 1;
    for (int radix : radices) {
        std::vector<Wave> twiddles, circle;
        for (int k = 1; k < done; k++)
            for (int r = 1; r < radix; r++) twiddles.push_back(unit(1ll * k * r, 1ll * done * radix));
        for (int n = 0; radix > largest_butterfly && n < radix; n++) circle.push_back(unit(n, radix));
        plan.passes[plan.count++] = {radix, done, plan.length / done / radix, table<T>(twiddles), table<T>(circle)};
        done *= radix;
    }
    plan.workspace = 2 * size_t(std::max(plan.length, points_at_once));
}

// By the definition in O(n log n): recursion over factors, in double precision, once per plan.
std::vector<Wave> transform(const std::vector<Wave>& x) {
    const size_t n = x.size();
    if (n == 1) return x;
    size_t p = 2;
    while (n % p) p++;
    std::vector<Wave> y(n);
    for (size_t r = 0; r < p; r++) {
        std::vector<Wave> part(n / p);
        for (size_t j = 0; j < n / p; j++) part[j] = x[j * p + r];
        part = transform(part);
        for (size_t k = 0; k < n; k++) y[k] += part[k % (n / p)] * unit(1ll * r * k, n);
    }
    return y;
}

template <class T>
void set_chirp(Plan<T>& plan) {
    const int n = plan.length;
    std::vector<int> radices;
    int longer = 2 * n - 1, best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (; longer < 2 * n + n / 4 + 8; longer++) {
        const double total = longer * factorise(longer, largest_butterfly, radices);
        if (total < least) least = total, best = longer;
    }
    std::vector<Wave> chirp(n), kernel(best);
    for (long long k = 0; k < n; k++) chirp[k] = unit(k * k, 2ll * n);
    for (int k = 0; k < n; k++) kernel[k] = kernel[(best - k) % best] = std::conj(chirp[k]) / double(best);
    plan.inner = acquire_plan<T>(best);
    plan.chirp = table<T>(chirp);
    plan.response = table<T>(transform(kernel));
    plan.workspace = plan.inner->workspace + size_t(best);
}

template <class T>
void destroy(const Plan<T>* plan) {
    for (int p = 0; p < plan->count; p++) {
        delete[] plan->passes[p].twiddles;
        delete[] plan->passes[p].circle;
    }
    if (plan->inner) release_plan(plan->inner);
    delete[] plan->half_circle;
    delete[] plan->chirp;
    delete[] plan->response;
    delete plan;
}

// One place for each length modulo their number. A plan that is once there is never removed, so that no lock is
// needed, which a fork could leave locked for ever; a length whose place is taken is planned for the call alone.
constexpr int places = 1024, longest_cached = 1 << 14;
template <class T>
std::atomic<const Plan<T>*> cache[places];

}  // namespace

template <class T>
const Plan<T>* acquire_plan(int length) {
    std::atomic<const Plan<T>*>& place = cache<T>[length % places];
    const Plan<T>* known = place.load(std::memory_order_acquire);
    if (known && known->length == length) return known;
    Plan<T>* plan = new Plan<T>;
    plan->length = length;
    std::vector<Wave> half_circle;
    for (int n = 0; n <= length; n++) half_circle.push_back(unit(n, 2ll * length));
    plan->half_circle = table<T>(half_circle);
    std::vector<int> radices;
    if (std::isfinite(factorise(length, largest_radix, radices))) set_passes(*plan, radices);
    else set_chirp(*plan);
    const Plan<T>* none = nullptr;
    if (length <= longest_cached) place.compare_exchange_strong(none, plan, std::memory_order_acq_rel);
    return plan;
}

template <class T>
void release_plan(const Plan<T>* plan) {
    if (cache<T>[plan->length % places].load(std::memory_order_acquire) != plan) destroy(plan);
}

template const Plan<float>* acquire_plan<float>(int);
template const Plan<double>* acquire_plan<double>(int);
template void release_plan<float>(const Plan<float>*);
template void release_plan<double>(const Plan<double>*);

}  // namespace nifconv
