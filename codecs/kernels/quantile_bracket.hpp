#pragma once
// Exact quantiles in one pass over the values, where samples of them tell roughly where the quantiles lie. Host only.
//
// Samples put each quantile between two keys. The pass counts what lies below those and keeps what lies between them,
// among which the quantile is then selected: exactly, whatever the samples were. Where they led astray (the quantile lies
// outside, or too much inside) there is no answer, and the caller has to find it in another way.

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/host_for.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/runs.hpp"
#include "backends/kernels/value_ends.hpp"

namespace kvstone {

/// Place of the i-th of `count` samples of n >= count values: one at random in each of `count` equal parts, so that no
/// period in the data (the channels of its vectors) can coincide with that of the samples. Deterministic.
inline std::uint64_t scattered_index(std::uint64_t i, std::uint64_t count, std::uint64_t n) {
    auto const part = n / count;
    auto const mixed = (i + 1) * 0x9e3779b97f4a7c15U;  // 2^64 over the golden ratio: Fibonacci hashing
    return i * part + (mixed >> 32) % part;
}

/// The 0-based rank of the p-quantile of n > 0 values: the ceil(p n)-th smallest.
inline std::uint64_t quantile_rank(double p, std::uint64_t n) {
    auto const wanted = static_cast<std::uint64_t>(std::ceil(p * static_cast<double>(n)));
    return std::clamp<std::uint64_t>(wanted, 1, n) - 1;
}

class QuantileBracket {
  public:
    static constexpr std::size_t workspace_bytes() {
        return (most_kept + keep_keys_slack) * sizeof(std::uint32_t) + sizeof(Counters);
    }
    explicit QuantileBracket(std::byte* workspace)
        : counters_(reinterpret_cast<Counters*>(workspace)),
          kept_(reinterpret_cast<std::uint32_t*>(workspace + sizeof(Counters))) {}

    /// Keys of the quantiles at ps, in one pass; nothing where the samples led astray, or no value is finite.
    template <class Space, class T, class Key, std::size_t N>
    std::optional<std::array<std::uint32_t, N>> find(Space const& space, KvSpan<T const> values, Key const& key,
                                                     std::array<double, N> const& ps) const {
        auto const ranges = brackets(space, values, key, ps);
        if (!ranges) return std::nullopt;
        *counters_ = {};
        pass(space, values, key, *ranges);
        space.fence();
        if (counters_->finite == 0 || counters_->kept > most_kept) return std::nullopt;
        std::array<std::uint32_t, N> found;
        for (std::size_t i = 0; i < N; ++i) {
            auto const rank = quantile_rank(ps[i], counters_->finite);
            if (rank < counters_->below[i]) return std::nullopt;
            auto const selected = select(std::span(kept_, counters_->kept), (*ranges)[i], rank - counters_->below[i]);
            if (!selected) return std::nullopt;
            found[i] = *selected;
        }
        return found;
    }

    /// Counts and keeps. Public, as every function with a kernel has to be.
    template <class Space, class T, class Key, std::size_t N>
    void pass(Space const& space, KvSpan<T const> values, Key const& key, std::array<KeyRange, N> const& ranges) const {
        Runs<T const> const runs(values);
        auto* const counters = counters_;
        auto* const kept = kept_;
        host_for(space, "quantile_pass", runs.blocks(), [=](std::int64_t const b) {
            auto const block = runs.block(b);
            for (std::uint64_t done = 0; done < block.count; done += chunk) {
                auto const count = std::min(chunk, block.count - done);
                add(*counters, kept, block.values + done, count, key, ranges);
            }
        });
    }

    template <class Space, class T, class Key>
    void draw(Space const& space, KvSpan<T const> values, Key const& key) const {
        Runs<T const> const runs(values);
        auto* const drawn = kept_;
        Kokkos::parallel_for("quantile_draw", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(samples)),
                             [=](std::int64_t const i) {
                                 auto const place =
                                     scattered_index(static_cast<std::uint64_t>(i), samples, runs.values());
                                 drawn[i] = key(to_float(runs.value(place)));
                             });
        space.fence();
    }

  private:
    struct alignas(cache_line_bytes) Counters {
        std::uint64_t finite;
        std::uint64_t kept;  ///< more than most_kept where they are not all there
        std::uint64_t below[4];
    };
    static constexpr std::uint64_t samples = std::uint64_t{1} << 17;
    static constexpr std::uint64_t most_kept = std::uint64_t{1} << 20;
    static constexpr std::uint64_t chunk = 2048;
    /// Half the width of a bracket, in standard deviations of the rank of a sample: one in 10^5 misses.
    static constexpr double deviations = 4.5;

    /// Where the quantiles are to be looked for; nothing where no sample is finite.
    template <class Space, class T, class Key, std::size_t N>
    std::optional<std::array<KeyRange, N>> brackets(Space const& space, KvSpan<T const> values, Key const& key,
                                                    std::array<double, N> const& ps) const {
        static_assert(N <= 4);
        std::array<KeyRange, N> ranges;
        auto const n = values.shape.values();
        if (n <= 2 * samples) {
            ranges.fill({Key::least, Key::most - Key::least});
            return ranges;
        }
        draw(space, values, key);
        auto const drawn = keep_keys(kept_, samples, std::array{KeyRange{Key::least, Key::most - Key::least}}, kept_);
        if (drawn == 0) return std::nullopt;
        std::span const sample(kept_, drawn);
        auto const size = static_cast<double>(drawn);
        for (std::size_t i = 0; i < N; ++i) {
            double const middle = ps[i] * size;
            double const reach = deviations * std::sqrt(middle * (1 - ps[i])) + 2;
            auto const at = [&](double rank) {
                auto const place = sample.begin() + static_cast<std::ptrdiff_t>(rank);
                std::ranges::nth_element(sample, place);
                return *place;
            };
            auto const low = middle - reach < 0 ? Key::least : at(middle - reach);
            auto const high = middle + reach >= size ? Key::most : at(middle + reach);
            ranges[i] = {low, high - low};
        }
        return ranges;
    }

    /// The one of that rank among the keys in a range, where there are so many: by counting, 12 bits at a time.
    static std::optional<std::uint32_t> select(std::span<std::uint32_t const> keys, KeyRange range,
                                               std::uint64_t rank) {
        constexpr int bin_bits = 12;
        constexpr std::size_t bins = std::size_t{1} << bin_bits;
        for (;;) {
            int const shift =
                std::max(0, static_cast<int>(std::bit_width(range.width)) - bin_bits);  // unsigned before GCC 13
            std::array<std::uint32_t, bins + 1> counts{};
            for (auto const key : keys) ++counts[range.holds(key) ? (key - range.low) >> shift : bins];
            std::size_t bin = 0;
            while (bin < bins && rank >= counts[bin]) rank -= counts[bin++];
            if (bin == bins) return std::nullopt;
            auto const offset = static_cast<std::uint32_t>(bin) << shift;
            if (shift == 0) return range.low + offset;
            range = {range.low + offset, std::min(range.width - offset, (std::uint32_t{1} << shift) - 1)};
        }
    }

    template <class T, class Key, std::size_t N>
    static void add(Counters& counters, std::uint32_t* kept, T const* values, std::uint64_t count, Key const& key,
                    std::array<KeyRange, N> const& ranges) {
        alignas(cache_line_bytes) std::uint32_t keys[chunk];
        alignas(cache_line_bytes) std::uint32_t held[chunk + keep_keys_slack];
        std::uint32_t finite = 0;
        std::array<std::uint32_t, N> below{};
        for (std::uint64_t i = 0; i < count; ++i) {
            keys[i] = key(to_float(values[i]));
            finite += keys[i] - Key::least <= Key::most - Key::least ? 1U : 0U;
        }
        for (std::size_t r = 0; r < N; ++r) {
            // Without the keys below every finite value: wrapped round, they are large.
            auto const end = ranges[r].low - Key::least;
            std::uint32_t counted = 0;
            for (std::uint64_t i = 0; i < count; ++i) counted += keys[i] - Key::least < end ? 1U : 0U;
            below[r] = counted;
        }
        auto const found = keep_keys(keys, count, ranges, held);
        Kokkos::atomic_add(&counters.finite, std::uint64_t{finite});
        for (std::size_t r = 0; r < N; ++r) Kokkos::atomic_add(&counters.below[r], std::uint64_t{below[r]});
        auto const at = Kokkos::atomic_fetch_add(&counters.kept, std::uint64_t{found});
        if (at + found <= most_kept) std::copy_n(held, found, kept + at);
    }

    Counters* counters_;
    std::uint32_t* kept_;
};

}  // namespace kvstone
