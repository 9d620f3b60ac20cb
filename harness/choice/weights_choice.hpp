#pragma once
// The answer of `kvstone choose --models`: a file of weights and a codec of the cache, for one budget of memory.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/choice/choice.hpp"

namespace kvstone {

/// A file of weights that may be chosen.
struct WeightsFile {
    std::string path;
    std::string name;  ///< for display
    std::string type;  ///< of most of the weights: "f16", "q4_1"
    CacheShape shape;
    std::vector<Candidate> candidates;  ///< rows of this model
};

struct WeightsQuestion {
    std::uint64_t context = 0;    ///< tokens of a sequence
    std::uint64_t sequences = 1;  ///< in the cache at once
    std::optional<std::uint64_t> memory_bytes;
    Bounds bounds;
};

/// Weights and a codec of the cache, K and V.
struct WeightedPair {
    std::string weights;  ///< name of the file
    std::string path;
    CacheShape shape;
    Candidate candidate;
    std::uint64_t weights_bytes = 0;
    std::uint64_t cache_bytes = 0;    ///< of all sequences
    bool exact = true;                ///< else the cache's bytes are the measured bits per value over its values
    std::uint64_t compute_bytes = 0;  ///< as measured; 0: not told
    bool meets = false;               ///< the bounds on KLD
    std::string why_not = {};         ///< why it cannot be chosen; empty where it can
    bool on_front = false;            ///< no other pair that meets the bounds has neither more bytes nor more KLD
    std::uint64_t total_bytes() const { return weights_bytes + cache_bytes + compute_bytes; }
};

struct WeightsChoice {
    WeightsQuestion question;
    /// Those that can be chosen by total bytes, then those that cannot. The front's pairs in their order are the answers for all
    /// budgets: each is the best from its own bytes on to those of the next one.
    std::vector<WeightedPair> pairs;
    std::vector<std::string> warnings;
    /// The file whose answers with a plain cache are the measure of all; none where it is none of the files.
    std::optional<WeightsFile> reference;
    std::optional<std::size_t> chosen;     ///< the least KLD within the memory and the bounds
    std::optional<std::size_t> runner_up;  ///< the next one, likewise
};

/// Pairs of all files whose rows were measured alike: on one reference, text, protocol and context (see comparable()). REQUIRES: there is
/// a row that can be chosen from.
WeightsChoice choose_weights(WeightsQuestion const& question, std::vector<WeightsFile> const& files,
                             std::string const& protocol);

/// Whether the intervals of two KLDs share a value, or one is not known.
bool overlap(Estimate const& one, Estimate const& other);

std::string weights_choice_text(WeightsChoice const& choice, Screen const& screen = {});
Json weights_choice_json(WeightsChoice const& choice);

}  // namespace kvstone
