// `kvstone doctor`: the abilities of this machine and this build, and the missing parts.

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "backends/kernels/simd_target.hpp"
#include "backends/nvml.hpp"
#include "backends/powercap.hpp"
#include "cluster/world.hpp"
#include "harness/attempts/abilities.hpp"
#include "harness/attempts/attempt.hpp"
#include "harness/attempts/roofline_probe.hpp"
#include "harness/cli/cli.hpp"
#include "harness/planning/vocabulary.hpp"
#include "harness/sources/data.hpp"
#include "results/record/build.hpp"
#include "results/record/text_table.hpp"
#include "scenarios/own_program.hpp"

namespace kvstone {
namespace {

struct Finding {
    std::string subject;
    std::string text;
    bool good = true;
};

std::string gibibytes(std::uint64_t bytes) { return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / (1 << 30)); }

void describe_machine(Host const& host, std::vector<Finding>& findings) {
    findings.push_back({"machine", fmt::format("{} ({}), {} cores, {}, Linux {}", host.name, host.cpu_model, host.cores,
                                               gibibytes(host.memory_bytes), host.kernel)});
    findings.push_back({"hardware class", fmt::format("{} ({})", host.hardware_class, host.hardware_name)});
    if (host.governor.empty())
        findings.push_back({"governor", "unknown (a virtual machine?): changes of the clock will look like noise"});
    else
        findings.push_back({"governor", host.governor, host.governor == "performance"});
    bool const quiet = host.load_average < 0.5;
    findings.push_back(
        {"load", fmt::format("{:.2f} over the last minute{}", host.load_average, quiet ? "" : ": timings will suffer"),
         quiet});
    for (auto const& gpu : host.gpus) findings.push_back({"GPU", gpu + ", driver " + host.gpu_driver});
}

void describe_vector_units(std::vector<Finding>& findings) {
    auto text = fmt::format("{} chosen of {}", simd_target(), fmt::join(simd_targets(), ", "));
    auto const* const limit = std::getenv(simd_variable);
    if (limit != nullptr && *limit != '\0') text += fmt::format("; {}={} allows nothing better", simd_variable, limit);
    findings.push_back({"vector units", text, simd_target() == simd_targets().front()});
}

void describe_build(std::vector<Finding>& findings) {
    auto const& build = this_build();
    findings.push_back({"build",
                        fmt::format("{} {} ({}, {})", build.version, build.git_sha, build.build_type, build.compiler),
                        build.build_type == "Release"});
    findings.push_back({"sources", build.source_hash});
    findings.push_back({"program", own_origin()});
    findings.push_back({"processor", build.processor.empty() ? "compiled for every one of its architecture"
                                                             : "compiled for one with " + build.processor});
    findings.push_back({"toolchain", build.toolchain});
    findings.push_back(
        {"MPI", build.has_mpi ? "compiled in, loaded under a launcher" : "not found: one process only", build.has_mpi});
    findings.push_back({"libllama",
                        build.has_llama ? "compiled in" : "not found: cells with a model source end as errors",
                        build.has_llama});
    if (auto const why = why_no_device(); !why.empty()) {
        findings.push_back({"CUDA", "compiled in, but there is no device (" + why + "): its cells are skipped", false});
    } else {
        findings.push_back({"CUDA", build.has_cuda ? "compiled in" : "not compiled in: its cells are skipped"});
    }
}

/// The domains whose energy can be read, and what hides those of this machine.
void describe_energy(std::vector<Finding>& findings) {
    auto const counters = powercap_counters();
    auto const domains = powercap_domains();
    std::string text = counters.problem.empty() ? "" : "not told: " + counters.problem;
    for (auto const& counter : counters.all) text += (text.empty() ? "" : " + ") + counter.domain;
    std::string beside;
    for (auto const& domain : domains)
        if (!domain.added) beside += (beside.empty() ? "" : ", ") + domain.name;
    if (!beside.empty()) text += fmt::format(" (not added, as parts or wholes: {})", beside);
    // Many machines have none, and nothing can be done about it there.
    findings.push_back({"energy", text, counters.problem.empty() || domains.empty()});
    for (auto const& device : nvml_counters())
        findings.push_back({"energy of a device", device.problem.empty() ? device.all.front().domain : device.problem,
                            device.problem.empty()});
}

void describe_files(std::vector<Finding>& findings) {
    auto const words = vocabulary();
    for (auto const* name : {"tiny", "builtin"}) {
        auto const path = words.builtin_path(name);
        findings.push_back({fmt::format("built-in '{}'", name), path.empty() ? "not found" : path, !path.empty()});
    }
    for (auto const& file : fetchable_files()) {
        auto const problem = problem_of(file);
        bool const absent = !std::filesystem::exists(file.path);
        findings.push_back({fmt::format("data '{}'", file.name),
                            problem.empty() ? fmt::format("{} bytes, {}", file.bytes, file.path) : problem,
                            problem.empty() || absent});
    }
}

void describe_attempts(Spawner& spawner, std::vector<Finding>& findings) {
    Abilities abilities;
    try {
        abilities = abilities_of_attempts(spawner);
        findings.push_back(
            {"attempts", fmt::format("{}, on vector units {}", attempt_program(), abilities.vector_units)});
    } catch (std::exception const& error) {
        findings.push_back({"attempts", error.what(), false});
    }
    for (auto const& name : abilities.backends) {
        auto const roofline = probe_roofline(spawner, name, 0);
        bool const measured = roofline.gb_per_s() > 0;
        findings.push_back({"backend " + name,
                            measured ? fmt::format("copy {:.1f} GB/s, streaming copy {:.1f}, read {:.1f}, write {:.1f}",
                                                   roofline.copy_gb_per_s, roofline.streaming_copy_gb_per_s,
                                                   roofline.read_gb_per_s, roofline.write_gb_per_s)
                                     : "the roofline probe failed",
                            measured});
    }
}

}  // namespace

void add_doctor(CommandLine& line) {
    auto* command = line.verb("doctor", "Show the abilities of this machine and of this build, and the missing parts",
                              {"kvstone doctor", "kvstone doctor --json"});
    command->callback([&line] {
        line.action = [&line] {
            Spawner spawner;
            auto const host = host_of_attempts();
            std::vector<Finding> findings;
            describe_machine(host, findings);
            describe_vector_units(findings);
            describe_build(findings);
            describe_energy(findings);
            describe_files(findings);
            describe_attempts(spawner, findings);
            if (line.json) {
                Json all{{"host", to_json(host)}, {"findings", Json::array()}};
                for (auto const& finding : findings)
                    all["findings"].push_back(
                        {{"subject", finding.subject}, {"text", finding.text}, {"good", finding.good}});
                std::cout << all.dump(2) << '\n';
            } else {
                TextTable table({{"", false}, {"subject", false}, {"finding", false}});
                for (auto const& finding : findings)
                    table.add({finding.good ? "ok" : "!", finding.subject, finding.text});
                table.print(std::cout, standard_output());
                std::cout << '\n';
                print_words("libraries:\n" + this_build().toolchain_packages);
            }
            return exit_pass;
        };
    });
}

}  // namespace kvstone
