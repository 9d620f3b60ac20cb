#pragma once
// The frame of a quantiser whose vectors have a scale each: what is left to write is how the scale is made of a vector, and
// how a value becomes a code. tests/codecs/skeletons/worked_example.cpp is a whole stage on it.

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "backends/kernels/group_ends.hpp"
#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/finite_values.hpp"
#include "codecs/stage.hpp"

namespace kvstone {

/// What scales are made of where a vector has nothing larger, so that dividing by them stays exact enough.
inline constexpr float least_magnitude = 0x1p-100F;

/// The largest finite magnitude of a vector, or least_magnitude where that is larger.
template <class T>
KOKKOS_INLINE_FUNCTION float scaled_magnitude(T const* values, std::uint64_t count) {
    return Kokkos::fmax(largest_magnitude(values, count), least_magnitude);
}

/// One vector of a Stage, which is a VectorQuantiser: its codes and its scale.
template <class Stage>
struct VectorCodes {
    static_assert(std::is_trivially_copyable_v<Stage>,
                  "kernels get a copy of a VectorQuantiser: its members are numbers");
    static constexpr std::uint64_t at_a_time = 64;  // whole bytes, however many bits a code has

    Stage stage;

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        auto const largest = scaled_magnitude(page.values, page.dim);
        auto const scale = stage.scale_of(largest);
        std::memcpy(to[1], &scale, sizeof(scale));
        float const step = stage.step(scale);
        float values[at_a_time];
        std::uint8_t codes[at_a_time];
        for (std::uint64_t first = 0; first < page.dim; first += at_a_time) {
            auto const count = page.dim - first < at_a_time ? page.dim - first : at_a_time;
            copy_finite(page.values + first, count, largest, values);
            for (std::uint64_t i = 0; i < count; ++i)
                codes[i] = static_cast<std::uint8_t>(stage.code(values[i] / step));
            pack_codes(stage.bits, codes, count, to[0] + first / 8 * stage.bits);
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        auto scale = stage.scale_of(1.0F);
        std::memcpy(&scale, from[1], sizeof(scale));
        float const step = stage.step(scale);
        std::uint8_t codes[at_a_time];
        for (std::uint64_t first = 0; first < page.dim; first += at_a_time) {
            auto const count = page.dim - first < at_a_time ? page.dim - first : at_a_time;
            unpack_codes(stage.bits, from[0] + first / 8 * stage.bits, count, codes);
            for (std::uint64_t i = 0; i < count; ++i) {
                // A scale that is coarser than the largest number over the last level goes beyond that number.
                auto const value = step * stage.level(codes[i]);
                page.values[first + i] = nearest_element<T>(Kokkos::fmin(Kokkos::fmax(value, -FLT_MAX), FLT_MAX));
            }
        }
    }
};

/// Derive from VectorQuantiser<S>, S being the stage. S has info(), its constructor, and
///
///   unsigned bits;                                 of a code, 1 to 8; may be a constant
///   Scale scale_of(float largest) const;           what is stored for a vector with this largest finite magnitude, which is
///                                                  at least least_magnitude: a float or any other type of plain bytes
///   float step(Scale) const;                       what the stored scale stands for. Default: itself, where it is a float,
///                                                  Float16 or BFloat16.
///   unsigned code(float x) const;                  the code of a value over its step: finite, and no larger than `largest`
///                                                  over the step. Default: signed integers, the nearest of
///                                                  -(2^(bits-1) - 1) to 2^(bits-1) - 1, stored plus 2^(bits-1).
///   float level(unsigned code) const;              what a code stands for, over the step; of every code. Default: likewise.
///
/// all but `bits` as KOKKOS_INLINE_FUNCTION. NaN is coded as 0, Inf as the largest finite magnitude of its vector with its
/// sign: NonFinite::saturated. The declared error is half the widest gap between neighbouring levels, so that a scale under
/// which the largest magnitude is beyond the last level by more, or a code that is not the nearest, does not keep it; such a
/// stage has an error_bounds() of its own.
///
/// Planes: codes (see bit_packing.hpp), each vector from a byte of its own, and one scale a vector, both in
/// [layer, head, token] order.
template <class Stage>
struct VectorQuantiser : Quantiser {
    template <class Scale>
    KOKKOS_INLINE_FUNCTION float step(Scale scale) const {
        static_assert(!std::is_integral_v<Scale>,
                      "a VectorQuantiser whose scale_of() returns an integer has `float step(Scale) "
                      "const`: what the integer stands for");
        return to_float(scale);
    }
    KOKKOS_INLINE_FUNCTION unsigned code(float x) const {
        auto const last = static_cast<float>(half() - 1);
        return static_cast<unsigned>(static_cast<int>(Kokkos::rint(Kokkos::fmin(Kokkos::fmax(x, -last), last))) +
                                     half());
    }
    KOKKOS_INLINE_FUNCTION float level(unsigned code) const {
        return static_cast<float>(static_cast<int>(code) - half());
    }

    double nominal_bits(Section const&) const { return stage().bits; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const vectors = section.shape.vectors();
        auto const row = row_bytes(section);
        return {{LedgerLine::payload, vectors * row, false, 1, row},
                {LedgerLine::scales, vectors * scale_bytes(), false, static_cast<std::uint32_t>(scale_bytes()), 1}};
    }
    template <class Space, class T>
    void encode(Space const& space, Section const& section, KvSpan<T const> values, Planes planes, Workspace) const {
        encode_pages(space, values, 1, pages(section, planes[0].data, planes[1].data), VectorCodes<Stage>{stage()});
    }
    template <class Space, class T>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        decode_pages(space, pages(section, planes[0].data, planes[1].data), 1, values, VectorCodes<Stage>{stage()});
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        std::vector<double> levels;
        for (unsigned code = 0; code < 1U << stage().bits; ++code) levels.push_back(stage().level(code));
        std::sort(levels.begin(), levels.end());
        double gap = 0;
        for (std::size_t i = 1; i < levels.size(); ++i) gap = std::max(gap, levels[i] - levels[i - 1]);
        // What dividing and multiplying in float adds, up to the last level.
        auto const rounding = 4 * std::numeric_limits<float>::epsilon() * std::max(-levels.front(), levels.back());
        auto const dim = section.shape.dim;
        for (std::uint64_t i = 0; i < section.shape.values(); i += dim) {
            double const step = stage().step(stage().scale_of(scaled_magnitude(values + i, dim)));
            std::fill_n(bounds + i, dim, step * (gap / 2 + rounding));
        }
    }

  private:
    Stage const& stage() const { return static_cast<Stage const&>(*this); }
    KOKKOS_INLINE_FUNCTION int half() const { return 1 << (static_cast<Stage const&>(*this).bits - 1); }
    std::uint64_t row_bytes(Section const& section) const { return packed_bytes(section.shape.dim, stage().bits); }
    static constexpr std::uint64_t scale_bytes() {
        using Scale = decltype(std::declval<Stage const&>().scale_of(1.0F));
        static_assert(std::is_trivially_copyable_v<Scale>,
                      "a VectorQuantiser's scale_of returns what is stored: plain bytes");
        return sizeof(Scale);
    }
    template <class Byte>
    std::array<PagePlane<Byte>, 2> pages(Section const& section, Byte* codes, Byte* scales) const {
        return {{{codes, row_bytes(section), 0}, {scales, scale_bytes(), 0}}};
    }
};

}  // namespace kvstone
