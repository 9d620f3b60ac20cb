#include "backends/kernels/roofline.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include <Kokkos_Core.hpp>

#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/map_values.hpp"
#include "backends/kernels/runs.hpp"
#include "backends/spaces.hpp"
#include "backends/timer.hpp"

namespace kvstone {

using Word = unsigned long long;

/// `work(first, count)` over equal shares of `words`, one a thread. Host only.
template <class Space, class Work>
void share_words(Space const& space, std::size_t words, Work const& work) {
    auto const shares = static_cast<std::size_t>(space.concurrency());
    // Shares start at cache lines, so that each can be streamed.
    constexpr std::size_t line_words = cache_line_bytes / sizeof(Word);
    auto const share = (words / shares + line_words - 1) / line_words * line_words;
    Kokkos::parallel_for("roofline_share", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shares)),
                         [=](std::int64_t const i) {
                             auto const first = std::min(static_cast<std::size_t>(i) * share, words);
                             work(first, std::min(share, words - first));
                         });
}

template <class Space>
void copy_words(Space const& space, Word* to, Word const* from, std::size_t words) {
    if constexpr (runs_on_host<Space>) {
        share_words(space, words, [to, from](std::size_t first, std::size_t count) {
            std::memcpy(to + first, from + first, count * sizeof(Word));
        });
    } else {
        Kokkos::parallel_for(
            "roofline_copy", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(words)),
            KOKKOS_LAMBDA(std::int64_t const i) { to[i] = from[i]; });
    }
}

/// Copy with stores that pass the cache. Host only.
template <class Space>
void stream_words(Space const& space, Word* to, Word const* from, std::size_t words) {
    share_words(space, words, [to, from](std::size_t first, std::size_t count) {
        copy_bytes(to + first, from + first, count * sizeof(Word), true);
        finish_stores();
    });
}

template <class Space>
Word read_words(Space const& space, Word const* from, std::size_t words) {
    Word sum = 0;
    if constexpr (runs_on_host<Space>) {
        constexpr std::size_t block = 2048;
        Kokkos::parallel_reduce(
            "roofline_read", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(words / block)),
            [=](std::int64_t const i, Word& partial) {
                auto const* const first = from + static_cast<std::size_t>(i) * block;
                Word total = 0;
                for (std::size_t w = 0; w < block; ++w) total += first[w];
                partial += total;
            },
            sum);
    } else {
        Kokkos::parallel_reduce(
            "roofline_read", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(words)),
            KOKKOS_LAMBDA(std::int64_t const i, Word& partial) { partial += from[i]; }, sum);
    }
    return sum;
}

template <class Space>
void write_words(Space const& space, Word* to, std::size_t words, Word value) {
    if constexpr (runs_on_host<Space>) {
        share_words(space, words,
                    [to, value](std::size_t first, std::size_t count) { std::fill_n(to + first, count, value); });
    } else {
        Kokkos::parallel_for(
            "roofline_write", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(words)),
            KOKKOS_LAMBDA(std::int64_t const i) { to[i] = value; });
    }
}

namespace {

/// Median of 10^9 bytes per second over the passes, after one that is not timed.
template <class Work>
double median_gb_per_s(BackendKind kind, double bytes, int passes, Work const& work) {
    work();
    std::vector<double> rates;
    for (int pass = 0; pass < passes; ++pass) {
        rates.push_back(bytes / static_cast<double>(std::max<std::int64_t>(1, fenced_ns(kind, work))));
    }
    auto const middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
    std::ranges::nth_element(rates, middle);
    return *middle;
}

template <class Space>
Roofline measure(Space const& space, BackendKind kind, std::size_t bytes, int passes) {
    constexpr std::size_t granule = 16384;
    auto const words = std::max<std::size_t>(1, bytes / granule) * (granule / sizeof(Word));
    auto const moved = static_cast<double>(words * sizeof(Word));
    Buffer const source(kind, words * sizeof(Word));
    Buffer const target(kind, words * sizeof(Word));
    auto* const from = reinterpret_cast<Word*>(source.data());
    auto* const to = reinterpret_cast<Word*>(target.data());
    write_words(space, from, words, 1);

    Roofline roofline;
    roofline.passes = passes;
    roofline.copy_gb_per_s = median_gb_per_s(kind, 2 * moved, passes, [&] { copy_words(space, to, from, words); });
    if constexpr (runs_on_host<Space> && has_streaming_stores()) {
        roofline.streaming_copy_gb_per_s =
            median_gb_per_s(kind, 2 * moved, passes, [&] { stream_words(space, to, from, words); });
    }
    Word volatile sum = 0;
    roofline.read_gb_per_s = median_gb_per_s(kind, moved, passes, [&] { sum = read_words(space, from, words); });
    roofline.write_gb_per_s = median_gb_per_s(kind, moved, passes, [&] { write_words(space, to, words, 2); });
    return roofline;
}

}  // namespace

void copy_pass(BackendKind kind, std::byte* to, std::byte const* from, std::size_t bytes, bool streaming) {
    auto* const target = reinterpret_cast<Word*>(to);
    auto const* const source = reinterpret_cast<Word const*>(from);
    with_space(kind, [&](auto const& space) {
        if constexpr (runs_on_host<std::decay_t<decltype(space)>>) {
            if (streaming) return stream_words(space, target, source, bytes / sizeof(Word));
        }
        copy_words(space, target, source, bytes / sizeof(Word));
    });
    fence(kind);
}

Roofline measure_roofline(BackendKind kind, std::size_t bytes, int passes) {
    return with_space(kind, [&](auto const& space) { return measure(space, kind, bytes, std::max(1, passes)); });
}

}  // namespace kvstone
