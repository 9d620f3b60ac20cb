#pragma once

#include "scenarios/scenario.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {

/// measure: {min_time: 0.3 s, warm_up: 0.2 s, repetitions: 5, processes: 1, threads: N, timeout: 600 s, memory: 4 GiB,
/// timing: on | off | only, placement: any | pinned, work: off | callgrind, work_layers: 1, work_tokens: 512, work_start: off, energy: off}; a key that is left out has the default of Measure. threads belongs to the grid (see read_grid). Throws ConfigError.
Measure measure_of(YamlValue const& value);

}  // namespace kvstone
