// f16 has 5 bits of exponent, bf16 8: read as the other, a step of the size's logarithm is 8 times as long, or an eighth.
// Values of a cache spread over about 2 binades between their quartiles (normal ones 1.85, Student's t with 4 degrees of
// freedom 2.0), so those of a wrong type do over 15, or a quarter. An f32 read as two halves has noise, the low bits of
// its mantissa, beside each value.

#include "harness/sources/element_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "harness/sources/elements.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_pairs = 32'768;
constexpr std::size_t least_values = 64;
constexpr double usual_least = 0.7;
constexpr double usual_most = 5;
constexpr double wide = 8;
constexpr double narrow = 0.6;

/// Of the values of a sample.
struct Sizes {
    double spread = std::numeric_limits<double>::quiet_NaN();  ///< see ElementCheck
    double median = 0;
    double zeros = 0;     ///< share of all
    double negative = 0;  ///< share of those other than 0
    double small = 0;     ///< share of those below a quarter of the median
    bool usual() const { return spread >= usual_least && spread <= usual_most; }
};

Sizes sizes_of(std::vector<float> const& values) {
    std::vector<double> sizes;
    double zeros = 0;
    double negative = 0;
    for (auto const value : values) {
        if (value == 0) zeros += 1;
        if (value == 0 || !std::isfinite(value)) continue;
        sizes.push_back(std::log2(std::abs(double{value})));
        if (value < 0) negative += 1;
    }
    Sizes result;
    result.zeros = values.empty() ? 0 : zeros / static_cast<double>(values.size());
    if (sizes.size() < least_values) return result;
    std::ranges::sort(sizes);
    auto const count = static_cast<double>(sizes.size());
    result.spread = sizes[sizes.size() * 3 / 4] - sizes[sizes.size() / 4];
    result.median = std::exp2(sizes[sizes.size() / 2]);
    result.negative = negative / count;
    auto const least = sizes[sizes.size() / 2] - 2;
    result.small = static_cast<double>(std::ranges::lower_bound(sizes, least) - sizes.begin()) / count;
    return result;
}

/// A sample of an array, four bytes at a time.
class Sample {
  public:
    explicit Sample(std::span<std::byte const> bytes) {
        auto const words = bytes.size() / 4;
        auto const stride = words / most_pairs | 1;  // odd, so that it meets all channels
        for (std::uint64_t i = 0; i < words; i += stride) {
            std::uint32_t word = 0;
            std::memcpy(&word, bytes.data() + i * 4, 4);
            words_.push_back(word);
        }
    }
    Sizes as_f32() const {
        std::vector<float> values;
        for (auto const word : words_) values.push_back(std::bit_cast<float>(word));
        return sizes_of(values);
    }
    /// Of the halves of words: the low ones (which lie first), the high ones, or both.
    Sizes as(ElementType type, bool low, bool high) const {
        auto const value = [&](std::uint32_t bits) {
            return type == ElementType::f16 ? half_to_float(bits) : std::bit_cast<float>(bits << 16);
        };
        std::vector<float> values;
        for (auto const word : words_) {
            if (low) values.push_back(value(word & 0xffffU));
            if (high) values.push_back(value(word >> 16));
        }
        return sizes_of(values);
    }

  private:
    std::vector<std::uint32_t> words_;
};

ElementCheck halves_check(Sample const& sample, ElementType type) {
    auto const other = type == ElementType::f16 ? ElementType::bf16 : ElementType::f16;
    auto const as_read = sample.as(type, true, true);
    auto const as_other = sample.as(other, true, true);
    auto const name = type == ElementType::f16 ? "f16" : "bf16";
    auto const other_name = type == ElementType::f16 ? "bf16" : "f16";
    ElementCheck check{as_read.spread, {}, {}};
    auto const even = sample.as(type, true, false);
    auto const odd = sample.as(type, false, true);
    auto const whole = sample.as_f32();
    bool const noise_beside = even.spread > wide && odd.spread < usual_most;
    bool const nothing_beside = even.zeros > 0.99 && odd.zeros < 0.5;
    if (whole.usual() && (noise_beside || nothing_beside)) {
        check.likely = "f32";
        check.evidence =
            fmt::format("as {} every other value is {}; as f32, half as many, sizes spread over {:.1f} binades", name,
                        nothing_beside ? "0" : "noise", whole.spread);
        return check;
    }
    bool const too_wide = as_read.spread > wide;
    // Values of both signs pass through 0: none of them near it is the other sign of a logarithm read as a number.
    bool const never_small = as_read.spread < narrow && as_read.small < 0.01 && as_read.negative > 0.1 &&
                             as_read.negative < 0.9 && as_read.median > 0.25 && as_read.median < 8;
    if (as_other.usual() && (type == ElementType::bf16 ? too_wide : never_small)) {
        check.likely = other_name;
        check.evidence =
            fmt::format("sizes spread over {:.1f} binades between their quartiles as {}, over {:.1f} as {}",
                        as_read.spread, name, as_other.spread, other_name);
    }
    return check;
}

ElementCheck f32_check(Sample const& sample) {
    auto const as_read = sample.as_f32();
    ElementCheck check{as_read.spread, {}, {}};
    auto const halves = sample.as(ElementType::f16, true, true);
    auto const low = sample.as(ElementType::bf16, true, false);
    auto const high = sample.as(ElementType::bf16, false, true);
    if (as_read.spread > wide && halves.usual()) {
        check.likely = "f16";
        check.evidence = fmt::format(
            "sizes spread over {:.1f} binades between their quartiles as f32, over {:.1f} as f16, twice as many",
            as_read.spread, halves.spread);
    } else if (low.usual() && high.usual() && low.zeros < 0.5 && std::abs(std::log2(low.median / high.median)) < 4) {
        check.likely = "bf16";
        check.evidence = fmt::format(
            "the low halves of the elements, which are noise in f32, spread over {:.1f} binades as bf16, the high ones "
            "over {:.1f}",
            low.spread, high.spread);
    }
    return check;
}

/// Sizes of signed bytes are alike on both sides of 0, those of floats with and without their highest bit.
ElementCheck bytes_check(std::span<std::byte const> bytes, std::string_view dtype) {
    std::array<double, 256> counts{};
    auto const stride = bytes.size() / (2 * most_pairs) | 1;
    for (std::uint64_t i = 0; i < bytes.size(); i += stride) counts[std::to_integer<std::size_t>(bytes[i])] += 1;
    double all = 0;
    double as_integers = 0;
    double as_floats = 0;
    for (std::size_t i = 1; i < 128; ++i) {
        all += counts[i] + counts[i + 128];
        as_integers += 2 * std::min(counts[i], counts[256 - i]);
        as_floats += 2 * std::min(counts[i], counts[i + 128]);
    }
    ElementCheck check{std::numeric_limits<double>::quiet_NaN(), {}, {}};
    if (all < 16 * least_values) return check;
    bool const read_as_integers = dtype == "i8";
    auto const ours = (read_as_integers ? as_integers : as_floats) / all;
    auto const theirs = (read_as_integers ? as_floats : as_integers) / all;
    if (ours < 0.5 && theirs > 0.75) {
        check.likely = read_as_integers ? "f8_e4m3" : "i8";
        check.evidence = fmt::format("{:.0f}% of the values have one of the other sign as {}, {:.0f}% as {}",
                                     100 * ours, dtype, 100 * theirs, check.likely);
    }
    return check;
}

}  // namespace

ElementCheck check_elements(std::span<std::byte const> bytes, std::string_view dtype) {
    if (dtype == "i8" || dtype == "f8_e4m3" || dtype == "f8_e5m2") return bytes_check(bytes, dtype);
    if (dtype == "f32") return f32_check(Sample(bytes));
    if (dtype == "f16" || dtype == "bf16")
        return halves_check(Sample(bytes), dtype == "f16" ? ElementType::f16 : ElementType::bf16);
    return {std::numeric_limits<double>::quiet_NaN(), {}, {}};
}

}  // namespace kvstone
