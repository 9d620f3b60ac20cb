#pragma once
// The answer of `kvstone choose`: the best of the codecs that were measured on a model.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codecs/engines.hpp"
#include "harness/choice/bought.hpp"
#include "harness/engine/cache_shape.hpp"
#include "results/query/candidates.hpp"
#include "results/query/constraint.hpp"
#include "results/record/screen.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

struct Bounds {
    double kld_mean = 0;             ///< nat, at most
    std::vector<Constraint> others;  ///< on further figures of the answers, such as tails
};

struct Question {
    std::string model;          ///< as the user wrote it
    std::string gguf;           ///< its file; empty where only the database knows it
    std::uint64_t context = 0;  ///< tokens
    Bounds bounds;
    std::optional<std::uint64_t> memory_bytes;
    std::optional<std::uint64_t> budget_bytes;  ///< of a cache of prefixes
    std::string trace;                          ///< file of requests to it; empty: none
};

/// A codec bound to the model's shape at the context asked for; elements that stay plain have 16 bits.
struct CodecBytes {
    std::uint64_t k_bytes = 0;
    std::uint64_t v_bytes = 0;
    bool exact = true;  ///< else all bytes are under K: the measured bits per value times the values
    std::uint64_t bytes() const { return k_bytes + v_bytes; }
};

/// Bytes of a sequence of so many tokens. Requires a BackendRuntime. Throws ConfigError where the codec does not fit the shape.
CodecBytes bytes_of_sequence(Candidate const& candidate, CacheShape const& shape, std::uint64_t tokens);

/// Why a candidate may not be chosen, with the words of its row where these tell more; empty: it may be.
std::string why_left_out(Candidate const& candidate);

/// Whether a candidate's figures stay within bounds with their whole intervals, and why that cannot be said.
struct Judged {
    bool meets = false;
    std::string why_not;  ///< why it is left out; empty where it meets, or misses, the bounds
};
Judged judge(Candidate const& candidate, Bounds const& bounds);

struct Choosable {
    Candidate candidate;
    std::optional<CodecBytes> bytes;
    bool meets = false;
    std::string why_not;                ///< why it is left out; empty where it meets, or misses, the bound
    std::optional<Bought> bought = {};  ///< where there is a budget
};

struct Choice {
    Question question;
    CacheShape shape;
    std::uint64_t fp16_bytes = 0;       ///< of a sequence, without a codec
    std::vector<Choosable> codecs;      ///< of one setting: those that meet the bound, smallest first, then the others
    std::vector<std::string> warnings;  ///< reasons to doubt the answer
    std::optional<Budget> budget = {};

    /// Null where no codec meets the bound.
    Choosable const* chosen() const;
};

/// Binds the codecs of one setting (see comparable()) to the model's shape and orders them. Codecs that do not fit the
/// shape are left out.
Choice choose(Question const& question, CacheShape const& shape, std::vector<Candidate> const& candidates);

/// Adds, for each codec with bytes and for fp16, the entries that the question's budget holds. REQUIRES: there is a
/// budget. Throws ConfigError where the trace cannot be read.
void add_budget(Choice& choice);

/// Adds reasons to doubt figures of rows measured like `any` at a context that is asked for: the model was trained on shorter
/// ones, passages are too few for an interval, or tokens for a bounded tail.
void add_doubts(std::vector<std::string>& warnings, Candidate const& any, CacheShape const& shape,
                std::uint64_t context, Bounds const& bounds);

/// Whether a bound is about a figure that a row of workload tasks has, and the candidate itself has not.
bool bounds_tasks(Candidate const& candidate, Bounds const& bounds);
/// Adds reasons to doubt such figures: several rows have one, contexts differ, notes of the row.
void add_task_doubts(std::vector<std::string>& warnings, Candidate const& candidate, Bounds const& bounds);

/// Why the bytes of a codec are not known exactly at a context that was not measured.
std::string doubt_of_bytes(Candidate const& candidate);

/// Whether its codec drops tokens, and the doubt about such a choice.
bool drops_tokens(Candidate const& candidate);
inline constexpr char const* doubt_of_dropping =
    "this codec drops tokens: the average token does not need them, and a question about them is lost; measure "
    "workload tasks, and do not choose by KLD alone";

/// The answer for people, at most 120 columns wide except for long names of codecs; and as one object.
std::string choice_text(Choice const& choice, Screen const& screen = {});
Json choice_json(Choice const& choice);

}  // namespace kvstone
