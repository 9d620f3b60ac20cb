#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/cache/throttled_link.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {

/// Bytes per second of the links over which fetches are timed: 0.1 to 10 GB/s, six to a factor of ten.
inline constexpr std::array<double, 13> break_even_links{1e8,     1.468e8, 2.154e8, 3.162e8, 4.642e8, 6.813e8, 1e9,
                                                         1.468e9, 2.154e9, 3.162e9, 4.642e9, 6.813e9, 1e10};

/// Medians of fetching one entry over a link.
struct FetchPoint {
    double bytes_per_s = 0;
    double raw_s = 0;    ///< its values without a codec
    double coded_s = 0;  ///< its coded bytes, and then decoding them
};

struct FetchTimes {
    std::vector<FetchPoint> points;  ///< slower links first
    double decode_s = 0;             ///< decoding alone, between the fetches: median
};

/// Fetches an entry over links one after the other, raw and coded in turn, `repetitions` times each. `decode()` takes
/// an entry that has arrived. `Clock`: see ThrottledLink.
template <class Clock, class Decode>
FetchTimes time_fetches(std::span<double const> links, std::uint64_t raw_bytes, std::uint64_t stored_bytes,
                        int repetitions, Decode const& decode) {
    auto const seconds_of = [](auto const& work) {
        auto const start = Clock::now();
        work();
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    FetchTimes times;
    std::vector<double> decode_s;
    for (auto const bytes_per_s : links) {
        std::vector<double> raw_s, coded_s;
        for (int i = 0; i < repetitions; ++i) {
            raw_s.push_back(seconds_of([&] { ThrottledLink<Clock>(bytes_per_s).receive(raw_bytes); }));
            coded_s.push_back(seconds_of([&] {
                ThrottledLink<Clock>(bytes_per_s).receive(stored_bytes);
                decode();
            }));
            decode_s.push_back(seconds_of(decode));
        }
        times.points.push_back({bytes_per_s, median(std::move(raw_s)), median(std::move(coded_s))});
    }
    times.decode_s = median(std::move(decode_s));
    return times;
}

/// Bandwidth below which a codec pays where decoding follows the transfer: (1 - stored / raw) x raw bytes decoded per
/// second.
double break_even_bytes_per_s(std::uint64_t raw_bytes, std::uint64_t stored_bytes, double decode_s);

/// Bandwidth at which both fetches take equally long: between the last link on which the coded one is faster and the
/// next. The time saved is linear in the transfer time of a byte, and is interpolated in it. Nothing where one is
/// faster on all links.
std::optional<double> crossing_bytes_per_s(std::span<FetchPoint const> points);

}  // namespace kvstone
