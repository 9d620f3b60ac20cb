#pragma once
// `kvstone list SUBJECT NAME`: one thing in full, for people.

#include <ostream>
#include <string>

#include "results/record/screen.hpp"

namespace kvstone {

/// The stage's summary, source, options on a line each, and the format page at the head of its file. Throws ConfigError
/// where no stage has this name.
void print_stage(std::ostream& out, std::string const& name, Screen const& screen);
/// A preset (its name), or any codec text: its text, its options, its needs, the nearest settings of engines, and the
/// differences. Throws as Codec::parse().
void print_codec(std::ostream& out, std::string const& name, Screen const& screen);
/// Unit, direction, formula, and how the figure of K and V together is made. Throws ConfigError.
void print_metric(std::ostream& out, std::string const& name, Screen const& screen);
/// The workload's summary and every option on a line. Throws ConfigError.
void print_workload(std::ostream& out, std::string const& name, Screen const& screen);

/// The format page at the head of a stage's file, which embed_stage_pages.cmake puts into the program; empty: it has none.
std::string stage_page(std::string const& name);

}  // namespace kvstone
