#pragma once
// Exit codes of the process.

#include <initializer_list>

#include "results/statistics/verdict.hpp"

namespace kvstone {

enum ExitCode : int {
    exit_pass = 0,
    exit_regression = 1,
    exit_bad_input = 2,
    exit_inconclusive = 3,
    exit_failed_cells = 4,  ///< or infrastructure
    exit_missing_cells = 5,
    exit_interrupted = 130
};

/// The code to return where several hold: 2, 1, 4, 5, 3 in that order; an interruption comes before all of them.
constexpr ExitCode worst(std::initializer_list<ExitCode> held) {
    for (auto const code :
         {exit_interrupted, exit_bad_input, exit_regression, exit_failed_cells, exit_missing_cells, exit_inconclusive})
        for (auto const one : held)
            if (one == code) return code;
    return exit_pass;
}

constexpr ExitCode exit_code_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::pass:
        case Verdict::advisory:
            return exit_pass;
        case Verdict::inconclusive:
            return exit_inconclusive;
        case Verdict::missing:
            return exit_missing_cells;
        case Verdict::failed:
            return exit_failed_cells;
        case Verdict::regression:
            break;
    }
    return exit_regression;
}

}  // namespace kvstone
