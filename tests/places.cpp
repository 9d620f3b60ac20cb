#include "tests/places.hpp"

#include <filesystem>

#include "scenarios/own_program.hpp"

namespace kvstone {

// Packed programs bring along what tests read.
std::string source_folder() {
    auto const packed = own_program().parent_path().parent_path() / "share" / "kvstone";
    return std::filesystem::exists(packed / "tests") ? packed.string() : KVSTONE_SOURCE_FOLDER;
}

std::string programs_folder() { return KVSTONE_PROGRAMS; }

}  // namespace kvstone
