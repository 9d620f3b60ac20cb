#include "harness/choice/choice.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "codecs/container/tensor_codec.hpp"
#include "codecs/from_outside.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t bytes_of_half = 2;
/// So many tokens beyond a percentile bear an interval that may be believed.
constexpr std::uint64_t tokens_beyond = 10;

KvShape shape_of(CacheShape const& shape, Component component, std::uint64_t tokens) {
    return {shape.layers, shape.kv_heads, tokens, component == Component::k ? shape.k_dim : shape.v_dim};
}

std::uint64_t values_of(CacheShape const& shape, std::uint64_t tokens) {
    return shape_of(shape, Component::k, tokens).values() + shape_of(shape, Component::v, tokens).values();
}

Choosable choosable(Candidate const& candidate, Question const& question, CacheShape const& shape) {
    Choosable one{candidate, {}, false, why_left_out(candidate)};
    if (!one.why_not.empty()) return one;
    try {
        one.bytes = bytes_of_sequence(candidate, shape, question.context);
    } catch (ConfigError const& error) {
        one.why_not = error.what();
        return one;
    }
    auto judged = judge(candidate, question.bounds);
    one.meets = judged.meets;
    one.why_not = std::move(judged.why_not);
    return one;
}

void add_warnings(Choice& choice) {
    auto const& question = choice.question;
    auto const& any = choice.codecs.front().candidate;
    if (any.context != question.context)
        choice.warnings.push_back(
            fmt::format("EXTRAPOLATED: the KLD was measured with contexts of {} tokens, not {}: the KLD "
                        "of other lengths cannot be computed from it",
                        any.context, question.context));
    add_doubts(choice.warnings, any, choice.shape, question.context, question.bounds);
    if (!choice.shape.note.empty()) choice.warnings.push_back(choice.shape.note);
    if (auto const* const chosen = choice.chosen()) {
        if (!chosen->candidate.reason.empty()) choice.warnings.push_back(chosen->candidate.reason);
        add_task_doubts(choice.warnings, chosen->candidate, question.bounds);
        if (!chosen->bytes->exact) choice.warnings.push_back(doubt_of_bytes(chosen->candidate));
        if (drops_tokens(chosen->candidate)) {
            if (!bounds_tasks(chosen->candidate, question.bounds)) choice.warnings.emplace_back(doubt_of_dropping);
            if (question.budget_bytes)
                choice.warnings.emplace_back(
                    "which tokens stay depends on the whole prompt: prompts that begin alike cannot share such blocks");
        }
    }
}

}  // namespace

CodecBytes bytes_of_sequence(Candidate const& candidate, CacheShape const& shape, std::uint64_t tokens) {
    // The output size of entropy stages cannot be known without the values, and that of a codec of a scenario not here.
    auto const measured = [&]() -> CodecBytes {
        auto const bits = candidate.bits_per_value.value_or(0) * static_cast<double>(values_of(shape, tokens));
        return {static_cast<std::uint64_t>(bits / 8), 0, false};
    };
    if (is_of_scenario(candidate.codec)) return measured();
    auto const codec = Codec::parse(candidate.codec);
    auto const planned = [&](Component component) {
        return TensorCodec(codec, component, shape_of(shape, component, tokens), ElementType::f16, BackendKind::openmp)
            .planned();
    };
    // A mask is not planned: see SelectedCodec.
    if (codec.selection()) return measured();
    auto const k = planned(Component::k);
    auto const v = planned(Component::v);
    if (k.exact && v.exact) return {k.ledger.stored_bytes(), v.ledger.stored_bytes(), true};
    return measured();
}

bool drops_tokens(Candidate const& candidate) {
    return !is_of_scenario(candidate.codec) && Codec::parse(candidate.codec).selection();
}

std::string doubt_of_bytes(Candidate const& candidate) {
    auto const* const why = is_declared(candidate.codec)      ? "were declared with values decoded elsewhere"
                            : is_of_scenario(candidate.codec) ? "are those of a codec that its scenario alone can run"
                                                              : "depend on the values";
    return fmt::format("the cache's bytes {}: they are the measured bits per value over the values of this context",
                       why);
}

void add_doubts(std::vector<std::string>& warnings, Candidate const& any, CacheShape const& shape,
                std::uint64_t context, Bounds const& bounds) {
    if (shape.trained_tokens != 0 && context > shape.trained_tokens)
        warnings.push_back(
            fmt::format("the model was trained on contexts of {} tokens, not {}", shape.trained_tokens, context));
    if (any.passages)
        if (auto doubt = doubt_of_passages(*any.passages); !doubt.empty()) warnings.push_back(std::move(doubt));
    auto const bounded = [&](char const* metric) {
        return std::ranges::find(bounds.others, metric, &Constraint::metric) != bounds.others.end();
    };
    for (auto const& [metric, one_in] : {std::pair{"kld_p99", 100U}, {"kld_p999", 1000U}})
        if (auto const beyond = any.scored_tokens / one_in; bounded(metric) && beyond < tokens_beyond)
            warnings.push_back(fmt::format(
                "{} has {} of {} scored tokens beyond it: its interval ends at the largest that were seen; score {} or "
                "more",
                metric, beyond, any.scored_tokens, tokens_beyond * one_in));
    if (bounded("kld_max"))
        warnings.emplace_back("kld_max is the largest KLD that was seen: a longer text has larger ones");
}

std::string why_left_out(Candidate const& candidate) {
    return candidate.reason.starts_with(candidate.left_out + ":") ? candidate.reason : candidate.left_out;
}

bool bounds_tasks(Candidate const& candidate, Bounds const& bounds) {
    return std::ranges::any_of(bounds.others, [&](Constraint const& bound) {
        auto const found = figure_for(candidate, bound);
        return found && found->task != nullptr;
    });
}

void add_task_doubts(std::vector<std::string>& warnings, Candidate const& candidate, Bounds const& bounds) {
    std::set<std::string> told;
    for (auto const& bound : bounds.others) {
        auto const found = figure_for(candidate, bound);
        if (!found || found->task == nullptr) continue;
        auto const& task = *found->task;
        if (found->rows > 1)
            warnings.push_back(fmt::format("{} rows of workload tasks have {}: the worst for the bound counts",
                                           found->rows, bound.metric));
        if (!told.insert(task.cell).second) continue;
        if (task.context != 0 && task.context != candidate.context)
            warnings.push_back(fmt::format("items were asked behind contexts of {} tokens, and the KLD is that of {}",
                                           task.context, candidate.context));
        if (!task.reason.empty()) warnings.push_back(fmt::format("{}: {}", task.title, task.reason));
    }
}

Judged judge(Candidate const& candidate, Bounds const& bounds) {
    if (auto why = why_left_out(candidate); !why.empty()) return {false, std::move(why)};
    Judged judged{true, {}};
    auto const hold = [&](Constraint const& bound, Estimate const* figure) {
        auto const end = figure != nullptr ? bound.bounding_end(*figure) : std::nullopt;
        judged.meets = judged.meets && end && bound.holds_for(*end);
        if (!end && judged.why_not.empty())
            judged.why_not = figure == nullptr
                                 ? "no " + bound.metric
                                 : fmt::format("no interval: the error of its {} is unknown", bound.metric);
    };
    hold({"kld_mean", true, false, bounds.kld_mean}, &candidate.kld);
    for (auto const& bound : bounds.others) {
        auto const found = figure_for(candidate, bound);
        hold(bound, found ? &found->figure : nullptr);
    }
    return judged;
}

Choosable const* Choice::chosen() const { return codecs.empty() || !codecs.front().meets ? nullptr : &codecs.front(); }

Choice choose(Question const& question, CacheShape const& shape, std::vector<Candidate> const& candidates) {
    Choice choice{question, shape, bytes_of_half * values_of(shape, question.context), {}, {}};
    for (auto const& candidate : candidates) choice.codecs.push_back(choosable(candidate, question, shape));
    std::ranges::stable_sort(choice.codecs, {}, [](Choosable const& one) {
        auto const bytes = one.bytes ? one.bytes->bytes() : std::numeric_limits<std::uint64_t>::max();
        return std::tuple(!one.meets, !one.why_not.empty(), bytes);
    });
    if (!choice.codecs.empty()) add_warnings(choice);
    return choice;
}

void add_budget(Choice& choice) {
    auto const& question = choice.question;
    choice.budget = read_budget(*question.budget_bytes, question.trace);
    auto& budget = *choice.budget;
    budget.fp16 = buy(budget, bytes_of_half * values_of(choice.shape, budget.block_tokens), choice.fp16_bytes);
    for (auto& one : choice.codecs)
        if (one.bytes)
            one.bought = buy(budget, bytes_of_sequence(one.candidate, choice.shape, budget.block_tokens).bytes(),
                             one.bytes->bytes());
}

}  // namespace kvstone
