#include "harness/engine/passages.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "harness/files/mapped_file.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

/// The letters of a text and of its tokens, which are compared: white space is the tokenizer's own matter.
std::string without_space(std::string_view text) {
    std::string kept;
    for (char const c : text)
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') kept += c;
    return kept;
}

std::vector<Passage> cut_text(Engine const& engine, std::string const& path, PassageSettings const& settings) {
    auto const length = settings.context + settings.continuation;
    auto const tokens = engine.read_tokens(path, length * settings.passages);
    auto const file = map_file(path);
    auto const used = std::min<std::uint64_t>(tokens.size(), length * settings.passages);
    require_spelt(engine, std::span(tokens).first(used),
                  without_byte_order_mark({reinterpret_cast<char const*>(file.bytes.get()), file.size}), path);
    std::vector<Passage> all;
    for (std::uint64_t first = 0; first + length <= tokens.size() && all.size() < settings.passages; first += length) {
        auto const start = tokens.begin() + static_cast<std::ptrdiff_t>(first);
        auto const middle = start + static_cast<std::ptrdiff_t>(settings.context);
        Passage passage{{start, middle}, {middle, start + static_cast<std::ptrdiff_t>(length)}};
        if (auto const begin = engine.begin_token()) passage.context.front() = *begin;
        all.push_back(std::move(passage));
    }
    if (all.empty())
        throw ConfigError(path + ": the text has no passage of context and continuation",
                          fmt::format("{} tokens", tokens.size()),
                          {fmt::format("texts of {} tokens and more", length)});
    return all;
}

std::vector<Passage> cut_documents(Engine const& engine, std::string const& path, PassageSettings const& settings) {
    auto const file = map_file(path);
    auto const text = without_byte_order_mark({reinterpret_cast<char const*>(file.bytes.get()), file.size});
    auto const next_start = [&](std::size_t from) {
        if (from == 0 && text.starts_with(settings.document)) return std::size_t{0};
        auto const found = text.find("\n" + settings.document, from);
        return found == std::string_view::npos ? text.size() : found + 1;
    };
    std::vector<Passage> all;
    for (auto start = next_start(0); start < text.size() && all.size() < settings.passages;) {
        auto const end = next_start(start + 1);
        auto document = text.substr(start, end - start);
        while (document.ends_with('\n')) document.remove_suffix(1);
        start = end;
        auto const tokens = engine.tokenize(document, true, path);
        if (tokens.size() < settings.context + 2) continue;
        require_spelt(engine, tokens, document, path);
        auto const middle = tokens.begin() + static_cast<std::ptrdiff_t>(settings.context);
        auto const rest = std::min<std::uint64_t>(tokens.size() - settings.context, settings.continuation);
        all.push_back({{tokens.begin(), middle}, {middle, middle + static_cast<std::ptrdiff_t>(rest)}});
    }
    if (all.empty())
        throw ConfigError(path + ": no document of the text has two tokens behind the context", settings.document,
                          {"the words at the beginning of each document's first line"});
    return all;
}

double unigram_ppl(std::vector<Passage> const& all, std::uint64_t vocabulary) {
    std::vector<double> counts(vocabulary);
    double total = 0;
    for (auto const& passage : all) {
        for (auto const* part : {&passage.context, &passage.continuation}) {
            for (auto const token : *part) counts[static_cast<std::size_t>(token)] += 1;
            total += static_cast<double>(part->size());
        }
    }
    double nll = 0;
    double scored = 0;
    for (auto const& passage : all) {
        for (auto const token : std::span(passage.continuation).subspan(1)) {
            nll -= std::log(counts[static_cast<std::size_t>(token)] / (total - 1 + static_cast<double>(vocabulary)));
            scored += 1;
        }
    }
    return std::exp(nll / scored);
}

}  // namespace

void require_spelt(Engine const& engine, std::span<Token const> tokens, std::string_view text,
                   std::string const& what) {
    auto const refuse = [&](std::string const& offending) {
        throw ConfigError(what + ": the model's vocabulary cannot spell this text", offending,
                          {"a text in the model's own language and characters"});
    };
    auto const unknown = std::ranges::find_if(tokens, [&](Token token) { return engine.is_unknown(token); });
    if (unknown != tokens.end())
        refuse(fmt::format("token {} of {} is unknown", unknown - tokens.begin() + 1, tokens.size()));
    auto const spelt = without_space(engine.text_of(tokens));
    auto const wanted = without_space(text);
    auto const size = std::min(spelt.size(), wanted.size());
    auto const differing =
        std::mismatch(spelt.begin(), spelt.begin() + static_cast<std::ptrdiff_t>(size), wanted.begin());
    auto const at = static_cast<std::size_t>(differing.first - spelt.begin());
    // The last token may end within a character, and a text cut short goes on.
    if (at + 4 < size) refuse(fmt::format("...{}", wanted.substr(at, 16)));
}

Passages read_passages(Engine const& engine, std::string const& text_path, PassageSettings const& settings) {
    auto const length = settings.context + settings.continuation;
    if (length > engine.trained_tokens())
        throw NotApplicable(engine.path() + ": the model was trained on shorter texts than context and continuation",
                            fmt::format("{} + {}", settings.context, settings.continuation),
                            {fmt::format("up to {} tokens together", engine.trained_tokens())});
    Passages passages;
    passages.all =
        settings.document.empty() ? cut_text(engine, text_path, settings) : cut_documents(engine, text_path, settings);
    passages.unigram_ppl = unigram_ppl(passages.all, engine.vocabulary());
    return passages;
}

}  // namespace kvstone
