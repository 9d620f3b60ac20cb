#include "harness/workloads/attention/attention_figures.hpp"

#include <algorithm>
#include <cmath>

namespace kvstone {
namespace {

double output_error(QueryComparison const& query) {
    if (query.output_error_squares == 0) return 0;
    return query.output_squares == 0 ? 1 : std::sqrt(query.output_error_squares / query.output_squares);
}

double mean(std::vector<double> const& values) {
    double sum = 0;
    for (auto const value : values) sum += value;
    return sum / static_cast<double>(values.size());
}

/// The least value with at least 99.9% of all at or below it.
double p999(std::vector<double> values) {
    auto const rank = static_cast<std::size_t>(std::ceil(0.999 * static_cast<double>(values.size())));
    auto const place = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
    std::ranges::nth_element(values, place);
    return *place;
}

}  // namespace

AttentionSummary summarise_attention(std::vector<QueryComparison> const& queries) {
    AttentionSummary summary;
    if (queries.empty()) return summary;
    double error_squares = 0, squares = 0;
    std::vector<double> kl, output, lost, mass;
    for (auto const& query : queries) {
        error_squares += query.logit_error_squares * (query.tokens / (query.tokens - query.tokens_dropped));
        squares += query.logit_squares;
        kl.push_back(query.kl);
        output.push_back(output_error(query));
        lost.push_back(1 - query.top_shared);
        mass.push_back(query.mass_kept);
    }
    if (error_squares == 0)
        summary.logit_error = 0;
    else if (squares > 0)
        summary.logit_error = std::sqrt(error_squares / squares);
    summary.kl = mean(kl);
    summary.kl_p999 = p999(kl);
    summary.output_error = mean(output);
    summary.output_error_p999 = p999(output);
    summary.mass_kept = mean(mass);
    summary.top8_overlap = 1 - mean(lost);
    summary.top8_overlap_p001 = 1 - p999(lost);
    return summary;
}

void add_attention_figures(std::vector<QueryComparison> const& results, std::uint64_t layers, std::uint64_t heads,
                           bool drops, Measurement& measurement) {
    auto const all = summarise_attention(results);
    auto const add = [&](char const* metric, std::optional<double> value) {
        if (value && !std::isfinite(*value)) value.reset();
        measurement.figures.push_back({"kv", metric, value, results.size(), {}, {}});
    };
    add("attention_logit_error", all.logit_error);
    if (drops) add("attention_mass_kept", all.mass_kept);
    if (!drops || !all.kl || std::isfinite(*all.kl)) {
        add("attention_kl", all.kl);
        add("attention_kl_p999", all.kl_p999);
    }
    add("attention_output_error", all.output_error);
    add("attention_output_error_p999", all.output_error_p999);
    add("attention_top8_overlap", all.top8_overlap);
    add("attention_top8_overlap_p001", all.top8_overlap_p001);
    auto const queries = results.size() / std::max<std::uint64_t>(1, layers * heads);
    for (std::uint64_t group = 0; group < layers * heads; ++group) {
        auto const first = results.begin() + static_cast<std::ptrdiff_t>(group * queries);
        auto const head = summarise_attention({first, first + static_cast<std::ptrdiff_t>(queries)});
        auto const profile = [&](char const* metric, std::optional<double> value) {
            if (value && std::isfinite(*value))
                measurement.profiles.push_back(
                    {"kv", metric, static_cast<int>(group / heads), static_cast<int>(group % heads), -1, *value});
        };
        profile("attention_logit_error", head.logit_error);
        profile("attention_kl", head.kl);
        if (drops) profile("attention_mass_kept", head.mass_kept);
        profile("attention_output_error", head.output_error);
        profile("attention_top8_overlap", head.top8_overlap);
    }
}

}  // namespace kvstone
