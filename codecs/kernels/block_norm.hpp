#pragma once
// Pages of vectors that are cut into blocks, each with its own step, the largest values kept by themselves.

#include <array>
#include <cstdint>
#include <cstring>

#include <Kokkos_BitManipulation.hpp>
#include <Kokkos_Macros.hpp>

#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/kv_page.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/pages/kept_values.hpp"
#include "codecs/kernels/uniform_grid.hpp"

namespace kvstone {

/// Planes of a page of tokens: payload, scales, outliers.
template <class Code>
struct BlockNorm {
    static constexpr std::uint64_t tokens_at_a_time = 16;
    static constexpr std::uint64_t most_values = 256;
    static constexpr std::uint64_t most_kept = 64;

    UniformGrid grid;
    std::uint64_t size;
    std::uint64_t kept;  ///< of a full block
    std::uint64_t tail_kept;

    KOKKOS_INLINE_FUNCTION std::uint64_t kept_of(std::uint64_t n) const { return n == size ? kept : tail_kept; }
    KOKKOS_INLINE_FUNCTION std::uint64_t payload_of(std::uint64_t n) const {
        return packed_bytes(n - kept_of(n), grid.bits);
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t outliers_of(std::uint64_t n) const { return kept_of(n) * 3; }

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 3> to) const {
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += size) {
                auto const n = page.dim - first < size ? page.dim - first : size;
                encode_block(page.vector(t) + first, n, to);
                to[0] += payload_of(n);
                to[1] += sizeof(Float16);
                to[2] += outliers_of(n);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 3> from, Page<T> const& page) const {
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += size) {
                auto const n = page.dim - first < size ? page.dim - first : size;
                decode_block(from, n, page.vector(t) + first);
                from[0] += payload_of(n);
                from[1] += sizeof(Float16);
                from[2] += outliers_of(n);
            }
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void encode_block(T const* values, std::uint64_t n,
                                             std::array<std::byte*, 3> const& to) const {
        float others[most_values];
        keep(values, n, to[2], others);
        auto const done = n - kept_of(n);
        float least = 0;
        float most = 0;
        grid.range(others, done, least, most);
        most = widened(most);
        least = -most;
        GridSteps<1> steps;
        grid.store(&least, &most, 1, to[1], nullptr, steps);
        Code codes[most_values];
        grid.template quantise<false>(others, done, steps.zero, steps.inverse, codes);
        pack_codes(grid.bits, codes, done, to[0]);
    }

    /// The largest values to their plane, the others side by side.
    template <class T>
    KOKKOS_INLINE_FUNCTION void keep(T const* values, std::uint64_t n, std::byte* outliers, float* others) const {
        auto const k = kept_of(n);
        std::uint64_t places[most_kept];
        find_largest(values, n, k, places);
        std::uint64_t done = 0;
        std::uint64_t from = 0;
        for (std::uint64_t j = 0; j <= k; ++j) {
            auto const end = j < k ? places[j] : n;
            for (; from < end; ++from) others[done++] = to_float(values[from]);
            if (j == k) break;
            float const value = to_float(values[from]);
            put_as(outliers + j * sizeof(Float16), saturated_half(value == value ? value : 0.0F));
            outliers[k * sizeof(Float16) + j] = static_cast<std::byte>(from);
            ++from;
        }
    }

    /// On the host some blocks go through each step together: what one step writes another one reads much later.
    static constexpr std::uint64_t blocks_together = 16;
    struct Together {
        alignas(cache_line_bytes) float others[blocks_together][most_values + kept_padding];
        std::uint64_t done[blocks_together];
        float most[blocks_together];
        std::uint64_t count = 0;
    };

    void encode_page(Page<float const> const& page, std::array<std::byte*, 3> to) const {
        Together blocks;
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += size) {
                auto const n = page.dim - first < size ? page.dim - first : size;
                auto const* const values = page.vector(t) + first;
                auto const b = blocks.count++;
                auto const k = kept_of(n);
                blocks.done[b] = n - k;
                if (k > most_kept_at_once || !keep_largest(values, n, k, to[2], blocks.others[b], blocks.most[b])) {
                    float least = 0;
                    keep(values, n, to[2], blocks.others[b]);
                    grid.range(blocks.others[b], n - k, least, blocks.most[b]);
                }
                to[2] += outliers_of(n);
                if (blocks.count == blocks_together) encode_together(blocks, to);
            }
        }
        encode_together(blocks, to);
    }
    void encode_together(Together& blocks, std::array<std::byte*, 3>& to) const {
        float least[blocks_together];
        for (std::uint64_t b = 0; b < blocks.count; ++b) {
            blocks.most[b] = widened(blocks.most[b]);
            least[b] = -blocks.most[b];
        }
        GridSteps<blocks_together> steps;
        grid.store(least, blocks.most, blocks.count, to[1], to[1], steps);  // no zero points: symmetric
        to[1] += blocks.count * sizeof(Float16);
        for (std::uint64_t b = 0; b < blocks.count; ++b) {
            // Whole words of 64 codes: zero bits follow the last one.
            alignas(cache_line_bytes) Code codes[most_values];
            alignas(cache_line_bytes) std::byte packed[most_values * sizeof(Code)];
            auto const done = blocks.done[b];
            auto const whole = (done + 63) / 64 * 64;
            grid.template quantise<false>(blocks.others[b], done, steps.zero + b, steps.inverse + b, codes);
            for (auto i = done; i < whole; ++i) codes[i] = 0;
            pack_codes(grid.bits, codes, whole, packed);
            auto const bytes = packed_bytes(done, grid.bits);
            std::memcpy(to[0], packed, bytes);
            to[0] += bytes;
        }
        blocks.count = 0;
    }

    /// A range that binary16 does not round to less.
    KOKKOS_INLINE_FUNCTION static float widened(float most) { return most < 0x1p126F ? most * (1 + 0x1p-11F) : most; }

    /// Indices of the k largest finite magnitudes, ascending.
    template <class T>
    KOKKOS_INLINE_FUNCTION static void find_largest(T const* __restrict__ values, std::uint64_t n, std::uint64_t k,
                                                    std::uint64_t* places) {
        if (k == 0) return;
        std::int32_t keys[most_values];
        for (std::uint64_t i = 0; i < n; ++i) {
            auto const magnitude = Kokkos::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
            keys[i] = magnitude < 0x7f800000 ? magnitude : -1;
        }
        for (std::uint64_t j = 0; j < k; ++j) {
            auto largest = INT32_MIN;
            for (std::uint64_t i = 0; i < n; ++i) largest = keys[i] > largest ? keys[i] : largest;
            // The first one, found in a loop that looks at all: it vectorises.
            std::int32_t first = most_values;
            for (std::int32_t i = 0; i < static_cast<std::int32_t>(n); ++i) {
                auto const place = keys[i] == largest ? i : static_cast<std::int32_t>(most_values);
                first = place < first ? place : first;
            }
            keys[first] = INT32_MIN;
            auto const place = static_cast<std::uint64_t>(first);
            auto at = j;
            for (; at > 0 && places[at - 1] > place; --at) places[at] = places[at - 1];
            places[at] = place;
        }
    }

    template <class T>
    KOKKOS_INLINE_FUNCTION void decode_block(std::array<std::byte const*, 3> const& from, std::uint64_t n,
                                             T* values) const {
        Code codes[most_values];
        unpack_codes(grid.bits, from[0], n - kept_of(n), codes);
        GridSteps<1> steps;
        grid.load(1, from[1], nullptr, steps);
        float others[most_values];
        grid.template restore<false>(codes, n - kept_of(n), steps.zero, steps.scale, others);
        put_between(others, n, from[2], values, [](float const* source, std::uint64_t count, T* place) {
            for (std::uint64_t i = 0; i < count; ++i) place[i] = nearest_element<T>(source[i]);
        });
    }
    /// The others to their places, by copy(source, count, place), and what was kept between them.
    template <class T, class Copy>
    KOKKOS_INLINE_FUNCTION void put_between(float const* others, std::uint64_t n, std::byte const* outliers, T* values,
                                            Copy const& copy) const {
        auto const k = kept_of(n);
        std::uint64_t done = 0;
        std::uint64_t to = 0;
        for (std::uint64_t j = 0; j <= k; ++j) {
            // Whatever the index, as many places are left as there are outliers to come.
            std::uint64_t end = j < k ? static_cast<std::uint64_t>(outliers[k * sizeof(Float16) + j]) : n;
            end = end < to ? to : end;
            end = end > n - (k - j) ? n - (k - j) : end;
            copy(others + done, end - to, values + to);
            done += end - to;
            to = end;
            if (j < k) values[to++] = nearest_element<T>(to_float(get_as<Float16>(outliers + j * sizeof(Float16))));
        }
    }
    /// On the host all goes by whole lines, as far as what is written beyond a run is written again.
    void decode_page(std::array<std::byte const*, 3> from, Page<float> const& page) const {
        constexpr std::uint64_t line = line_values<float>;
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += size) {
                auto const n = page.dim - first < size ? page.dim - first : size;
                auto const coded = n - kept_of(n);
                alignas(cache_line_bytes) Code codes[most_values];
                alignas(cache_line_bytes) std::byte packed[most_values * sizeof(Code)] = {};
                alignas(cache_line_bytes) float others[most_values + line];
                std::memcpy(packed, from[0], packed_bytes(coded, grid.bits));
                auto const whole = (coded + 63) / 64 * 64;
                unpack_codes(grid.bits, packed, whole, codes);
                GridSteps<1> steps;
                grid.load(1, from[1], from[1], steps);
                grid.template restore<false>(codes, whole, steps.zero, steps.scale, others);
                auto* const values = page.vector(t) + first;
                put_between(others, n, from[2], values, [&](float const* source, std::uint64_t count, float* place) {
                    for (std::uint64_t i = 0; i < count; i += line) {
                        bool const within = place + i + line <= values + n;
                        std::memcpy(place + i, source + i, (within ? line : count - i) * sizeof(float));
                    }
                });
                from[0] += payload_of(n);
                from[1] += sizeof(Float16);
                from[2] += outliers_of(n);
            }
        }
    }
};

}  // namespace kvstone
