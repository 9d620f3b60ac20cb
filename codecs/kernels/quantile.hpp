#pragma once
// Exact quantiles and samples of a tensor's finite values, without sorting it.

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/host_for.hpp"
#include "backends/kernels/runs.hpp"
#include "backends/spaces.hpp"
#include "codecs/kernels/quantile_bracket.hpp"

namespace kvstone {

/// Orders values by magnitude: their bits without the sign. `least` and `most` are the keys of finite values.
struct Magnitude {
    static constexpr std::uint32_t least = 0;
    static constexpr std::uint32_t most = 0x7f7fffff;
    KOKKOS_INLINE_FUNCTION std::uint32_t operator()(float value) const {
        return Kokkos::bit_cast<std::uint32_t>(value) & 0x7fffffffU;
    }
    static float value(std::uint32_t key) { return std::bit_cast<float>(key); }
};

/// Orders values as numbers: negative ones with their bits turned round, the others above them.
struct Signed {
    static constexpr std::uint32_t least = 0x00800000;
    static constexpr std::uint32_t most = 0xff7fffff;
    KOKKOS_INLINE_FUNCTION std::uint32_t operator()(float value) const {
        auto const bits = Kokkos::bit_cast<std::uint32_t>(value);
        return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
    }
    static float value(std::uint32_t key) {
        return std::bit_cast<float>((key & 0x80000000U) != 0 ? key & 0x7fffffffU : ~key);
    }
};

/// Finds the ceil(p n)-th smallest of n finite values, exactly: on the host in one pass where samples tell roughly where
/// (see quantile_bracket.hpp), else by counting: three passes, each over 11 or 10 bits of the key, of the values that
/// share the bits found so far.
class QuantileFinder {
  public:
    static constexpr std::size_t workspace_bytes() {
        return std::max(shares * bins * sizeof(std::uint64_t), QuantileBracket::workspace_bytes());
    }
    explicit QuantileFinder(std::byte* workspace)
        : counts_(reinterpret_cast<std::uint64_t*>(workspace)), bracket_(workspace) {}

    /// 0 where no value is finite.
    template <class Space, class T, class Key>
    float find(Space const& space, KvSpan<T const> values, Key const& key, double p) const {
        return find(space, values, key, std::array{p})[0];
    }

    /// Several at once: on the host the same single pass. All 0 where no value is finite.
    template <class Space, class T, class Key, std::size_t N>
    std::array<float, N> find(Space const& space, KvSpan<T const> values, Key const& key,
                              std::array<double, N> const& ps) const {
        std::array<float, N> found;
        if constexpr (runs_on_host<Space>) {
            if (auto const keys = bracket_.find(space, values, key, ps)) {
                std::ranges::transform(*keys, found.begin(), [](auto k) { return Key::value(k); });
                return found;
            }
        }
        std::ranges::transform(ps, found.begin(), [&](double p) { return find_by_counting(space, values, key, p); });
        return found;
    }

    /// 0 where no value is finite. Counts are whole numbers: the result does not depend on threads.
    template <class Space, class T, class Key>
    float find_by_counting(Space const& space, KvSpan<T const> values, Key const& key, double p) const {
        std::uint32_t prefix = 0;
        std::uint64_t rank = 0;
        unsigned found_bits = 0;
        for (unsigned const bits : {11U, 11U, 10U}) {
            unsigned const shift = 32 - found_bits - bits;
            count(space, values, key, found_bits, prefix, shift, (1U << bits) - 1);
            auto const totals = fetch(space);
            if (found_bits == 0) {
                std::uint64_t finite = 0;
                for (auto const total : totals) finite += total;
                if (finite == 0) return 0;
                rank = quantile_rank(p, finite);
            }
            std::uint32_t bin = 0;
            while (rank >= totals[bin]) rank -= totals[bin++];
            prefix = prefix << bits | bin;
            found_bits += bits;
        }
        return Key::value(prefix);
    }

    /// Adds values to the bins of their next bits. Public, as every function with a kernel has to be.
    template <class Space, class T, class Key>
    void count(Space const& space, KvSpan<T const> values, Key const& key, unsigned found_bits, std::uint32_t prefix,
               unsigned shift, std::uint32_t mask) const {
        Runs<T const> const runs(values);
        auto* const counts = counts_;
        Kokkos::parallel_for(
            "quantile_clear", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shares * bins)),
            KOKKOS_LAMBDA(std::int64_t const i) { counts[i] = 0; });
        // A shift by 32 is undefined: with nothing found yet, every key shares the empty prefix.
        unsigned const found_shift = found_bits == 0 ? 31 : 32 - found_bits;
        std::uint32_t const found_mask = found_bits == 0 ? 0 : ~std::uint32_t{0};
        auto const bin_of = KOKKOS_LAMBDA(float const value)->std::int32_t {
            auto const at = key(value);
            bool const finite = (Kokkos::bit_cast<std::uint32_t>(value) & 0x7f800000U) != 0x7f800000U;
            bool const shares_prefix = ((at >> found_shift) & found_mask) == prefix;
            return finite && shares_prefix ? static_cast<std::int32_t>(at >> shift & mask) : -1;
        };
        if constexpr (runs_on_host<Space>) {
            auto const blocks = runs.blocks();
            host_for(space, "quantile_count", static_cast<std::int64_t>(shares), [=](std::int64_t const share) {
                auto* const own = counts + share * static_cast<std::int64_t>(bins);
                for (auto b = share; b < blocks; b += static_cast<std::int64_t>(shares)) {
                    auto const block = runs.block(b);
                    for (std::uint64_t i = 0; i < block.count; ++i) {
                        auto const bin = bin_of(to_float(block.values[i]));
                        if (bin >= 0) ++own[bin];
                    }
                }
            });
        } else {
            Kokkos::parallel_for(
                "quantile_count", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(runs.values())),
                KOKKOS_LAMBDA(std::int64_t const i) {
                    auto const bin = bin_of(to_float(runs.value(static_cast<std::uint64_t>(i))));
                    if (bin >= 0) Kokkos::atomic_inc(&counts[bin]);
                });
        }
        Kokkos::parallel_for(
            "quantile_merge", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(bins)),
            KOKKOS_LAMBDA(std::int64_t const bin) {
                for (std::size_t share = 1; share < shares; ++share) {
                    counts[bin] += counts[share * bins + static_cast<std::size_t>(bin)];
                }
            });
    }

  private:
    static constexpr std::size_t bins = 2048;
    /// Each with bins of its own: no two threads count in one place.
    static constexpr std::size_t shares = 32;

    template <class Space>
    std::array<std::uint64_t, bins> fetch(Space const& space) const {
        space.fence();
        std::array<std::uint64_t, bins> totals;
        copy_to_host(backend_of<Space>, reinterpret_cast<std::byte*>(totals.data()),
                     reinterpret_cast<std::byte const*>(counts_), sizeof(totals));
        return totals;
    }

    std::uint64_t* counts_;
    QuantileBracket bracket_;
};

/// Packed index of the i-th of `count` evenly spaced samples of n values.
KOKKOS_INLINE_FUNCTION std::uint64_t sample_index(std::uint64_t i, std::uint64_t count, std::uint64_t n) {
    return n / count * i + n % count * i / count;
}

/// samples[i] = the value at floor(i n / count) in packed order.
template <class Space, class T>
void draw_samples(Space const& space, KvSpan<T const> values, float* samples, std::uint64_t count) {
    Runs<T const> const runs(values);
    auto const n = values.shape.values();
    Kokkos::parallel_for(
        "draw_samples", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(count)),
        KOKKOS_LAMBDA(std::int64_t const i) {
            auto const at = static_cast<std::uint64_t>(i);
            samples[at] = to_float(runs.value(sample_index(at, count, n)));
        });
}

}  // namespace kvstone
