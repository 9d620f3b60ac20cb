#include "results/statistics/signed_rank.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <vector>

#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

/// P(sum of the values whose coin shows heads >= s), for s = 0..sum.
std::vector<double> upper_tail(std::span<std::size_t const> values) {
    std::vector<double> probability{1.0};
    for (auto const value : values) {
        std::vector<double> next(probability.size() + value, 0.0);
        for (std::size_t sum = 0; sum < probability.size(); ++sum) {
            next[sum] += probability[sum] / 2;
            next[sum + value] += probability[sum] / 2;
        }
        probability = std::move(next);
    }
    for (std::size_t sum = probability.size() - 1; sum-- > 0;) probability[sum] += probability[sum + 1];
    return probability;
}

std::vector<double> tail_without_ties(std::size_t n) {
    std::vector<std::size_t> ranks(n);
    for (std::size_t i = 0; i < n; ++i) ranks[i] = i + 1;
    return upper_tail(ranks);
}

/// Smallest s with tail[s] <= alpha; tail.size() where there is none.
std::size_t critical(std::vector<double> const& tail, double alpha) {
    // Probabilities are sums of halves, exact to the last digits; alpha is a decimal fraction that is not.
    return static_cast<std::size_t>(std::ranges::find_if(tail, [&](double p) { return p <= alpha * (1 + 1e-12); }) -
                                    tail.begin());
}

std::vector<double> walsh_averages(std::span<double const> values) {
    std::vector<double> averages;
    averages.reserve(values.size() * (values.size() + 1) / 2);
    for (std::size_t i = 0; i < values.size(); ++i)
        for (std::size_t j = i; j < values.size(); ++j) averages.push_back((values[i] + values[j]) / 2);
    return averages;
}

/// Median of sorted pairwise values with the interval that leaves (1 - confidence) / 2 of `tail` on either side.
Estimate effect_of(std::vector<double> const& sorted, std::vector<double> const& tail, double confidence) {
    Estimate effect{median_of_sorted(sorted)};
    auto const count = critical(tail, (1 - confidence) / 2);
    if (count < tail.size()) {
        effect.low = sorted[sorted.size() - count];
        effect.high = sorted[count - 1];
    }
    return effect;
}

}  // namespace

double signed_rank_p(std::span<double const> differences, double margin) {
    std::vector<double> shifted;
    for (double const d : differences)
        if (d != margin) shifted.push_back(d - margin);
    std::ranges::sort(shifted, {}, [](double d) { return std::abs(d); });
    std::vector<std::size_t> ranks(shifted.size());  // doubled, so that midranks are whole
    std::size_t observed = 0;
    for (std::size_t first = 0, end = 0; first < shifted.size(); first = end) {
        while (end < shifted.size() && std::abs(shifted[end]) == std::abs(shifted[first])) ++end;
        for (std::size_t i = first; i < end; ++i) {
            ranks[i] = first + 1 + end;
            if (shifted[i] > 0) observed += ranks[i];
        }
    }
    return upper_tail(ranks)[observed];
}

std::optional<std::size_t> rejecting_walsh_averages(std::size_t n, double alpha) {
    auto const tail = tail_without_ties(n);
    auto const count = critical(tail, alpha);
    return count < tail.size() ? std::optional(count) : std::nullopt;
}

double nth_largest_walsh_average(std::span<double const> differences, std::size_t count) {
    auto averages = walsh_averages(differences);
    auto const at = averages.begin() + static_cast<std::ptrdiff_t>(count - 1);
    std::ranges::nth_element(averages, at, std::ranges::greater());
    return *at;
}

Estimate hodges_lehmann(std::span<double const> differences, double confidence) {
    auto averages = walsh_averages(differences);
    std::ranges::sort(averages);
    return effect_of(averages, tail_without_ties(differences.size()), confidence);
}

// By the recurrence on which sample has the largest value.
std::vector<double> rank_sum_tail(std::size_t n, std::size_t m) {
    std::vector<std::vector<double>> row(n + 1);  // row[i]: counts of U for i values of one sample and j of the other
    for (auto& counts : row) counts = {1.0};
    for (std::size_t j = 1; j <= m; ++j)
        for (std::size_t i = 1; i <= n; ++i) {
            std::vector<double> next(i * j + 1, 0.0);
            for (std::size_t u = 0; u < row[i].size(); ++u) next[u] += row[i][u];
            for (std::size_t u = 0; u < row[i - 1].size(); ++u) next[u + j] += row[i - 1][u];
            row[i] = std::move(next);
        }
    auto tail = std::move(row[n]);
    for (std::size_t u = tail.size() - 1; u-- > 0;) tail[u] += tail[u + 1];
    for (auto const all = tail[0]; auto& count : tail) count /= all;
    return tail;
}

Estimate shift_between(std::span<double const> a, std::span<double const> b, double confidence) {
    std::vector<double> shifts;
    shifts.reserve(a.size() * b.size());
    for (double const before : a)
        for (double const after : b) shifts.push_back(after - before);
    std::ranges::sort(shifts);
    // Too few to bear an interval: C(n + m, n) orders in all.
    if (a.size() < 2 || b.size() < 2) return {median_of_sorted(shifts)};
    return effect_of(shifts, rank_sum_tail(a.size(), b.size()), confidence);
}

}  // namespace kvstone
