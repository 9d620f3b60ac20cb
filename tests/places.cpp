#include "tests/places.hpp"

namespace kvstone {

std::string source_folder() { return KVSTONE_SOURCE_FOLDER; }
std::string programs_folder() { return KVSTONE_PROGRAMS; }

}  // namespace kvstone
