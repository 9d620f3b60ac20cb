// A gate's policy, a part of which was replaced: it is understood, rules and all, with numbers that mean something, or it
// is a ConfigError.

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "results/verdict/rule.hpp"
#include "tests/fuzz/spliced.hpp"

namespace kvstone {
namespace {

constexpr char const* good_policy =
    "gate: 1\nname: night\nbase: main\nscenario: quickstart\nonly: [int8]\n"
    "build: {command: make, program: bin/kvstone}\nerror_budget: 1%\nmargin: 2%\ninconclusive: warn\n"
    "require: [{codec: int8}]\n"
    "rules:\n"
    "  - bits_per_value <= 1.05 * nominal_bits_per_value\n"
    "  - {name: fast, rule: decode_ns no worse than 5%, match: {context: [512, 32k]}, except: {codec: raw}, level: "
    "warn}\n"
    "  - {rule: encode_ns <= 3e6 ns, component: k}\n"
    "joint: [{gain: decode_ns, by: 5%, not_with: [relative_error_l1], tolerance: 0.1%}]\n"
    "waivers: [{rule: fast, match: {batch: 1}, until: 2026-12-31, reason: known}]\n";

bool is_share(double value, double below) { return value >= 0 && value < below; }

}  // namespace
}  // namespace kvstone

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace kvstone;
    try {
        auto const policy = parse_policy(spliced(good_policy, data, size), "fuzz.yaml");
        auto const rules = rules_of(policy);
        bool good = rules.size() == policy.rules.size() && policy.error_budget > 0 &&
                    is_share(policy.error_budget, 1) && is_share(policy.margin, 1);
        for (auto const& rule : rules) good = good && is_share(rule.worse_by, 100) && std::isfinite(rule.bound.bound);
        for (auto const& rule : policy.joint) good = good && is_share(rule.by, 1) && is_share(rule.tolerance, 1);
        if (!good || metrics_of(policy, rules).empty()) std::abort();
    } catch (ConfigError const&) {
        if (size < least_altering) throw;
    }
    return 0;
}
