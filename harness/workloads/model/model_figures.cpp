#include "harness/workloads/model/model_figures.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>

#include "harness/workloads/figure_writer.hpp"
#include "results/statistics/bootstrap.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_bins = 64;
/// A token's answer is damaged from here on, nat; and sure beyond here.
constexpr double large_kld = 0.1;
constexpr double sure_probability = 0.9;
/// Fewer tokens have no value beyond 99.9% of them.
constexpr std::uint64_t tokens_for_p999 = 1000;
/// A bin of a profile has a 99th percentile from so many tokens on.
constexpr std::uint64_t tokens_for_p99 = 100;

/// Passages as a statistic sees them, some of them perhaps more than once.
using Chosen = std::vector<PassageScores const*>;
using Statistic = std::function<double(Chosen const&)>;

/// The 95% interval of a statistic over passages drawn anew, as many as there are.
std::optional<Interval> bootstrap(Chosen const& all, Statistic const& statistic) {
    if (all.size() < 2) return std::nullopt;
    Chosen drawn(all.size());
    return bootstrap_interval([&](std::mt19937_64& random) {
        for (auto& one : drawn) one = all[random() % all.size()];
        return statistic(drawn);
    });
}

/// A mean over tokens of some kind.
template <class OfKind, class Value>
double mean_of(Chosen const& chosen, OfKind const& of_kind, Value const& value) {
    double sum = 0;
    double count = 0;
    for (auto const* passage : chosen) {
        for (auto const& token : passage->tokens) {
            if (!of_kind(token)) continue;
            sum += value(token);
            count += 1;
        }
    }
    return sum / count;
}

template <class Value>
double mean(Chosen const& chosen, Value const& value) {
    return mean_of(chosen, [](TokenScore const&) { return true; }, value);
}

/// The value below which a share of all tokens' KLD lies, by nearest rank.
double kld_quantile(Chosen const& chosen, double share) {
    std::vector<double> values;
    for (auto const* passage : chosen)
        for (auto const& token : passage->tokens) values.push_back(token.kld);
    auto const rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    auto const place = values.begin() + static_cast<std::ptrdiff_t>(rank == 0 ? 0 : rank - 1);
    std::ranges::nth_element(values, place);
    return *place;
}

double mean_nll(Chosen const& chosen) {
    return mean(chosen, [](TokenScore const& token) { return token.nll; });
}
double mean_baseline_nll(Chosen const& chosen) {
    return mean(chosen, [](TokenScore const& token) { return token.baseline_nll; });
}
double mean_kld(Chosen const& chosen) {
    return mean(chosen, [](TokenScore const& token) { return token.kld; });
}
double agreement(Chosen const& chosen) {
    return mean(chosen, [](TokenScore const& token) { return token.same_top ? 1.0 : 0.0; });
}

double large_kld_share(Chosen const& chosen) {
    return mean(chosen, [](TokenScore const& token) { return token.kld > large_kld ? 1.0 : 0.0; });
}

bool is_sure(TokenScore const& token) { return token.baseline_top_probability > sure_probability; }
double flip(TokenScore const& token) { return token.same_top ? 0.0 : 1.0; }

/// Adds a mean over tokens of some kind, if there are any. An interval needs some in each passage: passages drawn anew might
/// have none.
template <class OfKind, class Value>
void add_mean_of(FigureWriter& figures, Chosen const& all, std::string const& metric, OfKind const& of_kind,
                 Value const& value) {
    std::uint64_t count = 0;
    bool everywhere = true;
    for (auto const* passage : all) {
        auto const here = static_cast<std::uint64_t>(std::ranges::count_if(passage->tokens, of_kind));
        count += here;
        everywhere = everywhere && here > 0;
    }
    if (count == 0) return;
    Statistic const statistic = [&](Chosen const& chosen) { return mean_of(chosen, of_kind, value); };
    figures.add(metric, statistic(all), count, everywhere ? bootstrap(all, statistic) : std::nullopt);
}

void add_means_by_kind(FigureWriter& figures, Chosen const& all) {
    add_mean_of(figures, all, "sure_top1_flips", is_sure, flip);
    std::pair<char const*, TokenKind> const kinds[]{{"kld_mean_digits", TokenKind::digits},
                                                    {"kld_mean_punctuation", TokenKind::punctuation},
                                                    {"kld_mean_rare", TokenKind::rare}};
    for (auto const& [metric, kind] : kinds)
        add_mean_of(
            figures, all, metric, [kind](TokenScore const& token) { return token.kind == kind; },
            [](TokenScore const& token) { return token.kld; });
}

double standard_error_of_nll(Chosen const& chosen, double mean_value) {
    auto const variance =
        mean(chosen, [&](TokenScore const& token) { return (token.nll - mean_value) * (token.nll - mean_value); });
    double tokens = 0;
    for (auto const* passage : chosen) tokens += static_cast<double>(passage->tokens.size());
    return tokens > 1 ? std::sqrt(variance / (tokens - 1)) : 0;
}

void add_profiles(Chosen const& all, Measurement& measurement) {
    std::uint64_t least = UINT64_MAX;
    std::uint64_t most = 0;
    for (auto const* passage : all) {
        for (auto const& token : passage->tokens) {
            least = std::min(least, token.position);
            most = std::max(most, token.position);
        }
    }
    auto const width = (most - least) / most_bins + 1;
    std::map<std::uint64_t, PassageScores> bins;
    for (auto const* passage : all)
        for (auto const& token : passage->tokens)
            bins[least + (token.position - least) / width * width].tokens.push_back(token);
    for (auto const& [position, bin] : bins) {
        auto const add = [&](char const* metric, double value) {
            measurement.profiles.push_back({"kv", metric, -1, -1, static_cast<std::int64_t>(position), value});
        };
        add("ppl", std::exp(mean_nll({&bin})));
        add("kld_mean", mean_kld({&bin}));
        if (bin.tokens.size() >= tokens_for_p99) add("kld_p99", kld_quantile({&bin}, 0.99));
        add("kld_max", kld_quantile({&bin}, 1));
        add("large_kld_share", large_kld_share({&bin}));
        add("top1_agreement", agreement({&bin}));
        if (std::ranges::any_of(bin.tokens, is_sure)) add("sure_top1_flips", mean_of({&bin}, is_sure, flip));
    }
}

Chosen chosen_of(std::vector<PassageScores> const& passages) {
    Chosen all;
    for (auto const& passage : passages) all.push_back(&passage);
    return all;
}

void add_component(std::string const& component, std::vector<CacheBytes> const& caches, Measurement& measurement) {
    FigureWriter figures(measurement, component);
    ByteLedger ledger;
    std::uint64_t values = 0;
    std::uint64_t held_bytes = 0;
    double nominal_bits = 0;
    double kept_values = 0;
    bool held = true;
    for (auto const& cache : caches) {
        ledger += cache.ledger;
        values += cache.shape.values();
        nominal_bits += cache.nominal_bits_per_value * static_cast<double>(cache.shape.values());
        kept_values += cache.kept_share.value_or(1) * static_cast<double>(cache.shape.values());
        held = held && cache.held_bytes.has_value();
        held_bytes += cache.held_bytes.value_or(0);
    }
    auto const count = static_cast<double>(values);
    add_bytes(figures, ledger, values * sizeof(float), values, nominal_bits / count);
    if (!caches.empty() && component != "kv") {
        figures.add_count("cache_layers", caches.front().shape.layers);
        figures.add_count("cache_heads", caches.front().shape.heads);
        figures.add_count("cache_head_dim", caches.front().shape.dim);
    }
    if (component == "kv" && !caches.empty() && caches.front().kept_share)
        figures.add("kept_share", kept_values / count);
    if (held) figures.add("append_bits_per_value", 8 * static_cast<double>(held_bytes) / count);
}

}  // namespace

void add_score_figures(std::vector<PassageScores> const& passages, Measurement& measurement) {
    auto const all = chosen_of(passages);
    std::uint64_t tokens = 0;
    for (auto const& passage : passages) tokens += passage.tokens.size();
    FigureWriter figures(measurement, "kv");
    auto const add = [&](std::string const& metric, Statistic const& statistic) {
        figures.add(metric, statistic(all), tokens, bootstrap(all, statistic));
    };
    auto const ppl = [](Chosen const& chosen) { return std::exp(mean_nll(chosen)); };
    add("ppl", ppl);
    figures.add("ppl_standard_error", ppl(all) * standard_error_of_nll(all, mean_nll(all)), tokens, {});
    add("baseline_ppl", [](Chosen const& chosen) { return std::exp(mean_baseline_nll(chosen)); });
    add("ppl_delta_percent",
        [](Chosen const& chosen) { return 100 * std::expm1(mean_nll(chosen) - mean_baseline_nll(chosen)); });
    add("kld_mean", mean_kld);
    add("kld_median", [](Chosen const& chosen) { return kld_quantile(chosen, 0.5); });
    add("kld_p99", [](Chosen const& chosen) { return kld_quantile(chosen, 0.99); });
    if (tokens >= tokens_for_p999) add("kld_p999", [](Chosen const& chosen) { return kld_quantile(chosen, 0.999); });
    add("kld_max", [](Chosen const& chosen) { return kld_quantile(chosen, 1); });
    add("large_kld_share", large_kld_share);
    add("top1_agreement", agreement);
    add_means_by_kind(figures, all);
    add("compressed_read_fraction",
        [](Chosen const& chosen) { return mean(chosen, [](TokenScore const& token) { return token.read_fraction; }); });
    figures.add_count("passages", all.size());
    add_profiles(all, measurement);
}

std::uint64_t first_divergence(GreedyPair const& pair) {
    auto const differing = std::ranges::mismatch(pair.baseline, pair.tokens);
    return static_cast<std::uint64_t>(differing.in1 - pair.baseline.begin());
}

void add_greedy_figures(std::vector<PassageScores> const& passages, Measurement& measurement) {
    if (passages.empty() || !passages.front().greedy) return;
    auto const all = chosen_of(passages);
    FigureWriter figures(measurement, "kv");
    auto const add = [&](std::string const& metric, auto const& of_pair) {
        Statistic const statistic = [&](Chosen const& chosen) {
            double sum = 0;
            for (auto const* passage : chosen) sum += of_pair(*passage->greedy);
            return sum / static_cast<double>(chosen.size());
        };
        figures.add(metric, statistic(all), all.size(), bootstrap(all, statistic));
    };
    add("first_divergence_token", [](GreedyPair const& pair) { return static_cast<double>(first_divergence(pair)); });
    add("exact_match", [](GreedyPair const& pair) { return pair.baseline == pair.tokens ? 1.0 : 0.0; });
}

void add_cache_figures(std::vector<CacheBytes> const& k, std::vector<CacheBytes> const& v, Measurement& measurement) {
    auto both = k;
    both.insert(both.end(), v.begin(), v.end());
    add_component("k", k, measurement);
    add_component("v", v, measurement);
    add_component("kv", both, measurement);
}

void add_cache_figures(std::vector<PassageScores> const& passages, Measurement& measurement) {
    std::vector<CacheBytes> k, v;
    for (auto const& passage : passages) {
        k.push_back(passage.k);
        v.push_back(passage.v);
    }
    add_cache_figures(k, v, measurement);
}

void add_rate_figures(std::vector<PassageScores> const& passages, Measurement& measurement) {
    auto const add = [&](std::string const& metric, double PassageScores::* rate) {
        std::vector<double> rates;
        for (auto const& passage : passages)
            if (passage.*rate > 0) rates.push_back(passage.*rate);
        if (rates.empty()) return;
        FigureWriter(measurement, "kv").add(metric, median(rates), rates.size(), median_interval(rates));
        measurement.samples.push_back({"kv", metric, rates});
    };
    add("prefill_tokens_per_s", &PassageScores::context_tokens_per_s);
    add("decode_tokens_per_s", &PassageScores::greedy_tokens_per_s);
    add("prefill_tokens_per_joule", &PassageScores::context_tokens_per_joule);
    add("decode_tokens_per_joule", &PassageScores::greedy_tokens_per_joule);
}

}  // namespace kvstone
