#pragma once
// A small scenario in the fake vocabulary, and plans as texts.

#include <string>
#include <vector>

#include "scenarios/scenario.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"

namespace kvstone {

inline Plan plan_of(std::string const& yaml, PlanOptions const& options = {}) {
    return parse_plan(yaml, "test.yaml", ".", fake_vocabulary(), options);
}

inline std::vector<std::string> ids(Plan const& plan) {
    std::vector<std::string> all;
    for (auto const& cell : plan.cells) all.push_back(cell.id);
    return all;
}

/// "source context codec backend batch threads workload" of every cell.
inline std::vector<std::string> spelled(Plan const& plan) {
    std::vector<std::string> all;
    for (auto const& cell : plan.cells)
        all.push_back(cell.source_name + " " + std::to_string(cell.context) + " " + cell.codec_name + " " +
                      cell.backend + " " + std::to_string(cell.batch) + " " + std::to_string(cell.threads) + " " +
                      cell.workload);
    return all;
}

inline std::string const small = R"(kvstone: 1
name: small
sources:
  - synthetic: {shape: gpt2}
grid:
  context: [512, 1k]
  codec: [raw, int8, "fp16 | zstd"]
workloads: [roundtrip]
)";

}  // namespace kvstone
