#pragma once
// Abilities of the attempts of a rank. Where its program of attempts is another one than this build's (an emulated program of
// another architecture, a build for a device), cells have to go where that program can make them.

#include <string>
#include <vector>

#include "harness/attempts/spawner.hpp"
#include "results/record/host.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

struct Abilities {
    std::vector<std::string> backends;
    std::string vector_units;  ///< see simd_target()

    bool operator==(Abilities const&) const = default;
};

Json to_json(Abilities const& abilities);
/// Throws CorruptData where members are missing or of another type.
Abilities abilities_from_json(Json const& json);

/// The abilities of this process, which `kvstone-attempt --abilities` prints.
Abilities own_abilities();

/// Of the program of attempts: the one that $KVSTONE_ATTEMPT names is asked; the other is of this build, in this process's
/// surroundings. Throws SystemError where the program does not answer.
Abilities abilities_of_attempts(Spawner& spawner);

/// The node under attempts that have these vector units; without any, those of this process. `instrument`: see Host.
Host host_of_attempts(std::string const& vector_units = {}, std::string const& instrument = {});

}  // namespace kvstone
