#pragma once
// Version 11: the figures by which codecs are compared, side by side in one row.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/record/measurement.hpp"

namespace kvstone {

/// The SQL of migration 11.
std::string_view compared_figures_table();

/// A statement that finds rows of table `compared_figures` from the table `figure`, for the attempts `a` that meet a condition.
std::string compared_figures_sql(std::string_view condition);

/// The columns of such a row behind the attempt, from the attempt's figures, as the statement finds them.
std::vector<std::optional<double>> compared_figures_of(std::vector<Figure> const& figures);

/// ", VALUE AS NAME" for each column of the table but the attempt, and the joins that these need.
struct ComparedColumns {
    std::string columns, joins;
};
/// Of an outcome `o` of one process, from the table `compared_figures`.
ComparedColumns compared_of_attempt();
/// Of an outcome `o` of several processes, from the table `combined`.
ComparedColumns compared_of_processes();

}  // namespace kvstone
