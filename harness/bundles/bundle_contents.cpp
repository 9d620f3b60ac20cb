#include "harness/bundles/bundle_contents.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/files/unpack.hpp"
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

/// The file of an unpacked bundle that was changed after packing; empty: none.
std::string altered_file(fs::path const& folder) {
    std::istringstream lines(read_small_file((folder / sums_member).string()));
    for (std::string line; std::getline(lines, line);) {
        auto const file = folder / line.substr(std::min(line.size(), sum_digits + 2));
        if (!fs::is_regular_file(file) || content_hash(file.string()) != line.substr(0, sum_digits))
            return file.string();
    }
    return {};
}

bool is_whole(fs::path const& folder) {
    for (auto const* wanted : {bundle_member, sums_member})
        if (!fs::is_regular_file(folder / wanted)) return false;
    return altered_file(folder).empty();
}

/// Removes the remains of killed unpackers beside a folder: one that is at work takes less than an hour.
void remove_half_made(fs::path const& folder) {
    auto const oldest = fs::file_time_type::clock::now() - std::chrono::hours(1);
    std::error_code ignored;
    std::vector<fs::path> left;
    for (auto const& entry : fs::directory_iterator(folder.parent_path(), ignored))
        if (entry.path().filename().string().starts_with(folder.filename().string() + '.') &&
            entry.last_write_time(ignored) < oldest)
            left.push_back(entry.path());
    for (auto const& path : left) fs::remove_all(path, ignored);
}

/// Unpacks an archive to `folder`, in place of its content.
void unpack_anew(std::string const& path, fs::path const& folder) {
    ZipReader const archive(path);
    for (auto const* wanted : {bundle_member, sums_member})
        if (std::ranges::find(archive.members(), wanted, &ZipMember::name) == archive.members().end())
            throw CorruptData(fmt::format("{}: no archive of `kvstone bundle`: it has no {}", path, wanted));
    auto const made = fmt::format("{}.{}", folder.string(), getpid()), old = made + ".old";
    std::error_code error, ignored;
    fs::remove_all(made, ignored);
    try {
        unpack(archive, made);
        fs::rename(folder, old, ignored);
        fs::rename(made, folder, error);  // fails where another process was faster
    } catch (...) {
        fs::remove_all(made, ignored);
        throw;
    }
    fs::remove_all(old, ignored);
    if (error) fs::remove_all(made, ignored);
}

/// The folder of an archive's content. One that is there is used only where it is whole.
fs::path unpacked(std::string const& path) {
    auto const bundles = cache_folder("bundles");
    if (bundles.empty())
        throw ConfigError("a bundle is unpacked to the cache folder: set XDG_CACHE_HOME or HOME", path);
    auto const folder = fs::path(bundles) / content_hash(path).substr(0, 16);
    remove_half_made(folder);
    if (is_whole(folder)) return folder;
    unpack_anew(path, folder);
    if (auto const altered = altered_file(folder); !altered.empty())
        throw CorruptData(fmt::format("{}: changed after it was packed: its SHA-256 differs", altered));
    return folder;
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
    try {
        auto const told = parse_json(read_small_file((folder / bundle_member).string()));
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
