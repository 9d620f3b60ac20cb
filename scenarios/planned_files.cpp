#include "scenarios/planned_files.hpp"

#include <fmt/format.h>

#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/gguf_shards.hpp"

namespace kvstone {
namespace {

[[noreturn]] void refuse(std::string const& path, std::string const& why) {
    throw SystemError(fmt::format("{}: no longer the file that was planned: {}", path, why));
}

void require_hash(std::string const& path, std::string const& sha256) {
    std::string found;
    try {
        found = named_hash(path);
    } catch (SystemError const& error) {
        refuse(path, error.what());
    }
    if (found != sha256) refuse(path, fmt::format("its SHA-256 is {}, not {}", found, sha256));
}

/// Paths of the locator and the hashes that the identity has for them.
std::vector<std::pair<std::string, std::string>> named_files(Cell const& cell) {
    std::vector<std::pair<std::string, std::string>> files;
    auto const add = [&](Json const& paths, char const* path, Json const& hashes, char const* hash) {
        if (paths.contains(path) && hashes.contains(hash))
            files.emplace_back(paths.at(path).get<std::string>(), hashes.at(hash).get<std::string>());
    };
    add(cell.locator, "path", cell.source, "sha256");
    add(cell.locator, "text", cell.source, "text_sha256");
    for (auto const& codec : cell.locator.value("codecs", Json::array()))
        for (auto const& file : codec.at("files")) add(file, "path", file, "sha256");
    auto const options = cell.locator.value("files", Json::object());
    for (auto const& option : options.items()) add(options, option.key().c_str(), cell.options, option.key().c_str());
    return files;
}

}  // namespace

PlannedFiles::PlannedFiles(Cell const& cell) {
    for (auto const& [path, sha256] : named_files(cell)) {
        Planned planned{path, sha256, {}};
        std::vector<std::string> files;
        try {
            files = files_behind(path);
        } catch (SystemError const& error) {
            refuse(path, error.what());
        }
        // Before the hash: a change in between is then found.
        for (auto const& file : files)
            if (auto const stamp = stamp_of(file)) planned.stamps.emplace_back(file, *stamp);
        require_hash(path, sha256);
        files_.push_back(std::move(planned));
    }
}

void PlannedFiles::check_again() const {
    for (auto const& [path, sha256, stamps] : files_) {
        bool same = true;
        for (auto const& [file, stamp] : stamps) same = same && stamp_of(file) == stamp;
        if (!same) require_hash(path, sha256);
    }
}

}  // namespace kvstone
