#pragma once
// Where the work of a codec went: the functions whose instructions grew between two builds.

#include <string>
#include <vector>

#include "results/verdict/gate.hpp"

namespace kvstone {

/// The growth of one function's own instructions per value, and both counts.
struct GrownFunction {
    std::string name;
    double base = 0;
    double head = 0;
};

/// The functions of a counted pass that grew, the most first, at most `most`, by the attempts of a cell's stage "work". `metric`
/// is encode_instructions or decode_instructions; of every other one, and where a side has no counts, nothing. A function
/// that only moved into another one counts as grown where it went.
std::vector<GrownFunction> grown_functions(std::vector<GateAttempt> const& attempts, std::string const& cell,
                                           std::string const& metric, std::string const& component,
                                           std::size_t most = 3);

/// A line for each cell and pass whose instructions grew by half a per cent or more, the first 20 of them: "... encode_instructions
/// 1.1 to 1.52 a value; int_codes +0.42 (0.6 to 1.02); ...". Long names of functions are cut.
std::vector<std::string> where_work_went(Evidence const& evidence);

}  // namespace kvstone
