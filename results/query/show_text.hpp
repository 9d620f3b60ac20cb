#pragma once
// Shared parts of `show`: campaigns, titles and numbers.

#include <cstdint>
#include <string>
#include <string_view>

#include "results/query/query.hpp"

namespace kvstone {

enum class Notation : std::uint8_t { decimals, error, count, ratio };
std::string formatted(Notation notation, double value);

/// A value's text or whole number; empty for anything else.
std::string text(QueryValue const& value);

/// SQL for the title of a group of cells that differ in their codec alone. `options` is SQL for the workload's options
/// as JSON, or null; the rest are columns of the table `cell`.
std::string title_sql(std::string_view options);

/// SQL for the domains whose energy the attempts of a campaign (SQL for its number) have read, as their hosts tell them; null:
/// none.
std::string energy_domains_sql(std::string_view campaign);

/// The id of the campaign whose id begins with `given`; empty: of the one last run. Throws ConfigError, which names the
/// campaigns of the file, where none fits, or more than one.
std::string campaign_meant(Store const& store, std::string const& given);

/// Of the times of a codec that is a command: said below tables that have such.
inline constexpr std::string_view times_of_a_command =
    "those of another process, the sending of values there included, and take no part in comparisons of speed";

/// Whether the database, or this connection, has the view. Files that only older builds have written lack some.
bool has_view(Store const& store, std::string const& name);

}  // namespace kvstone
