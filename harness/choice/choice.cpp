#include "harness/choice/choice.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "codecs/container/tensor_codec.hpp"
#include "results/query/constraint.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t bytes_of_half = 2;
/// Percentile intervals of fewer passages are known to be too narrow.
constexpr std::uint64_t passages_for_an_interval = 10;

KvShape shape_of(CacheShape const& shape, Component component, std::uint64_t tokens) {
    return {shape.layers, shape.kv_heads, tokens, component == Component::k ? shape.k_dim : shape.v_dim};
}

std::uint64_t values_of(CacheShape const& shape, std::uint64_t tokens) {
    return shape_of(shape, Component::k, tokens).values() + shape_of(shape, Component::v, tokens).values();
}

Choosable choosable(Candidate const& candidate, Question const& question, CacheShape const& shape) {
    Choosable one{candidate, {}, false, candidate.left_out};
    if (!one.why_not.empty()) return one;
    try {
        one.bytes = bytes_of_sequence(candidate, shape, question.context);
    } catch (ConfigError const& error) {
        one.why_not = error.what();
        return one;
    }
    auto judged = judge(candidate, question.max_kld);
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
    add_doubts(choice.warnings, any, choice.shape, question.context);
    if (!choice.shape.note.empty()) choice.warnings.push_back(choice.shape.note);
    if (auto const* const chosen = choice.chosen()) {
        if (!chosen->candidate.reason.empty()) choice.warnings.push_back(chosen->candidate.reason);
        if (!chosen->bytes->exact)
            choice.warnings.emplace_back(
                "its bytes depend on the values: they are the measured bits per value over the "
                "values of this context");
    }
}

}  // namespace

CodecBytes bytes_of_sequence(Candidate const& candidate, CacheShape const& shape, std::uint64_t tokens) {
    auto const codec = Codec::parse(candidate.codec);
    auto const planned = [&](Component component) {
        return TensorCodec(codec, component, shape_of(shape, component, tokens), ElementType::f16, BackendKind::openmp)
            .planned();
    };
    // The output size of entropy stages cannot be known without the values, nor which tokens a policy keeps.
    if (!codec.selection()) {
        auto const k = planned(Component::k);
        auto const v = planned(Component::v);
        if (k.exact && v.exact) return {k.ledger.stored_bytes(), v.ledger.stored_bytes(), true};
    }
    auto const bits = candidate.bits_per_value.value_or(0) * static_cast<double>(values_of(shape, tokens));
    return {static_cast<std::uint64_t>(bits / 8), 0, false};
}

void add_doubts(std::vector<std::string>& warnings, Candidate const& any, CacheShape const& shape,
                std::uint64_t context) {
    if (shape.trained_tokens != 0 && context > shape.trained_tokens)
        warnings.push_back(
            fmt::format("the model was trained on contexts of {} tokens, not {}", shape.trained_tokens, context));
    if (any.passages && *any.passages < passages_for_an_interval)
        warnings.push_back(fmt::format(
            "the interval comes from {} passage(s): resampling so few makes it too narrow; measure {} or more",
            *any.passages, passages_for_an_interval));
}

Judged judge(Candidate const& candidate, KldBounds const& bounds) {
    auto const holds = [](Estimate const& figure, char const* metric, double most) -> std::optional<bool> {
        Constraint const bound{metric, true, false, most};
        auto const end = bound.bounding_end(figure);
        return end ? std::optional(bound.holds_for(*end)) : std::nullopt;
    };
    if (!candidate.left_out.empty()) return {false, candidate.left_out};
    auto const mean = holds(candidate.kld, "kld_mean", bounds.mean);
    if (!mean) return {false, "no interval: the error of its KLD is unknown"};
    if (!bounds.p999) return {*mean, {}};
    if (!candidate.kld_p999) return {false, "no kld_p999: it needs 1,000 scored tokens"};
    auto const tail = holds(*candidate.kld_p999, "kld_p999", *bounds.p999);
    if (!tail) return {false, "no interval: the error of its kld_p999 is unknown"};
    return {*mean && *tail, {}};
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
