#pragma once
// Proof that a codec's bytes hold what it decodes, in every workload: some of them code and never look at a value.

#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

#include "codecs/external/external_codec.hpp"

namespace kvstone {

/// Keeps one encoding of K and one of V, drawn at random from all of an attempt, so that no codec can know which; they are
/// decoded again at the end. May be called by several threads.
class SpotChecks {
  public:
    SpotChecks() : random_(std::random_device{}()) {}
    void offer(ExternalCodec& codec, Section const& section, float const* values, std::span<std::byte const> stored);
    /// The larger of sum (x' - x)^2 / sum x^2 of both, x being finite; nothing where nothing was encoded. Throws
    /// ExternalFailure where it is 1 or more: decoding is then no nearer to the values than zeros are.
    std::optional<double> error();

  private:
    struct Drawn {
        std::uint64_t offered = 0;
        ExternalCodec* codec = nullptr;
        Section section;
        std::vector<float> values;
        std::vector<std::byte> stored;
    };
    std::mutex mutex_;
    std::mt19937_64 random_;
    Drawn drawn_[2];  ///< of each component
};

/// The same codec, each of whose encodings is offered to `checks`. Proofs that decoding reads the bytes alter them: where
/// decode() is given bytes that encode() never returned, a failure other than a timeout is thrown as CorruptData.
std::shared_ptr<ExternalCodec> with_spot_checks(std::shared_ptr<ExternalCodec> codec,
                                                std::shared_ptr<SpotChecks> checks);

}  // namespace kvstone
