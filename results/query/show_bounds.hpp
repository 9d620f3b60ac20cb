#pragma once
// Ratios beside what coders of order 0 could reach.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "results/query/query.hpp"

namespace kvstone {

/// What workload entropy found out about the payload of a codec, in bits a value (metrics.cpp says what each is).
struct PayloadBounds {
    double ratio = 0;  ///< entropy_ratio_bound_vs_fp16
    std::optional<double> high_byte;
    std::optional<double> per_channel;
    std::optional<double> given_previous_token;
    std::optional<double> duplicate_rows;  ///< share
    std::uint64_t tokens = 0;              ///< behind a channel's table; 0: not known
};

/// Where a ratio above the bound comes from, or what one below it could still gain: "above: channels -0.31 bit, time -0.12
/// bit, repeats 65%". channels: tables for each channel, that is means and scales that differ among channels, heads and
/// layers; time: the token before tells more than the channel does; repeats: rows that equal an earlier one. Repeats
/// below 0.1% are no cause, nor are differences below 0.005 bit and, of channels, what few tokens leave of the bias. Empty: below the bound, and nothing to gain.
std::string gain_text(double ratio, PayloadBounds const& bounds);

/// A row for each codec, source, context and component of a campaign that workload roundtrip has measured, and workload
/// entropy the values that it codes: codec, source, context, of, vs fp16, bound, gain. `coded_values` tells codecs whose
/// entropy stages code the same values; none: those of one text alone do.
QueryResult bounds_rows(Store const& store, std::string const& campaign,
                        std::function<std::string(std::string const& codec)> const& coded_values = {});

}  // namespace kvstone
