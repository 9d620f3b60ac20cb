#pragma once
// Where this build has its sources and programs. Known to one source file alone: the others compile alike in every
// checkout, and share the compiler cache.

#include <string>

namespace kvstone {

std::string source_folder();    ///< of the checkout
std::string programs_folder();  ///< of kvstone, kvstone-attempt and their kin

}  // namespace kvstone
