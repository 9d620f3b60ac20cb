#pragma once
// Ratios beside the bounds of order-0 coding.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "results/query/query.hpp"

namespace kvstone {

/// Figures of workload entropy about the payload of a codec, in bits per value (metrics.cpp defines each).
struct PayloadBounds {
    double ratio = 0;  ///< entropy_ratio_bound_vs_fp16
    std::optional<double> high_byte;
    std::optional<double> per_channel;
    std::optional<double> given_previous_token;
    std::optional<double> duplicate_rows;  ///< share
    std::uint64_t tokens = 0;              ///< tokens behind a channel's table; 0: not known
};

/// Why a ratio is above its bound, or how a ratio below it could grow: "above: channels -0.31 bit, time -0.12 bit,
/// repeats 65%". channels: tables for each channel, because means and scales differ among channels, heads and layers;
/// time: the token before tells more than the channel does; repeats: rows that equal an earlier one. Repeats below 0.1%
/// are no cause, nor are differences below 0.005 bit; for channels, the bias of few tokens is subtracted. Empty: below
/// the bound, with nothing to gain.
std::string gain_text(double ratio, PayloadBounds const& bounds);

/// A row for each codec, source, context and component of a campaign that workload roundtrip has measured, and whose
/// coded values workload entropy has: codec, source, context, of, vs fp16, bound, gain. `coded_values` returns equal
/// texts for codecs whose entropy stages code the same values; empty: only equal codecs do.
QueryResult bounds_rows(Store const& store, std::string const& campaign,
                        std::function<std::string(std::string const& codec)> const& coded_values = {});

}  // namespace kvstone
