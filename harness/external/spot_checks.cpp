#include "harness/external/spot_checks.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_set>

#include <fmt/format.h>

#include "backends/timer.hpp"
#include "codecs/external/external_failure.hpp"
#include "scenarios/content_hash.hpp"

namespace kvstone {
namespace {

class OfferedCodec : public ExternalCodec {
  public:
    OfferedCodec(std::shared_ptr<ExternalCodec> codec, std::shared_ptr<SpotChecks> checks)
        : codec_(std::move(codec)), checks_(std::move(checks)) {}

    std::uint64_t max_bytes(Section const& section) override { return codec_->max_bytes(section); }
    std::uint64_t encode(Section const& section, float const* values, std::span<std::byte> out) override {
        auto const bytes = codec_->encode(section, values, out);
        UncountedTime const time;
        checks_->offer(*codec_, section, values, out.first(bytes));
        std::lock_guard const lock(mutex_);
        returned_.insert(hash_of(out.first(bytes)));
        return bytes;
    }
    void decode(Section const& section, std::span<std::byte const> stored, float* values) override {
        try {
            codec_->decode(section, stored, values);
        } catch (ExternalFailure const& error) {
            if (error.how() == ExternalFailure::How::timeout || was_returned(stored)) throw;
            throw CorruptData(error.what());
        }
    }
    std::optional<double> nominal_bits() const override { return codec_->nominal_bits(); }
    std::string description() override { return codec_->description(); }

  private:
    static std::string hash_of(std::span<std::byte const> bytes) {
        return short_hash({reinterpret_cast<char const*>(bytes.data()), bytes.size()});
    }
    bool was_returned(std::span<std::byte const> bytes) {
        std::lock_guard const lock(mutex_);
        return returned_.contains(hash_of(bytes));
    }

    std::shared_ptr<ExternalCodec> codec_;
    std::shared_ptr<SpotChecks> checks_;
    std::mutex mutex_;
    std::unordered_set<std::string> returned_;
};

}  // namespace

void SpotChecks::offer(ExternalCodec& codec, Section const& section, float const* values,
                       std::span<std::byte const> stored) {
    std::lock_guard const lock(mutex_);
    auto& drawn = drawn_[static_cast<std::size_t>(section.component)];
    ++drawn.offered;
    // The n-th replaces what is kept with probability 1 / n: each is kept in the end with the same one.
    if (std::uniform_int_distribution<std::uint64_t>(1, drawn.offered)(random_) != 1) return;
    drawn.codec = &codec;
    drawn.section = section;
    drawn.section.rope = nullptr;  // the caller's
    drawn.values.assign(values, values + section.shape.values());
    drawn.stored.assign(stored.begin(), stored.end());
}

std::optional<double> SpotChecks::error() {
    std::optional<double> largest;
    std::vector<float> decoded;
    for (auto const& drawn : drawn_) {
        if (drawn.codec == nullptr) continue;
        decoded.assign(drawn.values.size(), 0.0F);
        drawn.codec->decode(drawn.section, drawn.stored, decoded.data());
        double squares = 0;
        double errors = 0;
        for (std::size_t i = 0; i < decoded.size(); ++i) {
            double const x = drawn.values[i];
            if (!std::isfinite(x)) continue;
            squares += x * x;
            errors += (decoded[i] - x) * (decoded[i] - x);
        }
        double const error = errors == 0 ? 0 : errors / squares;
        if (!(error < 1))
            throw ExternalFailure(
                ExternalFailure::How::wrong,
                fmt::format("{}: an encoding drawn at random, decoded again, is no nearer to its values than zeros are "
                            "(sum of squared errors / sum of squares = {:.4g}): its {} bytes do not hold them",
                            name_of(drawn.section.component), error, drawn.stored.size()));
        largest = std::max(largest.value_or(0), error);
    }
    return largest;
}

std::shared_ptr<ExternalCodec> with_spot_checks(std::shared_ptr<ExternalCodec> codec,
                                                std::shared_ptr<SpotChecks> checks) {
    return std::make_shared<OfferedCodec>(std::move(codec), std::move(checks));
}

}  // namespace kvstone
