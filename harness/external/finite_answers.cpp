#include "harness/external/finite_answers.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "codecs/external/external_failure.hpp"

namespace kvstone {
namespace {

std::ptrdiff_t not_finite(std::span<float const> values) {
    return std::ranges::count_if(values, [](float value) { return !std::isfinite(value); });
}

}  // namespace

void FiniteAnswers::encoded(std::span<float const> values) {
    if (not_finite(values) > 0) all_finite_ = false;
}

void FiniteAnswers::require_finite(std::string const& codec, std::span<float const> decoded) const {
    auto const wrong = all_finite_ ? not_finite(decoded) : 0;
    if (wrong > 0)
        throw ExternalFailure(
            ExternalFailure::How::error,
            fmt::format("{}: decode: {} of {} values are NaN or infinite, and none of the original ones", codec, wrong,
                        decoded.size()));
}

}  // namespace kvstone
