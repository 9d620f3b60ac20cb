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
    std::uint64_t passages = 0;      ///< the most passages
    /// Empty: the text is cut every context + continuation tokens, and the first token of each passage is replaced by
    /// the one that this model expects before a text, if any. Otherwise a document begins at each line that begins with
    /// this text, and gives one passage, cut off where it is longer; documents without two tokens behind the context
    /// are left out.
    std::string document;
};

struct Passages {
    std::vector<Passage> all;
    /// Perplexity of the scored tokens under the frequencies of tokens in all passages, with the scored token left out
    /// and 1 added to each count.
    double unigram_ppl = 0;
};

/// Throws ConfigError naming `what` where tokens do not spell the text, apart from white space.
void require_spelt(Engine const& engine, std::span<Token const> tokens, std::string_view text, std::string const& what);

/// Throws NotApplicable where a passage is longer than the contexts of the model's training, ConfigError where the text has
/// none or where the vocabulary cannot spell it, SystemError where it cannot be read.
Passages read_passages(Engine const& engine, std::string const& text_path, PassageSettings const& settings);

}  // namespace kvstone
