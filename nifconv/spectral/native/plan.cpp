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

struct Choice {
    double cost;  // time for each point, measured in the first cache, on a scale that has no meaning
    std::vector<int> radices;
};

Choice operator+(const Choice& a, const Choice& b) {
    Choice both{a.cost + b.cost, a.radices};
    both.radices.insert(both.radices.end(), b.radices.begin(), b.radices.end());
    return both;
}

// The cheapest factors of n, all at most `largest`, in falling order; of infinite cost if there are none.
Choice small_radices(int n, int largest = largest_butterfly) {
    static const double cost[] = {0, 0, 16, 19, 22, 22, 20, 24, 23, 26, 27, 36, 31, 44, 32, 34, 33};
    if (n == 1) return {0, {}};
    Choice best{std::numeric_limits<double>::infinity(), {}};
    for (int radix = largest; radix > 1; radix--) {
        if (n % radix) continue;
        const Choice choice = Choice{cost[radix], {radix}} + small_radices(n / radix, radix);
        if (choice.cost < best.cost) best = choice;
    }
    return best;
}

Choice radices_of(int n);

// The length of Rader's convolution for a prime: p - 1, or a longer one on which the values do not wrap around.
int convolution_length(int prime) {
    int best = prime - 1;
    double least = best * radices_of(best).cost;
    for (int n = 2 * prime - 3; n < 2 * prime + prime / 4; n++) {
        const double total = n * small_radices(n).cost;
        if (total < least) least = total, best = n;
    }
    return best;
}

double cost_of_loop(int prime) { return prime > largest_loop ? std::numeric_limits<double>::infinity() : 3.5 * prime; }

double cost_of_convolution(int prime) {
    constexpr double copies = 30;  // into the convolution, its product, and back
    const int length = convolution_length(prime);
    const Choice inner = length == prime - 1 ? radices_of(length) : small_radices(length);
    return (2 * inner.cost + copies) * length / prime;
}

// Large primes come first, where there are no twiddle factors yet.
Choice radices_of(int n) {
    Choice large{0, {}};
    int rest = n;
    for (int prime = 2; prime <= rest; prime++)
        for (; rest % prime == 0; rest /= prime)
            if (prime > largest_butterfly) {
                large = Choice{std::min(cost_of_loop(prime), cost_of_convolution(prime)), {prime}} + large;
                n /= prime;
            }
    return large + small_radices(n);
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

// By recursion over factors, in double precision, once per plan.
std::vector<Wave> transform(const std::vector<Wave>& x) {
    const size_t n = x.size();
    if (n == 1) return x;
    size_t p = 2;
    while (n % p) p++;
    std::vector<Wave> y(n), waves(n);
    for (size_t k = 0; k < n; k++) waves[k] = unit(k, n);
    for (size_t r = 0; r < p; r++) {
        std::vector<Wave> part(n / p);
        for (size_t j = 0; j < n / p; j++) part[j] = x[j * p + r];
        part = transform(part);
        for (size_t k = 0; k < n; k++) y[k] += part[k % (n / p)] * waves[r * k % n];
    }
    return y;
}

std::vector<int> powers_of_generator(int prime) {
    for (int generator = 2;; generator++) {
        std::vector<int> powers{1};
        while (int(powers.size()) < prime && (powers.size() == 1 || powers.back() != 1))
            powers.push_back(1ll * powers.back() * generator % prime);
        powers.pop_back();
        if (int(powers.size()) == prime - 1) return powers;
    }
}

template <class T>
Rader<T> rader(int prime) {
    const std::vector<int> powers = powers_of_generator(prime);
    const int count = prime - 1, length = convolution_length(prime);
    std::vector<Wave> kernel(length);
    for (int d = 1 - count; d < count; d++)
        kernel[(length + d) % length] = unit(powers[(count - d) % count], prime) / double(length);
    int* copy = new int[count];
    std::copy(powers.begin(), powers.end(), copy);
    return {acquire_plan<T>(length), copy, table<T>(transform(kernel))};
}

template <class T>
void set_passes(Plan<T>& plan, const std::vector<int>& radices) {
    int done = 1;
    size_t inner = 0;
    for (int radix : radices) {
        std::vector<Wave> twiddles, circle;
        for (int k = 1; k < done; k++)
            for (int r = 1; r < radix; r++) twiddles.push_back(unit(1ll * k * r, 1ll * done * radix));
        for (int n = 0; radix > largest_butterfly && n < radix; n++) circle.push_back(unit(n, radix));
        Pass<T>& pass = plan.passes[plan.count++];
        pass = {radix, done, plan.length / done / radix, table<T>(twiddles), table<T>(circle), {}};
        if (radix > largest_butterfly && cost_of_convolution(radix) < cost_of_loop(radix)) {
            pass.rader = rader<T>(radix);
            inner = std::max(inner, pass.rader.plan->workspace + pass.rader.plan->length);
        }
        done *= radix;
    }
    plan.workspace = passes_workspace(plan.length) + inner;
}

template <class T>
void destroy(const Plan<T>* plan) {
    for (int p = 0; p < plan->count; p++) {
        delete[] plan->passes[p].twiddles;
        delete[] plan->passes[p].circle;
        const Rader<T>& rader = plan->passes[p].rader;
        if (rader.plan) release_plan(rader.plan);
        delete[] rader.powers;
        delete[] rader.response;
    }
    delete[] plan->half_circle;
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
    set_passes(*plan, radices_of(length).radices);
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
