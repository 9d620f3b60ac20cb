// The model's scores of every choice of a task file's items, token by token, as in workload tasks:
//
//   kvstone-choices MODEL TASK FILE LABELS|- ITEMS CONTEXT
//
// prints one JSON object a line: the text that stands before items ({"prefix": ...}), then one an item with its `origin`
// (FILE:LINE), `gold`, and of each choice its `bytes`, how many `tokens` are scored, counted back from the end, `ids` behind what was read before, and
// `nll` of each of these but the first. With CONTEXT 0 nothing stands before an item.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "harness/engine/scored_text.hpp"
#include "harness/workloads/tasks/batch.hpp"
#include "harness/workloads/tasks/formats.hpp"
#include "harness/workloads/tasks/groups.hpp"
#include "scenarios/json.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t room_tokens = 4096;

/// Workload tasks' path with codec raw, without the plain cache beside it.
struct Reader {
    explicit Reader(Engine const& engine)
        : sequence(engine, room_tokens), path(codec_path(sequence, Codec::parse("raw"), {})) {}

    Json scored(ScoredText const& text, std::uint64_t bytes) {
        path->rewind();
        auto const start = sequence.tokens();
        Json nll = Json::array();
        // The last token foretells nothing that is known.
        path->feed(std::span(text.tokens).first(text.tokens.size() - 1),
                   [&](std::uint64_t position, std::span<float const> logits) {
                       nll.push_back(-log_probability(logits, text.tokens[position - start + 1]));
                   });
        return {
            {"bytes", bytes}, {"tokens", text.tokens.size() - text.scored_from}, {"ids", text.tokens}, {"nll", nll}};
    }

    EngineSequence sequence;
    std::unique_ptr<CodecPath> path;
};

/// The tokens that all texts begin with are read first; where none stand before the items, these are an item's own.
void answer_group(Engine const& engine, Reader& reader, TaskGroup group) {
    std::puts(Json{{"prefix", group.prefix}}.dump().c_str());
    auto const batch = batch_of(engine, std::move(group));
    if (!batch.context.empty()) reader.path->begin(batch.context);
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
        std::vector<ScoredText> texts;
        for (std::size_t j = 0; j < batch.texts[i].branches.size(); ++j)
            texts.push_back({batch.texts[i].text(j), batch.texts[i].branches[j].scored_from});
        if (batch.context.empty()) {
            auto const shared = shared_tokens(texts.front().tokens, texts);
            auto const& first = texts.front().tokens;
            reader.path->begin(std::span(first).first(shared));
            for (auto& text : texts) {
                text.tokens.erase(text.tokens.begin(), text.tokens.begin() + static_cast<std::ptrdiff_t>(shared));
                text.scored_from -= shared;
            }
        }
        Json choices = Json::array();
        for (std::size_t j = 0; j < texts.size(); ++j)
            choices.push_back(reader.scored(texts[j], batch.items[i].choices[j].answer_bytes));
        std::puts(Json{{"origin", batch.items[i].origin}, {"gold", batch.items[i].gold}, {"choices", choices}}
                      .dump()
                      .c_str());
    }
}

void print_choices(std::span<char*> arguments) {
    std::string const task = arguments[1];
    std::string const file = arguments[2];
    std::string const labels = arguments[3];
    auto const limit = std::stoull(arguments[4]);
    auto const context = std::stoull(arguments[5]);
    BackendRuntime const runtime;
    Engine const engine(arguments[0]);
    Reader reader(engine);
    auto items = read_items(task, file, labels == "-" ? "" : labels);
    if (context == 0) {
        items.resize(std::min<std::size_t>(items.size(), limit));
        answer_group(engine, reader, {"", std::move(items)});
        return;
    }
    auto const tokens_of = [&](std::string_view text) { return engine.tokenize(text, true, "a prefix").size(); };
    // As tasks.cpp: two tokens to spare, which may join what follows.
    for (auto& group : file_groups(items, context + 2, limit, file, tokens_of))
        answer_group(engine, reader, std::move(group));
}

}  // namespace
}  // namespace kvstone

int main(int count, char** arguments) {
    if (count != 7) {
        std::fputs("usage: kvstone-choices MODEL TASK FILE LABELS|- ITEMS CONTEXT\n", stderr);
        return 2;
    }
    try {
        kvstone::print_choices({arguments + 1, arguments + count});
    } catch (std::exception const& error) {
        std::fprintf(stderr, "kvstone-choices: %s\n", error.what());
        return 2;
    }
}
