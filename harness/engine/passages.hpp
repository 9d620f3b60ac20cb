#pragma once
// A text cut into passages: a context that is compressed and a continuation that is scored.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/engine/engine.hpp"

namespace kvstone {

struct Passage {
    std::vector<Token> context;
    std::vector<Token> continuation;  ///< at least two tokens
};

struct PassageSettings {
    std::uint64_t context = 0;       ///< tokens
    std::uint64_t continuation = 0;  ///< tokens, at most
    std::uint64_t passages = 0;      ///< at most
    /// Empty: the text is cut every context + continuation tokens, and the first token of each passage is replaced by the
    /// one that this model wants before a text, if any. Else a document begins at each line that begins so, and gives one
    /// passage, cut off where it is longer; those without two tokens behind the context are passed over.
    std::string document;
};

struct Passages {
    std::vector<Passage> all;
    /// Perplexity on the scored tokens of a model that knows how often each token occurs in all passages, the scored one
    /// left out and 1 added to each count.
    double unigram_ppl = 0;
};

/// Throws ConfigError naming `what` where tokens do not spell the text, white space aside.
void require_spelt(Engine const& engine, std::span<Token const> tokens, std::string_view text, std::string const& what);

/// Throws ConfigError where a passage is longer than what the model was trained on, where the text has none, or where the
/// vocabulary cannot spell it; SystemError where it cannot be read.
Passages read_passages(Engine const& engine, std::string const& text_path, PassageSettings const& settings);

}  // namespace kvstone
