#include "results/statistics/night_simulation.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

namespace kvstone {
namespace {

constexpr std::size_t most_delay = 60;
constexpr std::size_t week = 7;

std::size_t nights_before(NightRule const& rule) { return rule.most_good() + night_lengths.back(); }

std::vector<double> quiet(NightRule const& rule, NightSource const& night) {
    std::vector<double> nights(nights_before(rule));
    std::ranges::generate(nights, night);
    return nights;
}

}  // namespace

std::vector<NightNoise> night_noises() {
    return {{.name = "normal nights"},
            {.name = "heavy tails", .degrees = 2},
            {.name = "bad nights", .spikes = 0.01},
            {.name = "many bad nights", .spikes = 0.05},
            {.name = "loud nights", .deviation = 0.03},
            {.name = "lasting a while", .correlation = 0.7},
            {.name = "drift", .walk = 0.001},
            {.name = "strong drift", .walk = 0.003}};
}

NightSource nights_of(NightNoise const& noise, std::mt19937_64& random) {
    double level = 0, lasting = 0;
    // Quartiles of Student's t lie at 0.8165 for 2 degrees; of the normal distribution at 0.6745.
    double const scale = noise.degrees > 0 ? noise.deviation * 0.6745 / 0.8165 : noise.deviation;
    return [=, &random]() mutable {
        std::normal_distribution<double> normal;
        level += noise.walk * normal(random);
        double const fresh =
            noise.degrees > 0 ? std::student_t_distribution<double>(noise.degrees)(random) : normal(random);
        lasting = noise.correlation * lasting + std::sqrt(1 - noise.correlation * noise.correlation) * fresh;
        bool const bad = noise.spikes > 0 && std::bernoulli_distribution(noise.spikes)(random);
        return level + scale * lasting + (bad ? std::log1p(noise.height) : 0.0);
    };
}

NightSource nights_again(std::vector<double> stored, std::mt19937_64& random) {
    std::size_t at = 0, left = 0;
    return [stored = std::move(stored), at, left, &random]() mutable {
        if (left == 0) {
            at = random() % stored.size();
            left = week;
        }
        --left;
        return stored[at++ % stored.size()];
    };
}

Share alarmed_years(NightRule& rule, std::function<NightSource()> const& nights, std::uint64_t years) {
    Share alarmed{0, years};
    for (std::uint64_t year = 0; year < years; ++year) {
        auto const night = nights();
        auto series = quiet(rule, night);
        for (int i = 0; i < nights_per_year; ++i) {
            series.push_back(night());
            if (rule.alarm(series) == 0) continue;
            ++alarmed.found;
            break;
        }
    }
    return alarmed;
}

double most_family_alarms(Share const& years, std::size_t tests) {
    return std::min(1.0, static_cast<double>(tests) * years.upper_bound());
}

Delays delays_of(NightRule& rule, std::function<NightSource()> const& nights, double change, std::uint64_t trials) {
    Delays result{.trials = trials};
    std::vector<std::size_t> delays;
    for (std::uint64_t trial = 0; trial < trials; ++trial) {
        auto const night = nights();
        auto series = quiet(rule, night);
        for (std::size_t delay = 1; delay <= most_delay; ++delay) {
            series.push_back(night() + std::log1p(change));
            if (rule.alarm(series) == 0) continue;
            delays.push_back(delay);
            break;
        }
    }
    std::ranges::sort(delays);
    result.found = delays.size();
    auto const at = [&](double share) {
        auto const place = static_cast<std::size_t>(std::ceil(share * static_cast<double>(trials)));
        return place >= 1 && place <= delays.size() ? delays[place - 1] : 0;
    };
    result.median = at(0.5);
    result.nine_of_ten = at(0.9);
    return result;
}

}  // namespace kvstone
