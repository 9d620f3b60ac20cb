#include "results/store/maintenance.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "results/store/sqlite.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// One plain file without free pages. VACUUM INTO would do all of it, but SQLite 3.40 refuses it to a connection that only
/// reads where a table has generated columns.
void copy_compact(sqlite3* from, sqlite3* to) {
    copy_pages(from, to);
    execute(to, "PRAGMA journal_mode = DELETE");
    Statement unused(to, "PRAGMA freelist_count");
    bool const compact = unused.step() && unused.integer(0) == 0;
    unused.reset();
    if (!compact) execute(to, "VACUUM");
}

}  // namespace

std::vector<std::string> check(Store const& store) {
    constexpr std::size_t most = 100;
    auto* const connection = store.connection();
    std::vector<std::string> problems;
    Statement integrity(connection, fmt::format("PRAGMA integrity_check({})", most));
    while (integrity.step())
        if (integrity.text(0) != "ok") problems.push_back(integrity.text(0));
    if (!problems.empty()) return problems;  // the next checks would fail on them
    Statement links(connection, "PRAGMA foreign_key_check");
    while (links.step() && problems.size() < most)
        problems.push_back(fmt::format("table {}{}: it refers to a row of table {} that is not there", links.text(0),
                                       links.is_null(1) ? "" : ", row " + links.text(1), links.text(2)));
    return problems;
}

void backup(Store const& store, std::string const& file) {
    if (file.empty()) throw ConfigError("the copy has no name");
    if (std::filesystem::exists(file)) throw ConfigError("a file of this name exists", file);
    sqlite3* handle = nullptr;
    // SQLite takes no absolute path for the name of a database in memory, or for a URI.
    int const opened = sqlite3_open(std::filesystem::absolute(file).c_str(), &handle);
    Connection copy(handle);
    try {
        if (opened != SQLITE_OK) throw_sqlite_error(handle, "cannot make the copy");
        copy_compact(store.connection(), handle);
    } catch (...) {
        copy.reset();
        remove_database(file);
        throw;
    }
}

namespace {

constexpr char const* copy_suffix = ".copy";

/// FILE.HOST.: the beginning of the names of its copies on this host.
std::string copies_of(std::string const& file) {
    std::array<char, 128> host{};
    gethostname(host.data(), host.size() - 1);
    return fmt::format("{}.{}.", file, host.data());
}

void remove_left_copies(std::string const& file) {
    auto const start = std::filesystem::path(copies_of(file)).filename().string();
    auto folder = std::filesystem::path(file).parent_path();
    if (folder.empty()) folder = ".";
    std::vector<std::string> left;
    std::error_code ignored;
    for (auto const& entry : std::filesystem::directory_iterator(folder, ignored)) {
        auto const name = entry.path().filename().string();
        if (!name.starts_with(start)) continue;
        auto const process = std::atoi(name.c_str() + start.size());
        if (name == fmt::format("{}{}{}", start, process, copy_suffix) && process > 0 && ::kill(process, 0) != 0 &&
            errno == ESRCH)
            left.push_back(entry.path().string());
    }
    for (auto const& path : left) remove_database(path);
}

}  // namespace

TemporaryCopy::TemporaryCopy(Store const& store, std::string const& beside)
    : path_(fmt::format("{}{}{}", copies_of(beside), getpid(), copy_suffix)) {
    remove_left_copies(beside);
    remove_database(path_);  // of an earlier process of this number
    backup(store, path_);
}

TemporaryCopy::~TemporaryCopy() { remove_database(path_); }

}  // namespace kvstone
