#include "results/verdict/calibration.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include "results/statistics/share.hpp"

namespace kvstone {
namespace {

struct Test {
    TwoStage stages;
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
    return suspected(test.stages, draw(test.stages.screen_blocks)) &&
           confirmed(test.stages, draw(test.stages.confirm_blocks));
}

Json slowed(std::vector<Test> const& tests, double slowdown, int campaigns, std::mt19937_64& random) {
    Share all, promised;
    for (auto const& test : tests)
        for (int campaign = 0; campaign < campaigns; ++campaign) {
            auto const seen = found(test, slowdown, random) ? 1U : 0U;
            all.found += seen;
            ++all.trials;
            if (test.detectable > slowdown) continue;
            promised.found += seen;
            ++promised.trials;
        }
    return {{"factor", 1 + slowdown},
            {"found", all.found},
            {"trials", all.trials},
            {"lower", all.lower_bound()},
            {"promised_found", promised.found},
            {"promised_trials", promised.trials},
            {"promised_lower", promised.trials > 0 ? Json(promised.lower_bound()) : Json()}};
}

}  // namespace

Json calibrated(GatePolicy const& policy, std::vector<PolicyRule> const& rules, Evidence const& evidence, int campaigns,
                std::uint64_t seed) {
    std::vector<Test> tests;
    std::size_t fewest = SIZE_MAX;
    for (auto const& timing : timing_tests(rules, evidence.head)) {
        auto const& rule = rules[timing.rule];
        Test test{stages_of(policy, rule, evidence.tests),
                  block_effects(evidence.attempts, timing.cell->cell.id, "confirm", rule.metric, timing.component), 0};
        if (test.blocks.empty()) continue;
        test.detectable = detectable_slowdown(test.stages, test.blocks);
        fewest = std::min(fewest, test.blocks.size());
        tests.push_back(std::move(test));
    }
    Json result{{"campaigns", campaigns}, {"tests", tests.size()}, {"seed", seed}};
    if (tests.empty()) return result;
    std::mt19937_64 random(seed);
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
    for (double const slowdown : {0.05, 0.10}) result["slowed"].push_back(slowed(tests, slowdown, campaigns, random));
    return result;
}

}  // namespace kvstone
