#include "harness/inspection/layer_facts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/inspection/spread.hpp"

namespace kvstone {
namespace {

constexpr double outlier_ratio = 4;

Json ratio(double part, double whole) { return whole > 0 ? Json(part / whole) : Json(); }

/// Shares of the variance of all heads together that their first 1, 2, ... principal components hold.
std::vector<double> energy_of_heads(std::span<std::vector<double> const> variances, KvShape const& shape) {
    std::vector<double> sums(shape.dim);
    for (auto const& head : variances)
        for (std::uint64_t rank = 0; rank < shape.dim; ++rank) sums[rank] += std::max(head[rank], 0.0);
    return energy_by_rank(sums);
}

Json median_of(std::vector<double> values) { return values.empty() ? Json() : Json(upper_median(std::move(values))); }

/// RMS of each token over the layer's heads.
std::vector<double> token_rms(std::span<HeadSums const> heads, KvShape const& shape) {
    std::vector<double> rms(shape.tokens);
    for (auto const& head : heads)
        for (std::uint64_t t = 0; t < shape.tokens; ++t) rms[t] += head.token_squares[t];
    for (auto& value : rms) value = std::sqrt(value / static_cast<double>(shape.heads * shape.dim));
    return rms;
}

}  // namespace

double upper_median(std::vector<double> values) {
    auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

Json layer_facts(std::span<HeadSums const> heads, std::span<std::vector<double> const> variances,
                 KvShape const& shape) {
    std::vector<double> channel_rms;
    std::vector<double> head_rms;
    std::vector<double> variance_ratios, moment_ratios, eigenvalue_ratios, ranks;
    double least = std::numeric_limits<double>::infinity();
    double most = -least;
    double squares = 0;
    std::uint64_t duplicates = 0;
    auto const per_head = static_cast<double>(shape.tokens * shape.dim);
    for (auto const& head : heads) {
        least = std::min(least, head.least);
        most = std::max(most, head.most);
        squares += head.squares;
        duplicates += head.duplicate_rows;
        head_rms.push_back(std::sqrt(head.squares / per_head));
        for (auto const square : head.channel_squares)
            channel_rms.push_back(std::sqrt(square / static_cast<double>(shape.tokens)));
        if (auto const spread = channel_variance_ratio(head, shape)) variance_ratios.push_back(*spread);
        if (auto const spread = channel_second_moment_ratio(head, shape)) moment_ratios.push_back(*spread);
    }
    for (auto const& head : variances) {
        if (auto const spread = eigenvalue_ratio(head)) eigenvalue_ratios.push_back(*spread);
        if (auto const rank = rank_of_energy(head, 0.9)) ranks.push_back(static_cast<double>(*rank));
    }
    auto const typical_channel = upper_median(channel_rms);
    auto const outliers =
        std::ranges::count_if(channel_rms, [&](double rms) { return rms > outlier_ratio * typical_channel; });
    auto const of_tokens = token_rms(heads, shape);
    auto const typical_token = upper_median(of_tokens);
    auto const sinks = std::ranges::count_if(of_tokens, [&](double rms) {
        return rms > outlier_ratio * typical_token || outlier_ratio * rms < typical_token;
    });
    return {{"rms", std::sqrt(squares / (per_head * static_cast<double>(shape.heads)))},
            {"min", least},
            {"max", most},
            {"channel_ratio", ratio(*std::ranges::max_element(channel_rms), typical_channel)},
            {"outlier_channels", outliers},
            {"variance_ratio", median_of(variance_ratios)},
            {"second_moment_ratio", median_of(moment_ratios)},
            {"pca_ratio", median_of(eigenvalue_ratios)},
            {"rank_90", median_of(ranks)},
            {"pca_energy", energy_of_heads(variances, shape)},
            {"mean_energy", mean_energy(heads, shape)},
            {"first_token", ratio(of_tokens.front(), typical_token)},
            {"sink_tokens", sinks},
            {"duplicate_rows", static_cast<double>(duplicates) / static_cast<double>(shape.vectors() / shape.layers)},
            {"head_rms", head_rms}};
}

}  // namespace kvstone
