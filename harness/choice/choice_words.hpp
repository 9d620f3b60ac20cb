#pragma once
// Words and objects that the answers of `kvstone choose` share.

#include <string>
#include <string_view>

#include "harness/choice/choice.hpp"
#include "results/query/candidates.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

/// Where words behind a label begin.
inline constexpr std::size_t label_columns = 13;

/// "  LABEL      words".
std::string labelled(std::string_view label, std::string_view words);
/// "0.002 nat, 95% 0.001..0.003".
std::string nats_text(Estimate const& figure);
/// "a mean KLD of 0.01 nat or less", and the bound of the tail where there is one.
std::string bounds_text(KldBounds const& bounds);
/// Protocol, passages, scored tokens and context of a row.
std::string sureness_text(Candidate const& candidate);

Json number_json(std::optional<double> const& value);
Json figure_json(std::optional<Estimate> const& figure);

}  // namespace kvstone
