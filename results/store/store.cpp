#include "results/store/store.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>
#include <sys/vfs.h>

#include "results/record/metrics.hpp"
#include "results/store/hardware_class.hpp"
#include "results/store/schema.hpp"
#include "results/store/store_state.hpp"
#include "scenarios/errors.hpp"

namespace fs = std::filesystem;

namespace kvstone {
namespace {

constexpr int busy_timeout_ms = 10'000;
constexpr char const* large_cache = "PRAGMA cache_size = -65536";  // KiB

/// WAL keeps its index in memory shared by all who have the file open, which only one kernel can offer. FUSE is among
/// them because it may be anything.
bool on_network(std::string const& folder) {
    constexpr std::array<std::uint32_t, 10> magics{0x6969,     0xFF534D42, 0xFE534D42, 0x517B,     0x0BD00BD0,
                                                   0x65735546, 0x47504653, 0x00C36400, 0x01021997, 0x19830326};
    // NFS, CIFS, SMB2, SMB, Lustre, FUSE, GPFS, Ceph, 9P, BeeGFS
    struct statfs facts{};
    return statfs(folder.c_str(), &facts) == 0 &&
           std::find(magics.begin(), magics.end(), static_cast<std::uint32_t>(facts.f_type)) != magics.end();
}

/// Absolute, links followed, so that one file has one lock.
std::string resolve(std::string const& path) {
    if (path.empty()) throw ConfigError("the database has no name");
    std::error_code error;
    auto const resolved = fs::weakly_canonical(fs::absolute(path), error);
    if (error) throw ConfigError("cannot reach the database: " + error.message(), path);
    if (fs::is_directory(resolved, error)) throw ConfigError("the database is a folder", path);
    if (!fs::is_directory(resolved.parent_path(), error))
        throw ConfigError("the folder of the database does not exist", resolved.parent_path().string());
    return resolved.string();
}

Connection connect(std::string const& name, int flags) {
    sqlite3* handle = nullptr;
    // A Store is of one thread at a time: SQLite's lock around every step and column would guard nothing.
    int const code = sqlite3_open_v2(name.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, nullptr);
    Connection connection(handle);
    if (code != SQLITE_OK) throw ConfigError(fmt::format("cannot open the database: {}", sqlite3_errmsg(handle)), name);
    sqlite3_busy_timeout(handle, busy_timeout_ms);
    return connection;
}

std::int64_t scalar(sqlite3* connection, std::string_view sql) {
    Statement statement(connection, sql);
    return statement.step() ? statement.integer(0) : 0;
}

/// user_version of a KVstone database, 0 for an empty file. Throws ConfigError for any other file.
int version_of(sqlite3* connection, std::string const& path) {
    bool const empty = scalar(connection, "SELECT count(*) FROM sqlite_schema") == 0;
    auto const application = scalar(connection, "PRAGMA application_id");
    auto const version = static_cast<int>(scalar(connection, "PRAGMA user_version"));
    if (empty && application == 0 && version == 0) return 0;
    if (application != application_id) throw ConfigError("an SQLite file, but no KVstone database", path);
    return version;
}

void write_metrics(sqlite3* connection) {
    Statement write(connection,
                    "INSERT INTO metric(name, unit, better, deterministic, formula) VALUES (?, ?, ?, ?, ?) ON CONFLICT "
                    "(name) DO UPDATE SET unit = excluded.unit, better = excluded.better, deterministic = "
                    "excluded.deterministic, formula = excluded.formula");
    for (auto const& metric : metrics())
        write.run(metric.name, metric.unit, name_of(metric.better), metric.deterministic, metric.formula);
}

/// The file with characters that mean something in a URI escaped.
std::string immutable_uri(std::string const& path) {
    std::string uri = "file:";
    for (char const c : path) {
        if (c == '%' || c == '?' || c == '#') {
            uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        } else {
            uri += c;
        }
    }
    return uri + "?immutable=1";
}

}  // namespace

void remove_database(std::string const& path) {
    std::error_code ignored;
    for (auto const* suffix : {"", "-journal", "-wal", "-shm"}) fs::remove(path + suffix, ignored);
}

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
sqlite3* Store::connection() const { return state_->connection.get(); }

std::string Store::hardware_class(Json const& host_facts) const {
    if (state_->ingester) return state_->ingester->hardware_classes().of(host_facts);
    return HardwareClasses(connection()).of(host_facts);
}

Store::State::~State() {
    ingester.reset();
    if (!writes || !connection) return;
    // Leave one plain file that opens in read-only folders too. Readers still at work keep it from happening: then the
    // next writer's close will do it.
    sqlite3_busy_timeout(connection.get(), 100);
    sqlite3_exec(connection.get(), "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE", nullptr, nullptr,
                 nullptr);
}

Store Store::open(std::string const& path, Locking locking) {
    auto state = std::make_unique<State>();
    state->path = resolve(path);
    state->writes = true;
    if (locking == Locking::file) state->lock.emplace(state->path);
    bool const existed = fs::exists(state->path);
    try {
        state->connection = connect(state->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
        auto* const connection = state->connection.get();
        int const version = version_of(connection, path);
        if (version > schema_version())
            throw ConfigError(
                fmt::format("the database has schema {}, this build writes {}: it can be read, not written", version,
                            schema_version()),
                path);
        if (sqlite3_db_readonly(connection, "main") == 1) throw ConfigError("the database is read-only", path);
        bool const network = on_network(fs::path(state->path).parent_path());
        execute(connection, network ? "PRAGMA journal_mode = DELETE" : "PRAGMA journal_mode = WAL");
        // Off while tables are made anew.
        execute(connection, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF");
        execute(connection, large_cache);
        Transaction transaction(connection);
        if (version < schema_version()) {
            migrate(connection, version, migrations());
            unify_hardware_classes(connection);
        }
        renew_views(connection, false);
        write_metrics(connection);
        transaction.commit();
        execute(connection, "PRAGMA foreign_keys = ON");
        state->ingester = std::make_unique<Ingester>(connection);
    } catch (...) {
        state->connection.reset();
        if (!existed) remove_database(state->path);
        throw;
    }
    return Store(std::move(state));
}

Store Store::open_read_only(std::string const& path) {
    auto state = std::make_unique<State>();
    state->path = resolve(path);
    if (!fs::exists(state->path)) throw ConfigError("there is no database of this name", path);
    state->connection = connect(state->path, SQLITE_OPEN_READONLY);
    int version = 0;
    try {
        version = version_of(state->connection.get(), path);
    } catch (std::runtime_error const&) {
        // A file left in WAL mode wants files beside it, which a read-only folder cannot give.
        int const code = sqlite3_errcode(state->connection.get()) & 0xFF;
        if (code != SQLITE_CANTOPEN && code != SQLITE_READONLY) throw;
        std::error_code error;
        auto const unfinished = fs::file_size(state->path + "-wal", error);
        if (!error && unfinished > 0)
            throw ConfigError(
                "its last rows are in the -wal file beside it, which cannot be read in a read-only "
                "folder: copy both elsewhere",
                path);
        state->connection = connect(immutable_uri(state->path), SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
        version = version_of(state->connection.get(), path);
    }
    if (version == 0) throw ConfigError("an empty file, no KVstone database", path);
    execute(state->connection.get(), large_cache);
    read_as_current(state->connection.get(), version);
    return Store(std::move(state));
}

}  // namespace kvstone
