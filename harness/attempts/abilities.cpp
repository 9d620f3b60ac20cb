#include "harness/attempts/abilities.hpp"

#include <cstdlib>

#include <fmt/format.h>

#include "backends/backend.hpp"
#include "backends/kernels/simd_target.hpp"
#include "harness/attempts/attempt.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr double answer_timeout_s = 60;

}  // namespace

Json to_json(Abilities const& abilities) {
    return {{"backends", abilities.backends}, {"vector_units", abilities.vector_units}};
}

Abilities abilities_from_json(Json const& json) {
    try {
        return {json.at("backends"), json.at("vector_units")};
    } catch (Json::exception const& error) {
        throw CorruptData(std::string("no abilities of a program of attempts: ") + error.what());
    }
}

Abilities own_abilities() { return {advertised_backends(), simd_target()}; }

Abilities abilities_of_attempts(Spawner& spawner) {
    if (std::getenv(attempt_variable) == nullptr) return own_abilities();
    auto command = attempt_command(spawner, "openmp", 1, 0);
    command.arguments.emplace_back("--abilities");
    command.timeout_s = answer_timeout_s;
    auto const outcome = spawner.run(command);
    try {
        if (outcome.exit_code == 0) return abilities_from_json(parse_json(outcome.output));
    } catch (std::exception const&) {
        // Told below, with what the program wrote beside its answer.
    }
    throw SystemError(fmt::format("{}={}: the program does not say what its attempts can do: {}", attempt_variable,
                                  command.arguments[0],
                                  outcome.stderr_tail.empty() ? "no answer" : outcome.stderr_tail));
}

Host host_of_attempts(std::string const& vector_units, std::string const& instrument) {
    return describe_host(vector_units.empty() ? simd_target() : vector_units, "", instrument);
}

}  // namespace kvstone
