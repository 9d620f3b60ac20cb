#include "harness/inspection/layer_facts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace kvstone {
namespace {

constexpr double outlier_ratio = 4;

Json ratio(double part, double whole) { return whole > 0 ? Json(part / whole) : Json(); }

/// The largest variance of a head's channels (about their means) over the least; nothing where a channel does not vary.
std::optional<double> variance_ratio(HeadSums const& head, KvShape const& shape) {
    auto const tokens = static_cast<double>(shape.tokens);
    double least = std::numeric_limits<double>::infinity();
    double most = 0;
    for (std::uint64_t c = 0; c < shape.dim; ++c) {
        auto const mean = head.channel_sums[c] / tokens;
        auto const variance = head.channel_squares[c] / tokens - mean * mean;
        least = std::min(least, variance);
        most = std::max(most, variance);
    }
    // Sums in double leave a few units of the last place of the mean square.
    return least > 1e-12 * most ? std::optional(most / least) : std::nullopt;
}

/// Of the sum of squares, what the channels' means alone would give.
double mean_energy(std::span<HeadSums const> heads, KvShape const& shape) {
    double of_means = 0;
    double squares = 0;
    for (auto const& head : heads) {
        for (auto const sum : head.channel_sums) of_means += sum * sum / static_cast<double>(shape.tokens);
        squares += head.squares;
    }
    return squares > 0 ? of_means / squares : 0;
}

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

Json layer_facts(std::span<HeadSums const> heads, KvShape const& shape) {
    std::vector<double> channel_rms;
    std::vector<double> head_rms;
    std::vector<double> variance_ratios;
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
        if (auto const spread = variance_ratio(head, shape)) variance_ratios.push_back(*spread);
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
            {"variance_ratio", variance_ratios.empty() ? Json() : Json(upper_median(variance_ratios))},
            {"mean_energy", mean_energy(heads, shape)},
            {"first_token", ratio(of_tokens.front(), typical_token)},
            {"sink_tokens", sinks},
            {"duplicate_rows", static_cast<double>(duplicates) / static_cast<double>(shape.vectors() / shape.layers)},
            {"head_rms", head_rms}};
}

}  // namespace kvstone
