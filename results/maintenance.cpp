#include "results/maintenance.hpp"

#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "results/sqlite.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

std::vector<std::string> check(Store const& store) {
    constexpr std::size_t most = 100;
    auto* const connection = store.connection();
    std::vector<std::string> problems;
    Statement integrity(connection, fmt::format("PRAGMA integrity_check({})", most));
    while (integrity.step())
        if (integrity.text(0) != "ok") problems.push_back(integrity.text(0));
    if (!problems.empty()) return problems;  // what follows would stumble over them
    Statement links(connection, "PRAGMA foreign_key_check");
    while (links.step() && problems.size() < most)
        problems.push_back(fmt::format("table {}{}: it refers to a row of table {} that is not there", links.text(0),
                                       links.is_null(1) ? "" : ", row " + links.text(1), links.text(2)));
    return problems;
}

void backup(Store const& store, std::string const& file) {
    if (std::filesystem::exists(file)) throw ConfigError("a file of this name exists", file);
    Statement(store.connection(), "VACUUM INTO ?").run(file);
}

TemporaryCopy::TemporaryCopy(Store const& store, std::string const& beside)
    : path_(fmt::format("{}.{}.copy", beside, getpid())) {
    remove_database(path_);  // of an earlier process of this number
    backup(store, path_);
}

TemporaryCopy::~TemporaryCopy() {
    remove_database(path_);
    std::error_code ignored;
    std::filesystem::remove(path_ + ".lock", ignored);
}

}  // namespace kvstone
