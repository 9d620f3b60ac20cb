#include "harness/inspection/head_sums.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>
#include <unordered_set>

#include "harness/sources/elements.hpp"

namespace kvstone {
namespace {

bool exact_in_f16(float value) {
    auto const size = std::abs(value);
    if (size > 65504.0F) return false;
    // From 2^-14 on a half has 10 bits of mantissa; below it is a multiple of 2^-24.
    if (size >= 0x1p-14F) return (std::bit_cast<std::uint32_t>(value) & 0x1fffU) == 0;
    return std::nearbyint(size * 0x1p24F) == size * 0x1p24F;
}

bool exact_in_bf16(float value) { return (std::bit_cast<std::uint32_t>(value) & 0xffffU) == 0; }

}  // namespace

std::uint64_t duplicate_rows(HostTensor const& tensor, std::uint64_t group) {
    auto const row_bytes = tensor.shape.dim * element_bytes(tensor.type);
    auto const* const first =
        reinterpret_cast<char const*>(tensor.bytes.get()) + group * tensor.shape.tokens * row_bytes;
    std::unordered_set<std::string_view> seen;
    for (std::uint64_t token = 0; token < tensor.shape.tokens; ++token)
        seen.emplace(first + token * row_bytes, row_bytes);
    return tensor.shape.tokens - seen.size();
}

HeadSums sum_head(HostTensor const& tensor, std::uint64_t group) {
    auto const& shape = tensor.shape;
    HeadSums sums;
    sums.channel_sums.resize(shape.dim);
    sums.channel_squares.resize(shape.dim);
    sums.token_squares.resize(shape.tokens);
    for (std::uint64_t i = 0; i < shape.tokens * shape.dim; ++i) {
        auto const value = element_value(tensor.type, tensor.bytes.get(), group * shape.tokens * shape.dim + i);
        auto const square = double{value} * value;
        sums.least = std::min(sums.least, double{value});
        sums.most = std::max(sums.most, double{value});
        sums.channel_sums[i % shape.dim] += value;
        sums.channel_squares[i % shape.dim] += square;
        sums.token_squares[i / shape.dim] += square;
        sums.zeros += value == 0 ? 1 : 0;
        sums.bits |= element_bits(tensor.type, tensor.bytes.get(), group * shape.tokens * shape.dim + i);
        sums.exact_in_f16 = sums.exact_in_f16 && exact_in_f16(value);
        sums.exact_in_bf16 = sums.exact_in_bf16 && exact_in_bf16(value);
    }
    for (auto const sum : sums.channel_sums) sums.sum += sum;
    for (auto const square : sums.channel_squares) sums.squares += square;
    sums.duplicate_rows = duplicate_rows(tensor, group);
    return sums;
}

}  // namespace kvstone
