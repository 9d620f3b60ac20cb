#pragma once

#include "scenarios/scenario.hpp"

namespace kvstone {

/// The names that this program knows, for the scenarios it reads.
Vocabulary vocabulary();
/// The folder of the scenarios that ship with the program, or empty where it is not found.
std::string scenario_library();
/// `name` itself where it is a file, else the shipped scenario of that name ("quickstart").
std::string scenario_path(std::string const& name);

}  // namespace kvstone
