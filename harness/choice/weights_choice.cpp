#include "harness/choice/weights_choice.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "codecs/from_outside.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

WeightedPair pair_of(WeightsFile const& file, Candidate const& candidate, WeightsQuestion const& question) {
    WeightedPair pair{.weights = file.name, .path = file.path, .shape = file.shape, .candidate = candidate};
    auto judged = judge(candidate, question.bounds);
    pair.meets = judged.meets;
    pair.why_not = std::move(judged.why_not);
    pair.compute_bytes = candidate.compute_bytes.value_or(0);
    if (!pair.why_not.empty()) return pair;
    if (!candidate.weights_bytes) {
        pair.why_not = "measured before rows had weights_bytes: measure again";
        return pair;
    }
    pair.weights_bytes = *candidate.weights_bytes;
    try {
        auto const bytes = bytes_of_sequence(candidate, file.shape, question.context);
        pair.cache_bytes = question.sequences * bytes.bytes();
        pair.exact = bytes.exact;
    } catch (ConfigError const& error) {
        pair.why_not = error.what();
    }
    return pair;
}

/// Marks the front of pairs in the order of their bytes.
void mark_front(std::vector<WeightedPair>& pairs) {
    auto least = std::numeric_limits<double>::infinity();
    for (auto& pair : pairs) {
        if (!pair.meets || !pair.why_not.empty() || !(pair.candidate.kld.value < least)) continue;
        pair.on_front = true;
        least = pair.candidate.kld.value;
    }
}

/// The pair of the least KLD among those that meet the bounds and fit, `without` aside.
std::optional<std::size_t> best_of(WeightsChoice const& choice, std::optional<std::size_t> without) {
    auto const memory = choice.question.memory_bytes.value_or(std::numeric_limits<std::uint64_t>::max());
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < choice.pairs.size(); ++i) {
        auto const& pair = choice.pairs[i];
        if (i == without || !pair.meets || !pair.why_not.empty() || pair.total_bytes() > memory) continue;
        if (!best || pair.candidate.kld.value < choice.pairs[*best].candidate.kld.value) best = i;
    }
    return best;
}

bool is_quantised(std::string const& type) { return type != "f32" && type != "f16" && type != "bf16" && type != "?"; }

void add_warnings(WeightsChoice& choice) {
    auto const& any = choice.pairs.front().candidate;
    auto const context = choice.question.context;
    if (any.context != context)
        choice.warnings.push_back(
            fmt::format("EXTRAPOLATED: KLD and the engine's buffers were measured with contexts of {} tokens, not {}: "
                        "those of other lengths "
                        "cannot be computed from them",
                        any.context, context));
    add_doubts(choice.warnings, any, choice.pairs.front().shape, context, choice.question.bounds);
    if (!choice.reference)
        choice.warnings.push_back(fmt::format(
            "KLD is the distance from a model that is none of these files (SHA-256 {})", any.reference_sha256));
    else if (auto const& type = choice.reference->type; is_quantised(type))
        choice.warnings.push_back(
            fmt::format("KLD is the distance from {}, whose weights are in {} themselves: the loss that they have "
                        "against the weights they were made of is in none of these figures",
                        choice.reference->name, type));
    std::set<std::string> notes;
    for (auto const& pair : choice.pairs)
        if (!pair.shape.note.empty() && notes.insert(pair.shape.note).second)
            choice.warnings.push_back(pair.shape.note);
    if (!choice.chosen) return;
    auto const& chosen = choice.pairs[*choice.chosen];
    if (!chosen.exact) choice.warnings.push_back(doubt_of_bytes(chosen.candidate));
    add_task_doubts(choice.warnings, chosen.candidate, choice.question.bounds);
    if (drops_tokens(chosen.candidate) && !bounds_tasks(chosen.candidate, choice.question.bounds))
        choice.warnings.emplace_back(doubt_of_dropping);
    if (chosen.compute_bytes != 0 && !is_engine_cache(chosen.candidate.codec))
        choice.warnings.emplace_back(
            "the engine's buffers are those of attention without flash attention, as rows of this "
            "program's own codecs run: with it they are smaller");
    if (chosen.compute_bytes == 0)
        choice.warnings.emplace_back("the engine's buffers are not counted: its rows do not tell them");
    if (choice.runner_up && overlap(chosen.candidate.kld, choice.pairs[*choice.runner_up].candidate.kld))
        choice.warnings.emplace_back(
            "the intervals of the first two overlap: these rows cannot tell which of them is better");
}

}  // namespace

bool overlap(Estimate const& one, Estimate const& other) {
    auto const low = [](Estimate const& figure) { return figure.low.value_or(figure.value); };
    auto const high = [](Estimate const& figure) { return figure.high.value_or(figure.value); };
    return low(one) <= high(other) && low(other) <= high(one);
}

WeightsChoice choose_weights(WeightsQuestion const& question, std::vector<WeightsFile> const& files,
                             std::string const& protocol) {
    // Rows of all files by what they were measured on, the weights aside.
    std::vector<Candidate> all;
    for (auto const& file : files) {
        for (auto candidate : file.candidates) {
            candidate.setting = candidate.measure;
            all.push_back(std::move(candidate));
        }
    }
    WeightsChoice choice{
        .question = question, .pairs = {}, .warnings = {}, .reference = {}, .chosen = {}, .runner_up = {}};
    std::set<std::string> measured;
    for (auto const& candidate : comparable(all, protocol, question.context)) {
        auto const file = std::ranges::find_if(files, [&](WeightsFile const& one) {
            return !one.candidates.empty() && one.candidates.front().sha256 == candidate.sha256;
        });
        choice.pairs.push_back(pair_of(*file, candidate, question));
        measured.insert(candidate.sha256);
        auto const reference = std::ranges::find_if(files, [&](WeightsFile const& one) {
            return !one.candidates.empty() && one.candidates.front().sha256 == candidate.reference_sha256;
        });
        if (reference != files.end()) choice.reference = *reference;
    }
    std::ranges::stable_sort(choice.pairs, {}, [](WeightedPair const& pair) {
        return std::tuple(!pair.why_not.empty(), pair.total_bytes(), pair.candidate.kld.value);
    });
    mark_front(choice.pairs);
    choice.chosen = best_of(choice, {});
    if (choice.chosen) choice.runner_up = best_of(choice, choice.chosen);
    for (auto const& file : files)
        if (file.candidates.empty() || !measured.contains(file.candidates.front().sha256))
            choice.warnings.push_back(
                fmt::format("{} was not measured on this reference, text and protocol", file.name));
    add_warnings(choice);
    return choice;
}

}  // namespace kvstone
