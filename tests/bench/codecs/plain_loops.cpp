// Loops that anyone would write first. They are compiled for the least processor of this build, as such a loop would be.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "codecs/kernels/lloyd_max.hpp"
#include "codecs/kernels/stored_values.hpp"
#include "tests/bench/codecs/peers.hpp"

namespace kvstone::bench {
namespace {

using Bytes = std::vector<std::uint8_t>;

std::function<void()> half_loop(bool encode, float const* values, float* result, std::size_t n) {
    auto const halves = std::make_shared<std::vector<_Float16>>(n);
    if (encode) {
        return [=] {
            for (std::size_t i = 0; i < n; ++i) (*halves)[i] = static_cast<_Float16>(values[i]);
        };
    }
    for (std::size_t i = 0; i < n; ++i) (*halves)[i] = static_cast<_Float16>(values[i]);
    return [=] {
        for (std::size_t i = 0; i < n; ++i) result[i] = static_cast<float>((*halves)[i]);
    };
}

std::function<void()> bfloat_loop(bool encode, float const* values, float* result, std::size_t n) {
    auto const halves = std::make_shared<std::vector<std::uint16_t>>(n);
    auto const narrow = [=] {
        for (std::size_t i = 0; i < n; ++i) {
            auto const bits = std::bit_cast<std::uint32_t>(values[i]);
            (*halves)[i] = static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
        }
    };
    if (encode) return narrow;
    narrow();
    return [=] {
        for (std::size_t i = 0; i < n; ++i) {
            result[i] = std::bit_cast<float>(static_cast<std::uint32_t>((*halves)[i]) << 16);
        }
    };
}

float largest_magnitude_of(float const* values, std::size_t n) {
    float largest = 0;
    for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(values[i]));
    return largest;
}

/// Symmetric, one scale. Without a range pass it is taken as known.
std::function<void()> int8_loop(bool encode, bool range_pass, float const* values, float* result, std::size_t n) {
    auto const codes = std::make_shared<std::vector<std::int8_t>>(n);
    float const known = largest_magnitude_of(values, n) / 127.0F;
    auto const quantise = [=] {
        float const inverse = 1.0F / (range_pass ? largest_magnitude_of(values, n) / 127.0F : known);
        for (std::size_t i = 0; i < n; ++i) {
            (*codes)[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(values[i] * inverse), -127.0F, 127.0F));
        }
    };
    if (encode) return quantise;
    quantise();
    return [=] {
        for (std::size_t i = 0; i < n; ++i) result[i] = static_cast<float>((*codes)[i]) * known;
    };
}

/// Minimum and scale of every 32 values side by side, two codes a byte.
std::function<void()> int4_group_loop(bool encode, float const* values, float* result, std::size_t n) {
    struct Group {
        float scale;
        float zero;
        std::uint8_t codes[16];
    };
    auto const groups = std::make_shared<std::vector<Group>>(n / 32);
    auto const quantise = [=] {
        for (std::size_t g = 0; g < groups->size(); ++g) {
            auto const* const x = values + g * 32;
            float const low = *std::min_element(x, x + 32);
            float const high = *std::max_element(x, x + 32);
            float const scale = (high - low) / 15.0F;
            float const inverse = scale > 0 ? 1.0F / scale : 0.0F;
            auto& group = (*groups)[g];
            group.scale = scale;
            group.zero = low;
            for (std::size_t i = 0; i < 16; ++i) {
                auto const even = static_cast<unsigned>(std::nearbyint((x[2 * i] - low) * inverse));
                auto const odd = static_cast<unsigned>(std::nearbyint((x[2 * i + 1] - low) * inverse));
                group.codes[i] = static_cast<std::uint8_t>(even | odd << 4);
            }
        }
    };
    if (encode) return quantise;
    quantise();
    return [=] {
        for (std::size_t g = 0; g < groups->size(); ++g) {
            auto const& group = (*groups)[g];
            for (std::size_t i = 0; i < 16; ++i) {
                result[g * 32 + 2 * i] = group.zero + static_cast<float>(group.codes[i] & 15U) * group.scale;
                result[g * 32 + 2 * i + 1] = group.zero + static_cast<float>(group.codes[i] >> 4) * group.scale;
            }
        }
    };
}

/// Quantiles of magnitudes (one) or values (two) through nth_element, on a copy as it needs one.
std::function<void()> clip_loop(bool symmetric, double clip, float const* values, std::size_t n) {
    auto const copy = std::make_shared<std::vector<float>>(n);
    return [=] {
        auto const select = [&](double p) {
            auto const at = std::clamp<double>(std::ceil(p * static_cast<double>(n)), 1, static_cast<double>(n)) - 1;
            std::nth_element(copy->begin(), copy->begin() + static_cast<std::ptrdiff_t>(at), copy->end());
        };
        for (std::size_t i = 0; i < n; ++i) (*copy)[i] = symmetric ? std::fabs(values[i]) : values[i];
        if (symmetric) return select(clip);
        select((1 - clip) / 2);
        select((1 + clip) / 2);
    };
}

float fp8_value(std::uint8_t code) {
    auto const exponent = code >> 3 & 15, mantissa = code & 7;
    float const size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                                     : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10);
    return code & 128 ? -size : size;
}

/// E4M3 without a scale: largest magnitude 448.
std::function<void()> fp8_loop(bool encode, float const* values, float* result, std::size_t n) {
    auto const codes = std::make_shared<Bytes>(n);
    auto const narrow = [=] {
        for (std::size_t i = 0; i < n; ++i) {
            float const size = std::min(std::fabs(values[i]), 448.0F);
            auto const bits = std::bit_cast<std::uint32_t>(size);
            auto const rounded = bits + 0x7ffffU + (bits >> 20 & 1U);
            auto const small = static_cast<std::uint32_t>(std::nearbyint(size * 512.0F));
            auto const code = size < 0x1p-6F ? small : (rounded >> 20) - (120U << 3);
            (*codes)[i] = static_cast<std::uint8_t>(code | (values[i] < 0 ? 128U : 0U));
        }
    };
    if (encode) return narrow;
    narrow();
    std::array<float, 256> table;
    for (unsigned code = 0; code < 256; ++code) table[code] = fp8_value(static_cast<std::uint8_t>(code));
    return [=] {
        for (std::size_t i = 0; i < n; ++i) result[i] = table[(*codes)[i]];
    };
}

/// The number of levels' middles below a value.
template <std::size_t levels>
unsigned nearest_level(std::array<float, levels> const& middles, float value) {
    unsigned code = 0;
    for (std::size_t k = 0; k + 1 < levels; ++k) code += value > middles[k] ? 1 : 0;
    return code;
}

/// Sixteen levels for every `block` values, times a scale that `scale_of` finds; two codes a byte.
std::function<void()> level_loop(bool encode, std::array<float, 16> const& levels, std::size_t block,
                                 float (*scale_of)(float const*, std::size_t), float const* values, float* result,
                                 std::size_t n) {
    auto const codes = std::make_shared<Bytes>(n / 2);
    auto const scales = std::make_shared<std::vector<float>>(n / block);
    std::array<float, 16> middles{};
    for (std::size_t k = 0; k < 15; ++k) middles[k] = (levels[k] + levels[k + 1]) / 2;
    auto const quantise = [=] {
        for (std::size_t b = 0; b < scales->size(); ++b) {
            auto const* const x = values + b * block;
            float const scale = (*scales)[b] = scale_of(x, block);
            float const inverse = scale > 0 ? 1.0F / scale : 0.0F;
            for (std::size_t i = 0; i < block; i += 2) {
                (*codes)[(b * block + i) / 2] = static_cast<std::uint8_t>(
                    nearest_level(middles, x[i] * inverse) | nearest_level(middles, x[i + 1] * inverse) << 4);
            }
        }
    };
    if (encode) return quantise;
    quantise();
    return [=] {
        for (std::size_t b = 0; b < scales->size(); ++b) {
            for (std::size_t i = 0; i < block; i += 2) {
                auto const code = (*codes)[(b * block + i) / 2];
                result[b * block + i] = levels[code & 15U] * (*scales)[b];
                result[b * block + i + 1] = levels[code >> 4] * (*scales)[b];
            }
        }
    };
}

float root_mean_square(float const* values, std::size_t n) {
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    return static_cast<float>(std::sqrt(squares / static_cast<double>(n)));
}

/// Butterflies of every vector, signs left out; both ways are the same.
std::function<void()> hadamard_loop(float const* values, float* result, KvShape const& shape) {
    auto const dim = shape.dim;
    if (!std::has_single_bit(dim)) return {};
    return [=] {
        float const factor = 1.0F / std::sqrt(static_cast<float>(dim));
        for (std::size_t v = 0; v < shape.vectors(); ++v) {
            auto* const y = result + v * dim;
            for (std::size_t i = 0; i < dim; ++i) y[i] = values[v * dim + i] * factor;
            for (std::size_t half = 1; half < dim; half *= 2) {
                for (std::size_t i = 0; i < dim; i += 2 * half) {
                    for (std::size_t j = i; j < i + half; ++j) {
                        float const a = y[j], b = y[j + half];
                        y[j] = a + b;
                        y[j + half] = a - b;
                    }
                }
            }
        }
    };
}

/// Minimum and scale of every channel of 32 tokens, two codes a byte.
std::function<void()> int4_channel_loop(bool encode, float const* values, float* result, KvShape const& shape) {
    constexpr std::size_t tokens = 32;
    auto const dim = shape.dim;
    auto const pages = shape.vectors() / tokens;
    if (shape.tokens % tokens != 0 || dim % 2 != 0) return {};
    auto const lows = std::make_shared<std::vector<float>>(pages * dim);
    auto const scales = std::make_shared<std::vector<float>>(pages * dim);
    auto const codes = std::make_shared<Bytes>(shape.values() / 2);
    auto const quantise = [=] {
        for (std::size_t p = 0; p < pages; ++p) {
            auto const* const x = values + p * tokens * dim;
            for (std::size_t c = 0; c < dim; ++c) {
                float low = x[c], high = x[c];
                for (std::size_t t = 1; t < tokens; ++t) {
                    low = std::min(low, x[t * dim + c]);
                    high = std::max(high, x[t * dim + c]);
                }
                (*lows)[p * dim + c] = low;
                (*scales)[p * dim + c] = (high - low) / 15.0F;
            }
            for (std::size_t i = 0; i < tokens * dim; i += 2) {
                auto const code = [&](std::size_t at) {
                    float const scale = (*scales)[p * dim + at % dim];
                    float const apart = x[at] - (*lows)[p * dim + at % dim];
                    return static_cast<unsigned>(std::nearbyint(scale > 0 ? apart / scale : 0.0F));
                };
                (*codes)[(p * tokens * dim + i) / 2] = static_cast<std::uint8_t>(code(i) | code(i + 1) << 4);
            }
        }
    };
    if (encode) return quantise;
    quantise();
    return [=] {
        for (std::size_t p = 0; p < pages; ++p) {
            for (std::size_t i = 0; i < tokens * dim; i += 2) {
                auto const code = (*codes)[(p * tokens * dim + i) / 2];
                auto const at = p * dim + i % dim;
                result[p * tokens * dim + i] = (*lows)[at] + static_cast<float>(code & 15U) * (*scales)[at];
                result[p * tokens * dim + i + 1] = (*lows)[at + 1] + static_cast<float>(code >> 4) * (*scales)[at + 1];
            }
        }
    };
}

}  // namespace

std::function<void()> plain_loop(Request const& request, float const* values, float* result, KvShape const& shape) {
    auto const n = shape.values();
    if (request.codec.starts_with("hadamard | raw")) return hadamard_loop(values, result, shape);
    auto const stage = only_stage(request.codec);
    if (!stage) return {};
    auto const option = [&](char const* name) -> std::string {
        auto const found = stage->options.find(name);
        return found == stage->options.end() ? "" : found->second;
    };
    if (stage->name == "fp16") return half_loop(request.encode, values, result, n);
    if (stage->name == "bf16") return bfloat_loop(request.encode, values, result, n);
    if (stage->name == "fp8" && option("format") == "e4m3" && option("scale") == "none") {
        return fp8_loop(request.encode, values, result, n);
    }
    if (stage->name == "nf4" && option("block") == "64") {
        std::array<float, 16> levels;
        for (unsigned k = 0; k < 16; ++k) levels[k] = nf4_level(k);
        return level_loop(request.encode, levels, 64, largest_magnitude_of, values, result, n);
    }
    if (stage->name == "lloydmax" && option("bits") == "4" && option("scale") == "vector") {
        std::array<float, 16> levels;
        std::ranges::copy(lloyd_max_levels(4), levels.begin());
        return level_loop(request.encode, levels, shape.dim, root_mean_square, values, result, n);
    }
    bool const symmetric = option("scheme") == "symmetric";
    if (stage->name == "int8") {
        if (request.encode && option("clip") != "1" && option("samples") == "0") {
            return clip_loop(symmetric, std::stod(option("clip")), values, n);
        }
        return symmetric ? int8_loop(request.encode, option("samples") == "0", values, result, n)
                         : std::function<void()>();
    }
    if (stage->name == "int" && !symmetric && option("bits") == "4" && option("axis") == "token" &&
        option("group") == "32" && option("clip") == "1") {
        return int4_group_loop(request.encode, values, result, n);
    }
    if (stage->name == "int" && !symmetric && option("bits") == "4" && option("axis") == "channel" &&
        option("group") == "32" && option("clip") == "1") {
        return int4_channel_loop(request.encode, values, result, shape);
    }
    return {};
}

}  // namespace kvstone::bench
