#pragma once
// Where the running program is, and everything that ships with it. No path of the build is compiled in: an installed tree
// may be moved, and the build folder has the same shape.
//
//   PREFIX/bin/kvstone                    the command; in the build folder all programs and modules lie beside it
//   PREFIX/libexec/kvstone/               kvstone-attempt, kvstone_mpi.so
//   PREFIX/lib/kvstone/                   codecs of the shipped scenarios, as shared libraries
//   PREFIX/share/kvstone/                 scenarios/, models/, slurm/, known_models.txt, data.txt, ..., and in an installed
//                                         tree the line `origin`, which says how it was installed

#include <filesystem>
#include <string>

namespace kvstone {

/// The file of the program that runs, beside which its kin lie. Where it was started by a loader that was packed with it
/// (`./dev pack cuda`), KVSTONE_PROGRAM names it: the kernel knows the loader alone. Empty where it is unknown.
std::filesystem::path own_program();

/// How the running program came to this machine, and the tree that it belongs to: "Debian package
/// kvstone_0.2.0_amd64.deb, in /usr" of an installed one, else "a build, in FOLDER".
std::string own_origin();

/// A program or module that users do not start themselves: beside the running program, else in libexec/kvstone. The first
/// place where neither has it.
std::filesystem::path own_helper(std::string const& name);

/// The file of a codec library that ships with KVstone, such as "int4.so". It need not exist.
std::filesystem::path shipped_library(std::string const& name);

/// A file or folder of share/kvstone, such as "scenarios": in $KVSTONE_DATA where that has it, else in the tree that the
/// running program belongs to. Empty where there is none.
std::filesystem::path shipped_file(std::string const& name);

}  // namespace kvstone
