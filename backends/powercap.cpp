#include "backends/powercap.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace kvstone {
namespace {

namespace fs = std::filesystem;

constexpr char const* default_folder = "/sys/class/powercap";
/// The domains of model-specific registers; intel-rapl-mmio has the same packages again.
constexpr std::string_view zone_prefix = "intel-rapl:";
constexpr char const* energy_file = "energy_uj";
constexpr char const* range_file = "max_energy_range_uj";
constexpr char const* package_prefix = "package";
constexpr char const* memory_name = "dram";

/// The first line of a file. Sets `problem` where there is none.
std::string first_line(fs::path const& path, std::string& problem) {
    errno = 0;
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file(std::fopen(path.c_str(), "re"), &std::fclose);
    std::array<char, 256> line{};
    if (!file || std::fgets(line.data(), line.size(), file.get()) == nullptr) {
        problem = fmt::format("{}: {}", path.string(), file && errno == 0 ? "empty" : std::strerror(errno));
        return {};
    }
    std::string text(line.data());
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

std::optional<std::uint64_t> number_in(fs::path const& path, std::string& problem) {
    auto const text = first_line(path, problem);
    if (!problem.empty()) return std::nullopt;
    std::uint64_t value = 0;
    auto const read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return value;
    problem = fmt::format("{}: '{}' is no number", path.string(), text);
    return std::nullopt;
}

/// The numbers of "intel-rapl:0" or "intel-rapl:0:2"; empty: another name.
std::vector<int> zone_numbers(std::string const& name) {
    if (!name.starts_with(zone_prefix)) return {};
    std::vector<int> numbers;
    char const* at = name.data() + zone_prefix.size();
    for (char const* const end = name.data() + name.size();; ++at) {
        auto const read = std::from_chars(at, end, numbers.emplace_back());
        if (read.ec != std::errc()) return {};
        at = read.ptr;
        if (at == end) return numbers.size() <= 2 ? numbers : std::vector<int>{};
        if (*at != ':') return {};
    }
}

PowercapDomain domain_in(fs::path const& root, std::vector<int> const& numbers) {
    PowercapDomain domain;
    auto folder = root / fmt::format("{}{}", zone_prefix, numbers[0]);
    domain.name = first_line(folder / "name", domain.problem);
    domain.added = domain.name.starts_with(package_prefix);
    if (numbers.size() == 2) {
        folder += fmt::format(":{}", numbers[1]);
        auto const part = first_line(folder / "name", domain.problem);
        // What a memory controller's modules take is not in the package's counter, unlike cores and uncore.
        domain.added = domain.added && part == memory_name;
        domain.name += "/" + part;
    }
    domain.folder = folder.string();
    if (!domain.problem.empty()) return domain;
    domain.range_uj = number_in(folder / range_file, domain.problem).value_or(0);
    if (domain.problem.empty() && domain.range_uj == 0)
        domain.problem = (folder / range_file).string() + " is 0: the counter's end is not known";
    if (domain.problem.empty()) number_in(folder / energy_file, domain.problem);
    return domain;
}

std::string advice(PowercapDomain const& domain, std::string const& folder) {
    auto const file = fs::path(domain.folder) / energy_file;
    if (euidaccess(file.c_str(), R_OK) == 0 || errno != EACCES) return {};
    return fmt::format(
        ". Kernels let root alone read it, since power tells of the secrets that a processor works with. Root can let "
        "a "
        "group read it until the next start: chgrp GROUP {0} && chmod g+r {0}",
        fmt::format("{}/{}*/{}", folder, zone_prefix, energy_file));
}

}  // namespace

std::string powercap_folder() {
    char const* const named = std::getenv(powercap_variable);
    return named != nullptr && *named != '\0' ? named : default_folder;
}

std::vector<PowercapDomain> powercap_domains(std::string const& folder) {
    std::vector<std::vector<int>> zones;
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
        if (auto numbers = zone_numbers(entry->path().filename().string()); !numbers.empty())
            zones.push_back(std::move(numbers));
    std::ranges::sort(zones);
    std::vector<PowercapDomain> domains;
    for (auto const& numbers : zones) domains.push_back(domain_in(folder, numbers));
    return domains;
}

EnergyCounters powercap_counters(std::string const& folder) {
    EnergyCounters counters;
    for (auto const& domain : powercap_domains(folder)) {
        if (!domain.added) continue;
        if (!domain.problem.empty()) return {{}, domain.problem + advice(domain, folder)};
        counters.all.push_back({domain.name, domain.range_uj, [path = fs::path(domain.folder) / energy_file] {
                                    std::string problem;
                                    return number_in(path, problem);
                                }});
    }
    if (counters.all.empty())
        counters.problem = fmt::format(
            "{} has no packages: a virtual machine, a container that hides them ({} can name a mount of the host's "
            "folder), or a kernel without intel_rapl_msr",
            folder, powercap_variable);
    return counters;
}

}  // namespace kvstone
