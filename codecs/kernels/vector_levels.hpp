#pragma once
// Kernels that code vectors by the levels of a table, below one scale a vector or one of everything.

#include <algorithm>
#include <array>
#include <cfloat>
#include <cstdint>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/level_table.hpp"
#include "codecs/kernels/pages/level_pages.hpp"
#include "codecs/kernels/pages/table_pages.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/kernels/square_sums.hpp"

namespace kvstone {

enum class LevelNorm : std::uint8_t { none, matched, eden };

/// Tokens of a page.
inline constexpr std::uint64_t level_tokens = 16;

/// Planes by pages: codes, and then scales where there are two.
template <std::size_t Planes, class Byte>
inline std::array<PagePlane<Byte>, Planes> level_planes(KvShape const& shape, unsigned bits,
                                                        std::array<Byte*, Planes> const& planes) {
    auto const tail = shape.tokens % level_tokens;
    std::array<PagePlane<Byte>, Planes> pages;
    for (std::size_t p = 0; p < Planes; ++p) {
        auto const of_token = p == 0 ? packed_bytes(shape.dim, bits) : sizeof(Float16);
        pages[p] = {planes[p], level_tokens * of_token, tail * of_token};
    }
    return pages;
}

/// value = factor * level for a vector.
template <class T>
KOKKOS_INLINE_FUNCTION void restore_levels(LevelTable const& table, std::byte const* packed, float factor, T* values,
                                           std::uint64_t dim) {
    std::uint8_t codes[levels_at_a_time];
    for (std::uint64_t first = 0; first < dim; first += levels_at_a_time) {
        auto const count = dim - first < levels_at_a_time ? dim - first : levels_at_a_time;
        unpack_codes(table.bits, packed + first * table.bits / 8, count, codes);
        look_up(table.levels, factor, codes, count, values + first);
    }
}

/// The vectors of a page as blocks of one each.
template <class T>
inline BlockRows whole_vectors(Page<T> const& page) {
    return {page.values, page.stride, page.tokens, page.dim, page.dim};
}
inline LevelRows rows_of(LevelTable const& table) { return {table.bits, table.levels, table.thresholds}; }
/// Codes of the vectors of a page, with a factor each, by vectors.
inline void code_vectors(LevelTable const& table, Page<float const> const& page, float const* factors,
                         std::byte* packed) {
    if (table.bits == cell_bits) return nearest_nibbles(*table.cells, whole_vectors(page), factors, packed);
    code_by_levels(rows_of(table), whole_vectors(page), {nullptr, factors, false}, packed, nullptr);
}
/// The opposite.
inline void restore_vectors(LevelTable const& table, std::byte const* packed, float const* factors,
                            Page<float> const& page) {
    if (table.bits == cell_bits) {
        return restore_nibbles(table.levels, whole_vectors(page), factors, packed, page.values, page.streaming);
    }
    restore_by_levels(rows_of(table), whole_vectors(page), {nullptr, factors, false}, packed, page.values,
                      page.streaming);
}

/// One scale a vector.
struct VectorLevels {
    static constexpr bool whole_lines = true;

    LevelTable table;
    LevelNorm norm;
    double root_of_dim;

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        auto const row_bytes = packed_bytes(page.dim, table.bits);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const squares = square_sum(page.vector(t), page.dim);
            auto const length = length_of(squares, to[1] + t * sizeof(Float16));
            code_vector(page.vector(t), page.dim, squares, inverse_of(length), to[0] + t * row_bytes,
                        to[1] + t * sizeof(Float16));
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        auto const row_bytes = packed_bytes(page.dim, table.bits);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            auto const scale = load_scale(ScaleFormat::fp16, from[1] + t * sizeof(Float16));
            restore_levels(table, from[0] + t * row_bytes, factor_of(scale), page.vector(t), page.dim);
        }
    }

    void encode_page(Page<float const> const& page, std::array<std::byte*, 2> const& to) const {
        if (table.bits > most_row_bits) return (*this)(page, to);
        double squares[level_tokens];
        float inverses[level_tokens];
        row_square_sums(whole_vectors(page), squares);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            if (!(squares[t] - squares[t] == 0)) squares[t] = square_sum(page.vector(t), page.dim);
            inverses[t] = inverse_of(length_of(squares[t], to[1] + t * sizeof(Float16)));
        }
        if (norm == LevelNorm::none) return code_vectors(table, page, inverses, to[0]);
        code_with_norms(page, squares, inverses, to);
    }
    void decode_page(std::array<std::byte const*, 2> const& from, Page<float> const& page) const {
        if (table.bits > most_row_bits) return (*this)(from, page);
        float scales[level_tokens];
        load_scales(ScaleFormat::fp16, from[1], page.tokens, scales);
        for (std::uint64_t t = 0; t < page.tokens; ++t) scales[t] = factor_of(scales[t]);
        restore_vectors(table, from[0], scales, page);
    }

  private:
    /// The vector's length that values are coded by; without a norm that is what is stored.
    KOKKOS_INLINE_FUNCTION float length_of(double squares, std::byte* stored) const {
        auto const length = static_cast<float>(Kokkos::sqrt(squares));
        auto const finite = length < FLT_MAX ? length : FLT_MAX;
        return norm == LevelNorm::none ? store_scale(ScaleFormat::fp16, finite, stored) : finite;
    }
    KOKKOS_INLINE_FUNCTION float inverse_of(float length) const {
        auto const inverse = length > 0 ? static_cast<float>(root_of_dim / static_cast<double>(length)) : 0.0F;
        return inverse < FLT_MAX ? inverse : FLT_MAX;
    }
    KOKKOS_INLINE_FUNCTION float factor_of(float scale) const {
        return static_cast<float>(static_cast<double>(scale) / root_of_dim);
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void code_vector(T const* values, std::uint64_t dim, double squares, float inverse,
                                            std::byte* packed, std::byte* stored) const {
        double of_levels = 0;
        double with_levels = 0;
        std::uint8_t codes[levels_at_a_time];
        for (std::uint64_t first = 0; first < dim; first += levels_at_a_time) {
            auto const count = dim - first < levels_at_a_time ? dim - first : levels_at_a_time;
            table.nearest(values + first, count, inverse, codes);
            pack_codes(table.bits, codes, count, packed + first * table.bits / 8);
            if (norm == LevelNorm::none) continue;
            float levels[levels_at_a_time];
            look_up(table.levels, 1.0F, codes, count, levels);
            if (norm == LevelNorm::matched) {
                of_levels += square_sum(levels, count);
            } else {
                with_levels += product_sum(values + first, levels, count);
            }
        }
        if (norm != LevelNorm::none) store_norm(squares, norm == LevelNorm::matched ? of_levels : with_levels, stored);
    }
    /// The scale that corrects a property: from the sum of squares of a vector, and from that of its levels (matched) or of
    /// their products with its values (eden).
    KOKKOS_INLINE_FUNCTION void store_norm(double squares, double of_levels, std::byte* stored) const {
        double const scale = squares == 0                 ? 0
                             : norm == LevelNorm::matched ? Kokkos::sqrt(squares / of_levels) * root_of_dim
                                                          : squares / of_levels * root_of_dim;
        store_scale(ScaleFormat::fp16, scale < 65504 ? static_cast<float>(scale) : 65504.0F, stored);
    }
    /// By vectors: short ones together, and long ones in the parts that code_vector() has.
    void code_with_norms(Page<float const> const& page, double const* squares, float const* inverses,
                         std::array<std::byte*, 2> const& to) const {
        auto const row_bytes = packed_bytes(page.dim, table.bits);
        std::uint64_t const together = page.dim <= levels_at_a_time ? page.tokens : 1;
        alignas(cache_line_bytes) float levels[level_tokens * levels_at_a_time];
        for (std::uint64_t t = 0; t < page.tokens; t += together) {
            double sums[level_tokens] = {};
            for (std::uint64_t first = 0; first < page.dim; first += levels_at_a_time) {
                auto const count = std::min(levels_at_a_time, page.dim - first);
                BlockRows const values{page.vector(t) + first, page.stride, together, count, count};
                code_by_levels(rows_of(table), values, {nullptr, inverses + t, false},
                               to[0] + t * row_bytes + first * table.bits / 8, levels);
                double of_part[level_tokens];
                row_product_sums(norm == LevelNorm::matched ? BlockRows{levels, count, together, count, count} : values,
                                 levels, of_part);
                for (std::uint64_t r = 0; r < together; ++r) {
                    if (!(of_part[r] - of_part[r] == 0)) {
                        of_part[r] = product_sum(values.values + r * page.stride, levels + r * count, count);
                    }
                    sums[r] += of_part[r];
                }
            }
            for (std::uint64_t r = 0; r < together; ++r) {
                store_norm(squares[t + r], sums[r], to[1] + (t + r) * sizeof(Float16));
            }
        }
    }
};

/// One scale for all vectors, stored before.
struct TensorLevels {
    static constexpr bool whole_lines = true;

    LevelTable table;
    std::byte const* scale;

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        auto const row_bytes = packed_bytes(page.dim, table.bits);
        float const inverse = inverse_scale();
        std::uint8_t codes[levels_at_a_time];
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += levels_at_a_time) {
                auto const count = page.dim - first < levels_at_a_time ? page.dim - first : levels_at_a_time;
                table.nearest(page.vector(t) + first, count, inverse, codes);
                pack_codes(table.bits, codes, count, to[0] + t * row_bytes + first * table.bits / 8);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 1> const& from, Page<T> const& page) const {
        auto const row_bytes = packed_bytes(page.dim, table.bits);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            restore_levels(table, from[0] + t * row_bytes, get_as<float>(scale), page.vector(t), page.dim);
        }
    }

    void encode_page(Page<float const> const& page, std::array<std::byte*, 1> const& to) const {
        if (table.bits > most_row_bits) return (*this)(page, to);
        float inverses[level_tokens];
        std::fill_n(inverses, page.tokens, inverse_scale());
        code_vectors(table, page, inverses, to[0]);
    }
    void decode_page(std::array<std::byte const*, 1> const& from, Page<float> const& page) const {
        if (table.bits > most_row_bits) return (*this)(from, page);
        float scales[level_tokens];
        std::fill_n(scales, page.tokens, get_as<float>(scale));
        restore_vectors(table, from[0], scales, page);
    }

  private:
    KOKKOS_INLINE_FUNCTION float inverse_scale() const {
        auto const stored = get_as<float>(scale);
        return stored > 0 ? 1.0F / stored : 0.0F;
    }
};

}  // namespace kvstone
