#pragma once
// Values of StoredRows, one at a time: what kernels of vectors are held against, and what runs on a device.

#include <cstdint>

#include "backends/function.hpp"
#include "backends/kernels/small_floats.hpp"
#include "codecs/kernels/nf4_levels.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/kernels/stored_rows.hpp"

namespace kvstone {

/// What a code is multiplied by, and what is added.
struct RowStep {
    float scale;
    float zero;
};

/// The number of scale and zero in the planes that belong to a channel of a vector.
KVSTONE_FUNCTION inline std::uint64_t scale_number(StoredRows const& rows, std::uint64_t layer, std::uint64_t head,
                                                   std::uint64_t token, std::uint64_t channel) {
    auto const heads = layer * rows.shape.heads + head;
    switch (rows.scale) {
        case RowScale::token:
            return (heads * rows.shape.tokens + token) * rows.groups() + channel / rows.group;
        case RowScale::page: {
            auto const pages = (rows.shape.tokens + rows.group - 1) / rows.group;
            return (heads * pages + token / rows.group) * rows.shape.dim + channel;
        }
        case RowScale::head:
            return layer * rows.per_layer + head * rows.per_head;
        case RowScale::inside:
            break;
    }
    return 0;
}

KVSTONE_FUNCTION inline RowStep step_of(StoredRows const& rows, std::uint64_t layer, std::uint64_t head,
                                        std::uint64_t token, std::uint64_t channel) {
    if (rows.scale == RowScale::inside) return {1.0F, 0.0F};
    auto const number = scale_number(rows, layer, head, token, channel);
    if (rows.superblock_steps != nullptr) {
        auto const heads = layer * rows.shape.heads + head;
        auto const pages = (rows.shape.tokens + rows.superblock_tokens - 1) / rows.superblock_tokens;
        auto const block = rows.superblocks_of_page > 1 ? channel / rows.group / blocks_of_superblock : 0;
        auto const superblock = (heads * pages + token / rows.superblock_tokens) * rows.superblocks_of_page + block;
        return {static_cast<float>(rows.scales[number]) * rows.superblock_steps[superblock], 0.0F};
    }
    RowStep step{load_scale(rows.scale_format, rows.scales + number * scale_bytes(rows.scale_format)), 0.0F};
    if (rows.zeros != nullptr)
        load_zeros(rows.scale_format, rows.zeros + number * zero_bytes(rows.scale_format), 1, &step.zero);
    return step;
}

/// What a channel of a vector decodes to, as a float.
KVSTONE_FUNCTION inline float stored_value(StoredRows const& rows, std::uint64_t layer, std::uint64_t head,
                                           std::uint64_t token, std::uint64_t channel) {
    auto const* const row = rows.row((layer * rows.shape.heads + head) * rows.shape.tokens + token);
    auto const* const block = row + channel / 32 * (rows.format == RowFormat::q8_0 ? 34 : 18);
    auto const nibble = [](std::byte packed, bool high) -> unsigned {
        return high ? static_cast<unsigned>(packed) >> 4 : static_cast<unsigned>(packed) & 15U;
    };
    auto const step = step_of(rows, layer, head, token, channel);
    float code = 0;
    switch (rows.format) {
        case RowFormat::fp16:
            return to_float(get_as<Float16>(row + 2 * channel));
        case RowFormat::bf16:
            return to_float(get_as<BFloat16>(row + 2 * channel));
        case RowFormat::q8_0:
            return static_cast<float>(get_as<std::int8_t>(block + 2 + channel % 32)) * to_float(get_as<Float16>(block));
        case RowFormat::q4_0:
            return (static_cast<float>(nibble(block[2 + channel % 16], channel % 32 >= 16)) - 8.0F) *
                   to_float(get_as<Float16>(block));
        case RowFormat::e4m3:
            code = small_float_value<E4M3>(static_cast<std::uint32_t>(row[channel]));
            break;
        case RowFormat::e5m2:
            code = small_float_value<E5M2>(static_cast<std::uint32_t>(row[channel]));
            break;
        case RowFormat::signed_bytes:
            code = static_cast<float>(get_as<std::int8_t>(row + channel));
            break;
        case RowFormat::bytes:
            code = static_cast<float>(row[channel]);
            break;
        case RowFormat::signed_nibbles:
            code = static_cast<float>(nibble(row[channel / 2], channel % 2 == 1) ^ 8U) - 8.0F;
            break;
        case RowFormat::nibbles:
            code = static_cast<float>(nibble(row[channel / 2], channel % 2 == 1));
            break;
        case RowFormat::nf4:
            code = nf4_level(nibble(row[channel / 2], channel % 2 == 1));
            break;
    }
    return step.zero + code * step.scale;
}

}  // namespace kvstone
