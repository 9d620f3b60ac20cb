#include "harness/cli/bundle_contents.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/unpack.hpp"
#include "scenarios/cache_folder.hpp"
#include "scenarios/cell.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace fs = std::filesystem;

namespace kvstone {
namespace {

constexpr int bundle_format = 1;
constexpr std::size_t sum_digits = 64;

/// The folder of an archive's content; one that is there was unpacked as a whole.
fs::path unpacked(std::string const& path) {
    auto const bundles = cache_folder("bundles");
    if (bundles.empty())
        throw ConfigError("a bundle is unpacked to the cache folder: set XDG_CACHE_HOME or HOME", path);
    auto const folder = fs::path(bundles) / content_hash(path).substr(0, 16);
    if (fs::exists(folder)) return folder;
    auto const made = fmt::format("{}.{}", folder.string(), getpid());
    ZipReader const archive(path);
    for (auto const* wanted : {bundle_member, sums_member})
        if (std::ranges::find(archive.members(), wanted, &ZipMember::name) == archive.members().end())
            throw CorruptData(fmt::format("{}: nothing that `kvstone bundle` packed: it has no {}", path, wanted));
    std::error_code error;
    try {
        unpack(archive, made);
        fs::rename(made, folder, error);  // fails where another process was faster
    } catch (...) {
        fs::remove_all(made, error);
        throw;
    }
    if (error) fs::remove_all(made, error);
    return folder;
}

void check_sums(fs::path const& folder) {
    std::istringstream lines(read_small_file((folder / sums_member).string()));
    for (std::string line; std::getline(lines, line);) {
        auto const file = folder / line.substr(std::min(line.size(), sum_digits + 2));
        if (!fs::is_regular_file(file) || content_hash(file.string()) != line.substr(0, sum_digits))
            throw CorruptData(fmt::format("{}: not the file that was packed: its SHA-256 is another", file.string()));
    }
}

}  // namespace

std::string bundle_text(std::string const& scenario, ScenarioFile const& from, std::string const& plan_hash) {
    return Json{{"bundle", bundle_format},
                {"scenario", scenario},
                {"only", from.only},
                {"set", from.set},
                {"plan", plan_hash}}
               .dump(2) +
           "\n";
}

ScenarioFile open_bundle(std::string const& path) {
    if (!fs::is_regular_file(path)) throw ConfigError("no such file", {}, {}, {path, 0, 0});
    auto const folder = unpacked(path);
    check_sums(folder);
    try {
        auto const told = Json::parse(read_small_file((folder / bundle_member).string()));
        if (told.at("bundle") != bundle_format)
            throw CorruptData(
                fmt::format("{}: a bundle of format {}; known: {}", path, told.at("bundle").dump(), bundle_format));
        auto const scenario = folder / fs::path(told.at("scenario").get<std::string>()).filename();
        return {scenario.string(), told.at("only"), told.at("set"), told.at("plan"),
                (folder / measured_member).string()};
    } catch (Json::exception const& error) {
        throw CorruptData(fmt::format("{}: {}: {}", path, bundle_member, error.what()));
    }
}

}  // namespace kvstone
