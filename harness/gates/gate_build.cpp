#include "harness/gates/gate_build.hpp"

#include <chrono>
#include <future>

#include "harness/gates/gate_answer.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr double doctor_timeout_s = 60;
constexpr std::chrono::milliseconds look{200};  // how soon an interruption is noticed

ChildCommand command_of(Spawner const& spawner, std::vector<std::string> const& words) {
    auto command = attempt_command(spawner, "openmp", 1, 0);
    command.environment.erase(attempt_variable);  // each build has its own beside it
    command.data_bytes = command.memory_bytes = 0;
    // The program's output is expected on descriptor 3.
    command.arguments = {"/bin/sh", "-c", "exec \"$0\" \"$@\" >&3"};
    command.arguments.insert(command.arguments.end(), words.begin(), words.end());
    return command;
}

}  // namespace

GateProgram describe_program(Spawner& spawner, std::string const& path) {
    GateProgram program{path, {}, {}, {}, {}};
    auto command = command_of(spawner, {path, "doctor", "--json"});
    command.timeout_s = doctor_timeout_s;
    try {
        auto const told = parse_json(spawner.run(command).output);
        for (auto const& finding : told.at("findings")) {
            auto const text = finding.at("text").get<std::string>();
            if (finding.at("subject") == "toolchain") program.toolchain = text;
            if (finding.at("subject") == "sources") program.source_hash = text;
            if (finding.at("subject") != "build") continue;
            // "VERSION COMMIT (TYPE, COMPILER)"
            auto const space = text.find(' '), bracket = text.find(" (");
            if (space >= bracket || bracket == std::string::npos) continue;
            program.git_sha = text.substr(space + 1, bracket - space - 1);
            program.build = text.substr(bracket + 2, text.size() - bracket - 3);
        }
    } catch (Json::exception const&) {
        // A program that does not describe its build can be measured all the same.
    }
    return program;
}

Json to_json(BuildCall const& call) {
    return {{"words", call.words}, {"padding_bytes", call.padding_bytes}, {"timeout_s", call.timeout_s}};
}

BuildCall build_call_from_json(Json const& json) {
    try {
        BuildCall call{json.at("words"), json.at("padding_bytes"), json.at("timeout_s")};
        if (call.words.empty()) throw CorruptData("a call without a program");
        return call;
    } catch (Json::exception const& error) {
        throw CorruptData(std::string("not a call of a build: ") + error.what());
    }
}

Measurement call_build(Spawner& spawner, BuildCall const& call) {
    auto command = command_of(spawner, call.words);
    command.environment["KVSTONE_LAUNCH"] = std::string(call.padding_bytes, 'x');
    command.timeout_s = call.timeout_s;
    auto const outcome = spawner.run(command);
    auto measurement = answer_of(call.words.at(0), outcome);
    measurement.wall_ns = outcome.wall_ns;
    measurement.profiles.clear();  // no rule is about them
    return measurement;
}

void GateNode::measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                       std::function<bool()> const& go_on) {
    for (auto const& block : blocks) {
        if (!go_on()) return;
        std::vector<Measurement> measurements;
        for (std::size_t position = 0; position < block.order.size() && !stopped(); ++position)
            measurements.push_back(listening(call_of(block, position)));
        if (stopped()) return;
        done(block, measurements);
    }
}

/// Makes the attempt on a thread of its own, and listens meanwhile.
Measurement GateNode::listening(BuildCall const& call) {
    auto calling = std::async(std::launch::async, [&] { return call_build(spawner_, call); });
    while (calling.wait_for(look) != std::future_status::ready)
        if (stopped()) spawner_.cancel();
    return calling.get();
}

}  // namespace kvstone
