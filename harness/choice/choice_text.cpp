// The answer of `kvstone choose` in words and as JSON.

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "codecs/access.hpp"
#include "codecs/engine_limits.hpp"
#include "codecs/from_outside.hpp"
#include "harness/choice/choice.hpp"
#include "harness/choice/choice_words.hpp"
#include "results/record/text_table.hpp"
#include "results/record/wrapped.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

double bits_of(Choice const& choice, CodecBytes const& bytes) {
    return 16 * static_cast<double>(bytes.bytes()) / static_cast<double>(choice.fp16_bytes);
}

bool takes_whole_tensors(Codec const& codec) {
    auto const stage = whole_tensor_stage(codec);
    return stage && !codes_by_token(*stage);
}

std::string kld_text(Candidate const& candidate) { return nats_text(candidate.kld); }

std::string memory_text(Choice const& choice, CodecBytes const& bytes) {
    auto const& memory = choice.question.memory_bytes;
    if (!memory)
        return fmt::format("{:.2f} sequences where an fp16 cache holds one",
                           static_cast<double>(choice.fp16_bytes) / static_cast<double>(bytes.bytes()));
    auto const before = *memory / choice.fp16_bytes;
    auto const after = *memory / bytes.bytes();
    return fmt::format("{} sequences in {}, where an fp16 cache holds {}: {} more", after, size_text(*memory), before,
                       after - std::min(before, after));
}

double share(std::uint64_t part, std::uint64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

std::string budget_text(Budget const& budget, Bought const& bought) {
    auto const& before = budget.fp16;
    auto text = fmt::format("{} blocks of {} tokens in {}, where fp16 has {}; {} whole sequences, where fp16 has {}",
                            bought.entries, budget.block_tokens, size_text(budget.bytes), before.entries,
                            bought.sequences, before.sequences);
    if (!bought.hits) return text;
    auto const hits = bought.hits->token_hits;
    auto const fp16_hits = before.hits->token_hits;
    text += fmt::format(
        "; LRU finds {:.1f}% of the trace's tokens, against {:.1f}% in fp16 and {:.1f}% in an unbounded cache",
        100 * share(hits, budget.token_lookups), 100 * share(fp16_hits, budget.token_lookups),
        100 * share(budget.unbounded.token_hits, budget.token_lookups));
    if (fp16_hits > 0) text += fmt::format(": {:.2f} times as many hits", share(hits, fp16_hits));
    return text;
}

/// Columns behind the one that says whether the codec meets the bound.
std::vector<std::string> bought_cells(Choice const& choice, Choosable const& one) {
    if (!choice.budget) return {};
    auto const& [block_bytes, entries, sequences, hits] = *one.bought;
    std::vector<std::string> cells{fmt::format("{}", entries), fmt::format("{}", sequences)};
    if (hits) {
        cells.push_back(fmt::format("{}", hits->block_hits));
        cells.push_back(fmt::format("{:.4f}", share(hits->token_hits, choice.budget->token_lookups)));
    }
    return cells;
}

std::string table_text(Choice const& choice, Screen const& screen) {
    bool const reasons = std::ranges::any_of(
        choice.codecs, [](Choosable const& one) { return one.bytes.has_value() && !one.why_not.empty(); });
    std::vector<TextTable::Column> columns{
        {"codec"}, {"bits/val", true}, {"bytes", true}, {"KLD mean", true}, {"95% interval", true}};
    auto const& bounds = choice.question.bounds;
    std::ranges::move(other_bounds_columns(bounds), std::back_inserter(columns));
    columns.push_back({"meets"});
    if (choice.budget) columns.insert(columns.end(), {{"blocks", true}, {"sequences", true}});
    if (choice.budget && choice.budget->trace) columns.insert(columns.end(), {{"hits", true}, {"hit rate", true}});
    if (reasons) columns.push_back({"why not"});
    TextTable table(std::move(columns), 1);
    for (auto const& one : choice.codecs) {
        auto const& kld = one.candidate.kld;
        if (!one.bytes) {
            table.add({one.candidate.codec_name}, one.why_not);
            continue;
        }
        std::vector<std::string> cells{one.candidate.codec_name, fmt::format("{:.3f}", bits_of(choice, *one.bytes)),
                                       size_text(one.bytes->bytes()), fmt::format("{:.2e}", kld.value),
                                       interval_text(kld)};
        std::ranges::move(other_bounds_cells(bounds, one.candidate), std::back_inserter(cells));
        cells.emplace_back(one.meets ? "yes" : "no");
        std::ranges::move(bought_cells(choice, one), std::back_inserter(cells));
        if (reasons) cells.push_back(one.why_not);
        table.add(std::move(cells));
    }
    return table.text(screen);
}

Json bought_json(Budget const& budget, Bought const& bought) {
    Json json{{"block_bytes", bought.block_bytes}, {"entries", bought.entries}, {"sequences", bought.sequences}};
    if (!bought.hits) return json;
    json["block_hits"] = bought.hits->block_hits;
    json["token_hits"] = bought.hits->token_hits;
    json["block_hit_rate"] = share(bought.hits->block_hits, budget.block_lookups);
    json["token_hit_rate"] = share(bought.hits->token_hits, budget.token_lookups);
    return json;
}

Json budget_json(Question const& question, Budget const& budget) {
    Json json{
        {"bytes", budget.bytes}, {"block_tokens", budget.block_tokens}, {"fp16", bought_json(budget, budget.fp16)}};
    if (!budget.trace) return json;
    json["trace"] = question.trace;
    json["policy"] = "lru";
    json["block_lookups"] = budget.block_lookups;
    json["token_lookups"] = budget.token_lookups;
    json["unbounded_block_hits"] = budget.unbounded.block_hits;
    json["unbounded_token_hits"] = budget.unbounded.token_hits;
    return json;
}

Json codec_json(Choice const& choice, Choosable const& one) {
    auto const& candidate = one.candidate;
    Json json{{"codec", candidate.codec}, {"codec_name", candidate.codec_name},
              {"cell", candidate.cell},   {"meets", one.meets},
              {"why_not", one.why_not},   {"measured_bits_per_value", number_json(candidate.bits_per_value)}};
    json.update(figures_json(choice.question.bounds, candidate));
    if (one.bytes) {
        json["bytes"] = one.bytes->bytes();
        json["bytes_exact"] = one.bytes->exact;
        json["bits_per_value"] = bits_of(choice, *one.bytes);
        if (one.bytes->exact) json["k_bytes"] = one.bytes->k_bytes, json["v_bytes"] = one.bytes->v_bytes;
    }
    if (one.bought) json["bought"] = bought_json(*choice.budget, *one.bought);
    return json;
}

/// The cells of a setting of llama.cpp, where it was measured beside the chosen codec.
Candidate const* measured_setting(Choice const& choice, std::string const& setting) {
    auto const* const chosen = choice.chosen();
    for (auto const& one : choice.codecs)
        if (&one != chosen && is_engine_cache(one.candidate.codec) &&
            nearest_settings(Codec::parse(one.candidate.codec)).llama_cpp == setting)
            return &one.candidate;
    return nullptr;
}

std::string with_measured_setting(Choice const& choice, std::string const& setting) {
    if (is_engine_cache(choice.chosen()->candidate.codec)) return setting + ", which is what was measured";
    auto const* const measured = measured_setting(choice, setting);
    return measured == nullptr ? setting : fmt::format("{}, measured: KLD {}", setting, kld_text(*measured));
}

}  // namespace

std::string choice_text(Choice const& choice, Screen const& screen) {
    auto const& shape = choice.shape;
    std::string text = fmt::format(
        "{}: {} layers, {} KV heads, K of {} and V of {} values; a sequence of {} tokens takes {} as fp16\n\n",
        choice.question.model, shape.layers, shape.kv_heads, shape.k_dim, shape.v_dim, choice.question.context,
        size_text(choice.fp16_bytes));
    if (auto const* const chosen = choice.chosen()) {
        auto const& bytes = *chosen->bytes;
        auto const& candidate = chosen->candidate;
        text += candidate.codec_name + "\n";
        if (candidate.codec != candidate.codec_name) text += labelled("codec", candidate.codec);
        text += labelled("bytes", fmt::format("{} a sequence ({} bytes{}), {:.3f} bits per value",
                                              size_text(bytes.bytes()), bytes.bytes(),
                                              bytes.exact ? fmt::format(": K {}, V {}", bytes.k_bytes, bytes.v_bytes)
                                                          : std::string(", estimated"),
                                              bits_of(choice, bytes)));
        text += labelled("memory", memory_text(choice, bytes));
        if (choice.budget) text += labelled("budget", budget_text(*choice.budget, *chosen->bought));
        text += labelled("KLD", fmt::format("{} <= {:g}", kld_text(candidate), choice.question.bounds.kld_mean));
        text += other_bounds_text(choice.question.bounds, candidate);
        text += labelled("measured", sureness_text(candidate));
        auto const codec = Codec::parse(candidate.codec);
        auto needs = text_of(needs_of(codec));
        if (takes_whole_tensors(codec)) needs += needs.empty() ? "whole tensors" : ", whole tensors";
        if (!needs.empty()) text += labelled("serving", needs);
        auto const nearest = nearest_settings(codec, {shape.k_dim, shape.v_dim});
        text += labelled("vLLM", nearest.vllm) + labelled("SGLang", nearest.sglang) +
                labelled("LMCache", nearest.lmcache) +
                labelled("llama.cpp", with_measured_setting(choice, nearest.llama_cpp));
        for (auto const& difference : nearest.differences) text += labelled("differs", difference);
    } else {
        text += fmt::format("No codec of {} has {}, the whole 95% interval.\n", choice.codecs.size(),
                            bounds_text(choice.question.bounds));
        text += fmt::format("Measured: {}\n", sureness_text(choice.codecs.front().candidate));
    }
    for (auto const& warning : choice.warnings) text += labelled("note", warning);
    return wrapped(text, screen.columns, label_columns) + "\n" + table_text(choice, screen);
}

Json choice_json(Choice const& choice) {
    auto const& shape = choice.shape;
    Json json{
        {"model", choice.question.model},
        {"context", choice.question.context},
        {"max_kld", choice.question.bounds.kld_mean},
        {"also", other_bounds_json(choice.question.bounds)},
        {"shape",
         {{"layers", shape.layers}, {"kv_heads", shape.kv_heads}, {"k_dim", shape.k_dim}, {"v_dim", shape.v_dim}}},
        {"fp16_bytes", choice.fp16_bytes},
        {"warnings", choice.warnings},
        {"chosen", nullptr},
        {"codecs", Json::array()}};
    if (choice.budget) json["budget"] = budget_json(choice.question, *choice.budget);
    for (auto const& one : choice.codecs) json["codecs"].push_back(codec_json(choice, one));
    auto const& measured = choice.codecs.front().candidate;
    json["measured"] = {{"protocol", measured.protocol},
                        {"context", measured.context},
                        {"passages", measured.passages ? Json(*measured.passages) : Json()},
                        {"scored_tokens", measured.scored_tokens},
                        {"options", parse_json(measured.options)}};
    json["extrapolated"] = measured.context != choice.question.context;
    auto const* const chosen = choice.chosen();
    if (chosen == nullptr) return json;
    json["chosen"] = codec_json(choice, *chosen);
    if (auto const& memory = choice.question.memory_bytes) {
        json["chosen"]["sequences"] = *memory / chosen->bytes->bytes();
        json["fp16_sequences"] = *memory / choice.fp16_bytes;
    }
    auto const codec = Codec::parse(chosen->candidate.codec);
    auto const needs = needs_of(codec);
    json["chosen"]["needs"] = {{"positions", needs.needs_positions}, {"mixes_heads", needs.mixes_heads},
                               {"mixes_layers", needs.mixes_layers}, {"fixed_rate", needs.fixed_rate},
                               {"calibrated", needs.calibrated},     {"whole_tensors", takes_whole_tensors(codec)}};
    auto const nearest = nearest_settings(codec, {shape.k_dim, shape.v_dim});
    json["engines"] = {{"vllm", nearest.vllm},
                       {"sglang", nearest.sglang},
                       {"lmcache", nearest.lmcache},
                       {"llama_cpp", nearest.llama_cpp},
                       {"differences", nearest.differences}};
    if (auto const* const own_setting = measured_setting(choice, nearest.llama_cpp))
        json["engines"]["llama_cpp_measured"] = {{"codec", own_setting->codec}, {"kld_mean", own_setting->kld.value}};
    return json;
}

}  // namespace kvstone
