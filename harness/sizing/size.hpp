#pragma once
// The answer of `kvstone size`: the bytes of a model's cache under codecs, and the number of sequences in a budget.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/kv_view.hpp"
#include "harness/sources/model_cache.hpp"
#include "results/record/screen.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

struct SizeQuestion {
    ModelCache cache;
    std::vector<std::string> codecs;            ///< as the user wrote them: texts or presets
    std::vector<std::uint64_t> contexts;        ///< tokens of a sequence
    std::uint64_t batch = 1;                    ///< sequences of that length
    std::uint64_t devices = 1;                  ///< of tensor parallelism
    ElementType elements = ElementType::f16;    ///< of K and V before a codec
    std::uint64_t state_value_bytes = 2;        ///< states are not coded
    std::optional<std::uint64_t> budget_bytes;  ///< of each device
};

/// Bytes of a sequence.
struct SequenceBytes {
    std::uint64_t growing = 0;  ///< layers that keep every token
    std::uint64_t window = 0;   ///< layers that keep the last ones
    std::uint64_t state = 0;
    std::uint64_t all() const { return growing + window + state; }
};

struct SizeRow {
    std::string codec_name;  ///< as the user wrote it
    std::string codec;       ///< canonical
    std::uint64_t context = 0;
    std::string why_not;  ///< why there are no figures; else empty
    double growth_bytes_a_token = 0;
    SequenceBytes sequence;
    std::uint64_t batch_bytes = 0;
    std::uint64_t device_bytes = 0;     ///< a device's share of the batch
    bool depends_on_values = false;     ///< bytes are of synthetic values, within a hundredth
    std::uint64_t measured_tokens = 0;  ///< the longest length that was encoded
    // For a budget, on each device:
    std::uint64_t models = 0;                      ///< whole batches
    std::uint64_t sequences = 0;                   ///< sequences
    std::optional<std::uint64_t> longest_context;  ///< of a batch; empty where even the longest that is tried fits
};

struct SizeAnswer {
    SizeQuestion question;
    std::vector<SizeRow> rows;  ///< codecs in the order asked, and within one contexts
};

/// The longest context that is tried.
inline constexpr std::uint64_t longest_context_asked = 1'000'000'000;

/// Measures (layer_bytes.hpp). Rules about layers count those that keep K and V. Requires a BackendRuntime. Throws
/// ConfigError where a codec's text is wrong, where heads do not come out even over devices, or where nothing is asked.
SizeAnswer size_of(SizeQuestion question);

/// The answer for people, and as one object.
std::string size_answer_text(SizeAnswer const& answer, Screen const& screen = {});
Json size_answer_json(SizeAnswer const& answer);

}  // namespace kvstone
