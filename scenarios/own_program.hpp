#pragma once

#include <filesystem>

namespace kvstone {

/// The file of the program that runs, beside which its kin lie. Where it was started by a loader that was packed with it
/// (`./dev pack cuda`), KVSTONE_PROGRAM names it: the kernel knows the loader alone. Empty where it is unknown.
std::filesystem::path own_program();

}  // namespace kvstone
