#include "harness/workloads/model/token_score.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "backends/kernels/exponential.hpp"

namespace kvstone {
namespace {

constexpr std::size_t lanes = 16;
using Lanes = std::array<double, lanes>;

double total(Lanes const& parts) {
    double sum = 0;
    for (auto const part : parts) sum += part;
    return sum;
}

/// Calls block(i, lanes) for whole blocks and block(i, 1) for each value behind them, which goes into the first lane.
template <class Block>
void in_blocks(std::size_t count, Block const& block) {
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) block(i, std::integral_constant<std::size_t, lanes>());
    for (; i < count; ++i) block(i, std::integral_constant<std::size_t, 1>());
}

/// The largest logit that is a number; NaN where there is none, where it is infinite, or where any logit is NaN.
double largest_of(std::span<float const> logits) {
    std::array<float, lanes> most;
    most.fill(-std::numeric_limits<float>::infinity());
    std::array<std::uint32_t, lanes> unordered{};
    auto const* const values = logits.data();
    in_blocks(logits.size(), [&](std::size_t i, auto width) {
#pragma omp simd
        for (std::size_t lane = 0; lane < width(); ++lane) {
            auto const value = values[i + lane];
            most[lane] = value > most[lane] ? value : most[lane];
            unordered[lane] += value == value ? 0U : 1U;
        }
    });
    auto const largest = *std::ranges::max_element(most);
    bool const ordered = std::ranges::all_of(unordered, [](auto count) { return count == 0; });
    return ordered && std::isfinite(largest) ? static_cast<double>(largest) : std::numeric_limits<double>::quiet_NaN();
}

Token first_equal(std::span<float const> logits, double largest) {
    auto const wanted = static_cast<float>(largest);
    std::size_t i = 0;
    for (; i + lanes <= logits.size(); i += lanes) {
        std::uint32_t found = 0;
#pragma omp simd reduction(+ : found)
        for (std::size_t lane = 0; lane < lanes; ++lane) found += logits[i + lane] == wanted ? 1U : 0U;
        if (found > 0) break;
    }
    for (; i < logits.size(); ++i)
        if (logits[i] == wanted) return static_cast<Token>(i);
    return 0;
}

double sum_of_exponentials(std::span<float const> logits, double largest) {
    Lanes sum{};
    auto const* const values = logits.data();
    in_blocks(logits.size(), [&](std::size_t i, auto width) {
#pragma omp simd
        for (std::size_t lane = 0; lane < width(); ++lane)
            sum[lane] += exponential_of_nonpositive(static_cast<double>(values[i + lane]) - largest);
    });
    return total(sum);
}

}  // namespace

LogitSum sum_logits(std::span<float const> logits) {
    auto const largest = largest_of(logits);
    if (std::isnan(largest)) return {largest, most_likely(logits)};
    return {largest + std::log(sum_of_exponentials(logits, largest)), first_equal(logits, largest)};
}

Token most_likely(std::span<float const> logits) {
    auto const largest = largest_of(logits);
    if (std::isnan(largest)) return static_cast<Token>(std::ranges::max_element(logits) - logits.begin());
    return first_equal(logits, largest);
}

double log_probability(std::span<float const> logits, Token token) {
    return static_cast<double>(logits[static_cast<std::size_t>(token)]) - sum_logits(logits).log_sum;
}

TokenScore compare_logits(std::span<float const> baseline, std::span<float const> logits, Token token) {
    if (baseline.size() != logits.size()) throw std::invalid_argument("distributions over two vocabularies");
    TokenScore score;
    auto const at = static_cast<std::size_t>(token);
    auto const theirs = sum_logits(baseline);
    auto const ours = sum_logits(logits);
    score.nll = ours.log_sum - static_cast<double>(logits[at]);
    score.baseline_nll = theirs.log_sum - static_cast<double>(baseline[at]);
    score.same_top = ours.top == theirs.top;
    score.top = ours.top == token;
    score.baseline_top = theirs.top == token;
    score.baseline_top_probability =
        std::exp(static_cast<double>(baseline[static_cast<std::size_t>(theirs.top)]) - theirs.log_sum);
    // sum of p (b - l), less the difference of the sums: equal logits leave exactly 0.
    Lanes weighted{};
    auto const* const b = baseline.data();
    auto const* const l = logits.data();
    in_blocks(logits.size(), [&](std::size_t i, auto width) {
#pragma omp simd
        for (std::size_t lane = 0; lane < width(); ++lane) {
            double const own = b[i + lane];
            double const p = exponential_of_nonpositive(own - theirs.log_sum);
            double const difference = p * (own - static_cast<double>(l[i + lane]));
            weighted[lane] += p > 0 ? difference : 0;
        }
    });
    // NaN stays; rounding of nearly equal distributions gives no value below 0.
    auto const divergence = total(weighted) - (theirs.log_sum - ours.log_sum);
    score.kld = divergence < 0 ? 0 : divergence;
    return score;
}

}  // namespace kvstone
