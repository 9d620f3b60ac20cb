#include "harness/engine/scored_text.hpp"

#include <algorithm>

#include "harness/engine/passages.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::uint64_t common(std::span<Token const> a, std::span<Token const> b) {
    return static_cast<std::uint64_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

ScoredText scored_text(Engine const& engine, std::string const& context, std::string const& continuation,
                       std::string const& what) {
    ScoredText text;
    text.tokens = engine.tokenize(context + continuation, true, what);
    require_spelt(engine, text.tokens, context + continuation, what);
    text.scored_from = common(text.tokens, engine.tokenize(context, true, what));
    if (text.scored_from == 0 || text.scored_from >= text.tokens.size())
        throw ConfigError(what + ": nothing can be scored behind its context", continuation, {});
    return text;
}

std::uint64_t shared_tokens(std::span<Token const> prefix, std::span<ScoredText const> texts) {
    auto shared = static_cast<std::uint64_t>(prefix.size());
    for (auto const& text : texts) shared = std::min({shared, common(prefix, text.tokens), text.scored_from - 1});
    return shared;
}

}  // namespace kvstone
