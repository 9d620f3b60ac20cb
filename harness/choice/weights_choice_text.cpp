// The answer of `kvstone choose --models` in words and as JSON.

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "codecs/engine_limits.hpp"
#include "codecs/from_outside.hpp"
#include "harness/choice/choice_words.hpp"
#include "harness/choice/weights_choice.hpp"
#include "results/record/text_table.hpp"
#include "results/record/wrapped.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

std::string engine_command(WeightedPair const& pair) {
    auto const nearest = nearest_settings(Codec::parse(pair.candidate.codec), {pair.shape.k_dim, pair.shape.v_dim});
    auto const command = fmt::format("-m {} {}", pair.path, nearest.llama_cpp);
    return is_engine_cache(pair.candidate.codec) ? command + ", which is what was measured" : command;
}

std::string bytes_text(WeightsChoice const& choice, WeightedPair const& pair) {
    return fmt::format("{} = weights {} + cache {} ({} x {} tokens{}){}", size_text(pair.total_bytes()),
                       size_text(pair.weights_bytes), size_text(pair.cache_bytes), choice.question.sequences,
                       choice.question.context, pair.exact ? "" : ", estimated",
                       pair.compute_bytes == 0 ? std::string() : " + engine " + size_text(pair.compute_bytes));
}

std::string table_text(WeightsChoice const& choice, Screen const& screen) {
    auto const& bounds = choice.question.bounds;
    std::vector<TextTable::Column> columns{{"weights"},           {"codec"},       {"total", true},
                                           {"weights", true},     {"cache", true}, {"KLD mean", true},
                                           {"95% interval", true}};
    std::ranges::move(other_bounds_columns(bounds), std::back_inserter(columns));
    columns.insert(columns.end(), {{"meets"}, {"best from"}});
    TextTable table(std::move(columns), 2);
    for (auto const& pair : choice.pairs) {
        if (!pair.why_not.empty()) {
            table.add({pair.weights, pair.candidate.codec_name}, pair.why_not);
            continue;
        }
        std::vector<std::string> cells{pair.weights,
                                       pair.candidate.codec_name,
                                       size_text(pair.total_bytes()),
                                       size_text(pair.weights_bytes),
                                       size_text(pair.cache_bytes),
                                       fmt::format("{:.2e}", pair.candidate.kld.value),
                                       interval_text(pair.candidate.kld)};
        std::ranges::move(other_bounds_cells(bounds, pair.candidate), std::back_inserter(cells));
        cells.emplace_back(pair.meets ? "yes" : "no");
        cells.push_back(pair.on_front ? size_text(pair.total_bytes()) : "");
        table.add(std::move(cells));
    }
    return table.text(screen);
}

Json pair_json(WeightsQuestion const& question, WeightedPair const& pair) {
    Json json{{"model", pair.path},
              {"codec", pair.candidate.codec},
              {"codec_name", pair.candidate.codec_name},
              {"cell", pair.candidate.cell},
              {"weights_bytes", pair.weights_bytes},
              {"cache_bytes", pair.cache_bytes},
              {"compute_bytes", pair.compute_bytes},
              {"total_bytes", pair.total_bytes()},
              {"bytes_exact", pair.exact},
              {"meets", pair.meets},
              {"why_not", pair.why_not},
              {"on_front", pair.on_front}};
    json.update(figures_json(question.bounds, pair.candidate));
    return json;
}

std::string pair_text(WeightsChoice const& choice, WeightedPair const& pair) {
    auto text = fmt::format("{} with {}\n", pair.weights, pair.candidate.codec_name);
    text += labelled("bytes", bytes_text(choice, pair));
    text += labelled("KLD", nats_text(pair.candidate.kld));
    text += other_bounds_text(choice.question.bounds, pair.candidate);
    text += labelled("llama.cpp", engine_command(pair));
    return text;
}

}  // namespace

std::string weights_choice_text(WeightsChoice const& choice, Screen const& screen) {
    auto const& question = choice.question;
    std::string text;
    if (choice.chosen) {
        text += pair_text(choice, choice.pairs[*choice.chosen]);
        text += labelled("measured", sureness_text(choice.pairs[*choice.chosen].candidate));
        if (choice.reference)
            text += labelled("against",
                             fmt::format("{} ({}) with a plain cache", choice.reference->name, choice.reference->type));
        if (choice.runner_up) {
            auto const& second = choice.pairs[*choice.runner_up];
            text +=
                labelled("runner-up", fmt::format("{} with {}: {}, KLD {}", second.weights, second.candidate.codec_name,
                                                  size_text(second.total_bytes()), nats_text(second.candidate.kld)));
        }
    } else {
        text += fmt::format("No pair of weights and codec has {}, the whole 95% interval{}.\n",
                            bounds_text(question.bounds),
                            question.memory_bytes ? ", within " + size_text(*question.memory_bytes) : std::string());
    }
    for (auto const& warning : choice.warnings) text += labelled("note", warning);
    return wrapped(text, screen.columns, label_columns) + "\n" + table_text(choice, screen) +
           "\nbest from: the least memory for which this pair has the smallest mean KLD of all that meet, up to that "
           "of the next "
           "one.\n";
}

Json weights_choice_json(WeightsChoice const& choice) {
    auto const& question = choice.question;
    Json json{{"context", question.context},
              {"sequences", question.sequences},
              {"memory_bytes", question.memory_bytes ? Json(*question.memory_bytes) : Json()},
              {"max_kld", question.bounds.kld_mean},
              {"also", other_bounds_json(question.bounds)},
              {"reference", choice.reference ? Json(choice.reference->path) : Json()},
              {"reference_weights", choice.reference ? Json(choice.reference->type) : Json()},
              {"warnings", choice.warnings},
              {"pairs", Json::array()},
              {"chosen", choice.chosen ? pair_json(question, choice.pairs[*choice.chosen]) : Json()},
              {"runner_up", choice.runner_up ? pair_json(question, choice.pairs[*choice.runner_up]) : Json()}};
    for (auto const& pair : choice.pairs) json["pairs"].push_back(pair_json(question, pair));
    return json;
}

}  // namespace kvstone
