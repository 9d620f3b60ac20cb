#include "results/record/host.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/ranges.h>
#include <unistd.h>

#include "results/record/text.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"

namespace fs = std::filesystem;

namespace kvstone {
namespace {

constexpr std::array isa_of_note{"avx2",        "fma",         "f16c",        "avx512f",  "avx512bw", "avx512vbmi",
                                 "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "asimd",
                                 "asimdhp",     "bf16",        "sve",         "sve2",     "i8mm"};

std::string trimmed(std::string const& text) {
    auto const first = text.find_first_not_of(" \t\n");
    if (first == std::string::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

std::string first_line(fs::path const& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return valid_utf8(trimmed(line));
}

/// Paths below a folder whose names are the prefix and digits, or any where the prefix is empty.
std::vector<fs::path> entries(fs::path const& folder, std::string_view prefix) {
    std::vector<fs::path> found;
    std::error_code error;
    for (auto const& entry : fs::directory_iterator(folder, error)) {
        auto const name = entry.path().filename().string();
        if (!name.starts_with(prefix)) continue;
        auto const rest = name.substr(prefix.size());
        if (prefix.empty() || (!rest.empty() && rest.find_first_not_of("0123456789") == std::string::npos))
            found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
}

/// "key : value" lines, as in /proc/cpuinfo; calls visit for each.
template <class Visit>
void for_each_entry(fs::path const& path, Visit visit) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        auto const colon = line.find(':');
        if (colon != std::string::npos)
            visit(trimmed(line.substr(0, colon)), valid_utf8(trimmed(line.substr(colon + 1))));
    }
}

void read_processor(fs::path const& root, Host& host) {
    std::string flags;
    int processors = 0;
    for_each_entry(root / "proc/cpuinfo", [&](std::string const& key, std::string const& value) {
        if (key == "processor") ++processors;
        if (key == "cpu MHz")
            host.clock_mhz = std::max(host.clock_mhz.value_or(0), std::strtod(value.c_str(), nullptr));
        if (host.cpu_model.empty() && key == "model name") host.cpu_model = value;
        if (flags.empty() && (key == "flags" || key == "Features")) flags = value;
    });
    std::set<std::pair<std::string, std::string>> cores;
    std::set<std::string> sockets;
    for (auto const& cpu : entries(root / "sys/devices/system/cpu", "cpu")) {
        auto const core = first_line(cpu / "topology/core_id");
        if (core.empty()) continue;  // offline
        auto const socket = first_line(cpu / "topology/physical_package_id");
        cores.emplace(socket, core);
        sockets.insert(socket);
        ++host.threads;
    }
    if (host.threads == 0) host.threads = processors;
    host.cores = cores.empty() ? host.threads : static_cast<int>(cores.size());
    host.sockets = static_cast<int>(sockets.size());
    host.smt = host.threads > host.cores;
    host.numa_nodes = static_cast<int>(entries(root / "sys/devices/system/node", "node").size());
    for (auto const& cpu : entries(root / "sys/devices/system/cpu", "cpu")) {
        auto const khz = std::strtod(first_line(cpu / "cpufreq/scaling_cur_freq").c_str(), nullptr);
        if (khz > 0) host.clock_mhz = std::max(host.clock_mhz.value_or(0), khz / 1000);
    }
    host.governor = first_line(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    std::istringstream words(flags);
    for (std::string word; words >> word;)
        if (std::find(isa_of_note.begin(), isa_of_note.end(), word) != isa_of_note.end()) host.isa.push_back(word);
    std::sort(host.isa.begin(), host.isa.end());
    if (host.cpu_model.empty()) {
        // ARM tells part numbers in place of a name.
        std::string implementer, part;
        for_each_entry(root / "proc/cpuinfo", [&](std::string const& key, std::string const& value) {
            if (key == "CPU implementer") implementer = value;
            if (key == "CPU part") part = value;
        });
        host.cpu_model = part.empty() ? "unknown CPU" : "ARM " + implementer + " " + part;
    }
}

void read_gpus(fs::path const& root, Host& host) {
    auto const nvidia = root / "proc/driver/nvidia";
    for (auto const& gpu : entries(nvidia / "gpus", ""))
        for_each_entry(gpu / "information", [&](std::string const& key, std::string const& value) {
            if (key == "Model") host.gpus.push_back(value);
        });
    // "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22 ...": the word of digits and dots.
    std::istringstream words(first_line(nvidia / "version"));
    for (std::string word; words >> word && host.gpu_driver.empty();)
        if (word.find('.') != std::string::npos && word.find_first_not_of("0123456789.") == std::string::npos)
            host.gpu_driver = word;
}

std::optional<double> warmest(fs::path const& root) {
    std::optional<double> found;
    for (auto const& zone : entries(root / "sys/class/thermal", "thermal_zone")) {
        auto const text = first_line(zone / "temp");
        int milli = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), milli).ec == std::errc() && milli > 0)
            found = std::max(found.value_or(0), milli / 1000.0);
    }
    return found;
}

std::string host_name(fs::path const& root) {
    auto const name = first_line(root / "proc/sys/kernel/hostname");
    if (!name.empty()) return name;
    std::array<char, 256> buffer{};
    gethostname(buffer.data(), buffer.size() - 1);
    return valid_utf8(buffer.data());
}

void classify(Host& host) {
    auto const gib = static_cast<std::uint64_t>(std::llround(static_cast<double>(host.memory_bytes) / (1 << 30)));
    // "AMD EPYC x2 24GiB" reads better without the suffixes of vendors' names.
    std::string model = host.cpu_model;
    for (std::string_view const noise : {"(R)", "(TM)", " Processor", " CPU"})
        for (auto at = model.find(noise); at != std::string::npos; at = model.find(noise))
            model.erase(at, noise.size());
    host.hardware_name = fmt::format("{} x{} {}GiB", model, host.cores, gib);
    if (!host.vector_units.empty()) host.hardware_name += ' ' + host.vector_units;
    for (std::size_t i = 0; i < host.gpus.size(); ++i)
        if (i == 0 || host.gpus[i] != host.gpus[i - 1])
            host.hardware_name +=
                fmt::format(" + {} x{}", host.gpus[i], std::count(host.gpus.begin(), host.gpus.end(), host.gpus[i]));
    auto text = fmt::format("{}\n{}\n{}\n{}", host.cpu_model, host.cores, gib, fmt::join(host.gpus, "\n"));
    // Where nobody tells, the class is that of the builds that never did.
    if (!host.vector_units.empty()) text += "\nvector units " + host.vector_units;
    if (!host.instrument.empty()) {
        host.hardware_name = fmt::format("{}, {}", host.instrument, host.vector_units);
        text = host.hardware_name;
    }
    host.hardware_class = short_hash(text);
}

}  // namespace

Host describe_host(std::string const& vector_units, std::string const& root_folder, std::string const& instrument) {
    fs::path const root = root_folder.empty() ? "/" : root_folder;
    Host host;
    host.vector_units = vector_units;
    host.instrument = instrument;
    host.name = host_name(root);
    read_processor(root, host);
    read_gpus(root, host);
    std::sort(host.gpus.begin(), host.gpus.end());
    for_each_entry(root / "proc/meminfo", [&](std::string const& key, std::string const& value) {
        if (key == "MemTotal") host.memory_bytes = std::strtoull(value.c_str(), nullptr, 10) * 1024;
    });
    host.kernel = first_line(root / "proc/sys/kernel/osrelease");
    std::istringstream(first_line(root / "proc/loadavg")) >> host.load_average;
    host.temperature_c = warmest(root);
    for_each_entry(root / "proc/self/status", [&](std::string const& key, std::string const& value) {
        if (key == "Cpus_allowed_list") host.affinity = value;
    });
    if (char const* const job = std::getenv("SLURM_JOB_ID")) host.slurm_job = valid_utf8(job);
    classify(host);
    return host;
}

Json to_json(Host const& host) {
    Json json{{"name", host.name},
              {"hardware_class", host.hardware_class},
              {"hardware_name", host.hardware_name},
              {"cpu_model", host.cpu_model},
              {"sockets", host.sockets},
              {"cores", host.cores},
              {"threads", host.threads},
              {"smt", host.smt},
              {"numa_nodes", host.numa_nodes},
              {"memory_bytes", host.memory_bytes},
              {"kernel", host.kernel},
              {"governor", host.governor},
              {"isa", host.isa},
              {"vector_units", host.vector_units},
              {"gpus", host.gpus},
              {"gpu_driver", host.gpu_driver},
              {"affinity", host.affinity},
              {"load_average", host.load_average},
              {"temperature_c", nullptr},
              {"clock_mhz", nullptr},
              {"slurm_job", host.slurm_job}};
    if (host.temperature_c) json["temperature_c"] = *host.temperature_c;
    if (host.clock_mhz) json["clock_mhz"] = *host.clock_mhz;
    if (!host.instrument.empty()) json["instrument"] = host.instrument;
    if (!host.energy.empty()) json["energy"] = host.energy;
    return json;
}

Host host_from_json(Json const& json) {
    Host host;
    try {
        json.at("name").get_to(host.name);
        json.at("hardware_class").get_to(host.hardware_class);
        json.at("hardware_name").get_to(host.hardware_name);
        json.at("cpu_model").get_to(host.cpu_model);
        json.at("sockets").get_to(host.sockets);
        json.at("cores").get_to(host.cores);
        json.at("threads").get_to(host.threads);
        json.at("smt").get_to(host.smt);
        json.at("numa_nodes").get_to(host.numa_nodes);
        json.at("memory_bytes").get_to(host.memory_bytes);
        json.at("kernel").get_to(host.kernel);
        json.at("governor").get_to(host.governor);
        json.at("isa").get_to(host.isa);
        json.at("vector_units").get_to(host.vector_units);
        host.instrument = json.value("instrument", "");
        host.energy = json.value("energy", "");
        json.at("gpus").get_to(host.gpus);
        json.at("gpu_driver").get_to(host.gpu_driver);
        json.at("affinity").get_to(host.affinity);
        json.at("load_average").get_to(host.load_average);
        if (auto const& temperature = json.at("temperature_c"); !temperature.is_null())
            host.temperature_c = temperature.get<double>();
        if (auto const& clock = json.at("clock_mhz"); !clock.is_null()) host.clock_mhz = clock.get<double>();
        json.at("slurm_job").get_to(host.slurm_job);
    } catch (Json::exception const& error) {
        throw CorruptData(std::string("a host's JSON: ") + error.what());
    }
    return host;
}

}  // namespace kvstone
