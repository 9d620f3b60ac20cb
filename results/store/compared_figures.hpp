#pragma once
// Version 11: the figures by which codecs are compared, side by side in one row.

#include <functional>
#include <string>
#include <string_view>

namespace kvstone {

/// The SQL of migration 11.
std::string_view compared_figures_table();

/// SQL for the number of a metric in the file.
using MetricNumber = std::function<std::string(std::string_view metric)>;
/// Looks the number up by the metric's name.
std::string number_of_metric(std::string_view metric);

/// A statement that finds rows of table `compared_figures` from the table `figure`, for the attempts `a` that meet a condition.
std::string compared_figures_sql(std::string_view condition, MetricNumber const& number = number_of_metric);

/// ", VALUE AS NAME" for each column of the table but the attempt, and the joins that these need.
struct ComparedColumns {
    std::string columns, joins;
};
/// Of an outcome `o` of one process, from the table `compared_figures`.
ComparedColumns compared_of_attempt();
/// Of an outcome `o` of several processes, from the table `combined`.
ComparedColumns compared_of_processes();

}  // namespace kvstone
