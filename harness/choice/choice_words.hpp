#pragma once
// Words and objects that the answers of `kvstone choose` share.

#include <string>
#include <string_view>

#include "harness/choice/choice.hpp"
#include "results/query/candidates.hpp"
#include "results/record/text_table.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

/// Where words behind a label begin.
inline constexpr std::size_t label_columns = 13;

/// "  LABEL      words".
std::string labelled(std::string_view label, std::string_view words);
/// "0.002 nat, 95% 0.001..0.003".
std::string nats_text(Estimate const& figure);
/// Of each bound but that of the mean KLD a line: "kld_p999 0.2, 95% 0.1..0.3; asked for: kld_p999 <= 0.5 nat". A figure of
/// workload tasks names its row.
std::string other_bounds_text(Bounds const& bounds, Candidate const& candidate);
/// "a mean KLD of 0.01 nat or less and kld_p999 <= 0.5 nat".
std::string bounds_text(Bounds const& bounds);
/// Columns of a table, and a row's cells in them, for these bounds.
std::vector<TextTable::Column> other_bounds_columns(Bounds const& bounds);
std::vector<std::string> other_bounds_cells(Bounds const& bounds, Candidate const& candidate);
/// Protocol, passages, scored tokens and context of a row.
std::string sureness_text(Candidate const& candidate);

Json number_json(std::optional<double> const& value);
Json figure_json(Estimate const& figure);
/// kld_mean, kld_p999 and the other bounded figures of a row, each with its interval; null where it has none. A bounded one
/// says whose it is: workload, row in words, context, cell, and how many rows have it, of which it is the worst.
Json figures_json(Bounds const& bounds, Candidate const& candidate);
/// The bounds as texts: ["kld_p999 <= 0.5 nat"].
Json other_bounds_json(Bounds const& bounds);

}  // namespace kvstone
