#include "results/verdict/calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <random>

#include <fmt/format.h>

#include "results/statistics/share.hpp"

namespace kvstone {
namespace {

struct Test {
    TwoStage phases;
    std::vector<double> blocks;
    double detectable = 0;
};

bool found(Test const& test, double slowdown, std::mt19937_64& random) {
    auto const draw = [&](int count) {
        std::vector<double> drawn;
        for (int i = 0; i < count; ++i)
            drawn.push_back(test.blocks[random() % test.blocks.size()] + std::log1p(slowdown));
        return drawn;
    };
    return suspected(test.phases, draw(test.phases.screen_blocks)) &&
           confirmed(test.phases, draw(test.phases.confirm_blocks));
}

/// Of tests whose builds differ by `injected` already, and by `slowdown` beyond it.
Json slowed(std::vector<Test> const& tests, double injected, double slowdown, int campaigns, std::mt19937_64& random) {
    Share all, promised;
    for (auto const& test : tests)
        for (int campaign = 0; campaign < campaigns; ++campaign) {
            auto const seen = found(test, slowdown, random) ? 1U : 0U;
            all.found += seen;
            ++all.trials;
            if (test.detectable > (1 + injected) * (1 + slowdown) - 1) continue;
            promised.found += seen;
            ++promised.trials;
        }
    return {{"factor", (1 + injected) * (1 + slowdown)},
            {"injected", injected > 0},
            {"found", all.found},
            {"trials", all.trials},
            {"lower", all.lower_bound()},
            {"promised_found", promised.found},
            {"promised_trials", promised.trials},
            {"promised_lower", promised.trials > 0 ? Json(promised.lower_bound()) : Json()}};
}

}  // namespace

Json calibrated(GateRecord const& record, int campaigns, std::uint64_t seed) {
    auto const& evidence = record.evidence;
    auto const rules = rules_of(record.policy);
    auto const injected = record.settings.value("slow_down", std::map<std::string, double>());
    std::map<double, std::vector<Test>> tests_by_factor;
    std::size_t fewest = SIZE_MAX;
    for (auto const& timing : timing_tests(rules, *evidence.base, evidence.head)) {
        auto const& rule = rules[timing.rule];
        Test test{phases_of(record.policy, rule, evidence),
                  block_effects(evidence.attempts, timing.cell->cell.id, "confirm", rule.metric, timing.component), 0};
        if (test.blocks.empty()) continue;
        test.detectable = detectable_slowdown(test.phases, test.blocks);
        fewest = std::min(fewest, test.blocks.size());
        auto const slow = injected.find(timing.cell->cell.id);
        tests_by_factor[slow == injected.end() ? 1 : slow->second].push_back(std::move(test));
    }
    auto const tests = tests_by_factor[1];
    tests_by_factor.erase(1);
    Json result{{"campaigns", campaigns}, {"tests", tests.size()}, {"seed", seed}, {"slowed", Json::array()}};
    std::mt19937_64 random(seed);
    for (auto const& [factor, slow] : tests_by_factor)
        result["slowed"].push_back(slowed(slow, factor - 1, 0, campaigns, random));
    if (tests.empty()) return result;
    Share failed;
    for (failed.trials = 0; failed.trials < static_cast<std::uint64_t>(campaigns); ++failed.trials)
        failed.found +=
            std::ranges::count_if(tests, [&](Test const& test) { return found(test, 0, random); }) > 0 ? 1U : 0U;
    std::vector<double> detectable;
    for (auto const& test : tests) detectable.push_back(test.detectable);
    std::ranges::sort(detectable);
    auto const finite = [](double value) { return std::isfinite(value) ? Json(value) : Json(); };
    result["failed"] = failed.found;
    result["failed_upper"] = failed.upper_bound();
    result["blocks"] = fewest;
    result["detectable_median"] = finite(detectable[detectable.size() / 2]);
    result["detectable_most"] = finite(detectable.back());
    for (double const slowdown : {0.05, 0.10})
        result["slowed"].push_back(slowed(tests, 0, slowdown, campaigns, random));
    return result;
}

std::string calibration_text(Json const& calibration) {
    auto const& slowed = calibration.at("slowed");
    bool const compared = calibration.contains("failed");
    if (!compared && slowed.empty()) return "no timing was measured\n";
    auto const percent = [](Json const& value) {
        return value.is_null() ? std::string("-") : fmt::format("{:.1f}%", 100 * value.get<double>());
    };
    auto const count = [](Json const& value) { return value.get<std::uint64_t>(); };
    std::string text;
    if (compared) {
        text += fmt::format(
            "{} tests, {} blocks each; {} of {} resampled campaigns of one build against itself fail (at most "
            "{:.2f}%)\n",
            count(calibration["tests"]), count(calibration["blocks"]), count(calibration["failed"]),
            count(calibration["campaigns"]), 100 * calibration["failed_upper"].get<double>());
        text += fmt::format("slow-downs found in 90% of repetitions: {} at the median test, {} at the noisiest\n",
                            percent(calibration["detectable_median"]), percent(calibration["detectable_most"]));
    }
    for (auto const& slow : slowed)
        text += fmt::format(
            "slowed {:.2f} times {}: found in {} of {} (at least {}); where the detectable effect promises it {} of {} "
            "(at "
            "least {})\n",
            slow["factor"].get<double>(), slow["injected"].get<bool>() ? "in earnest" : "by calculation",
            count(slow["found"]), count(slow["trials"]), percent(slow["lower"]), count(slow["promised_found"]),
            count(slow["promised_trials"]), percent(slow["promised_lower"]));
    return text;
}

}  // namespace kvstone
