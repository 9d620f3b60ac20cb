#include "cluster/spool.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/scheduler.hpp"
#include "results/record/file_lock.hpp"
#include "results/record/utc.hpp"
#include "scenarios/content_hash.hpp"

namespace fs = std::filesystem;

namespace kvstone {
namespace {

constexpr std::size_t hash_digits = 16;
constexpr char const* suffix = ".jsonl";
constexpr char const* half_made = ".new";  // after the suffix: it has no lock yet, nor anything in it

Json record_of(std::string const& campaign, Measurement const& measurement) {
    return {{"campaign", campaign}, {"measurement", to_json(measurement)}};
}

/// Members that an older build did not write have the value of a measurement that says nothing of them.
SpooledAttempt attempt_of(Json const& record) {
    auto const& told = record.at("measurement");
    for (char const* const necessary : {"attempt_id", "cell_id", "process", "status", "finished_utc"})
        told.at(necessary);
    auto measurement = to_json(Measurement{});
    measurement.update(told);
    return {record.at("campaign").get<std::string>(), measurement_from_json(measurement)};
}

/// Where `told` says something that `understood` does not say again, as a path of members; empty: nowhere. A null says
/// nothing.
std::string unknown_part(Json const& told, Json const& understood) {
    if (told.is_null()) return {};
    if (told.is_object() && understood.is_object()) {
        for (auto const& [name, value] : told.items()) {
            if (!understood.contains(name) && !value.is_null()) return name;
            if (value.is_null()) continue;
            if (auto const inner = unknown_part(value, understood.at(name)); !inner.empty()) return name + "." + inner;
        }
        return {};
    }
    if (told.is_array() && understood.is_array() && told.size() == understood.size()) {
        for (std::size_t i = 0; i < told.size(); ++i)
            if (auto const inner = unknown_part(told[i], understood[i]); !inner.empty())
                return fmt::format("{}.{}", i, inner);
        return {};
    }
    return told == understood ? std::string{} : told.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
}

void set_aside(std::string const& path, std::string const& why, std::function<void(std::string const&)> const& notice) {
    auto const name = path.substr(0, path.rfind(suffix)) + suffix + "." + why;
    if (name == path) return;
    if (::rename(path.c_str(), name.c_str()) == 0)
        notice(fmt::format("{}: kept as {}", path, name));
    else
        notice(fmt::format("{}: kept: it cannot be renamed: {}", path, std::strerror(errno)));
}

/// Characters of a node's name that a file's name must not have.
std::string file_name_part(std::string name) {
    std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '.'; }, '_');
    return name.substr(0, 64);
}

/// Makes the names in a folder as durable as the content of its files.
void sync_folder(std::string const& folder) {
    FileDescriptor const descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor.is_open()) ::fsync(descriptor.get());
}

}  // namespace

void Spool::create() {
    // Another worker's close() may take the folder away before there is a file in it, and collect_spools() may take this
    // file for a crash's while it has no lock.
    constexpr int tries = 5;
    for (int left = tries; !create_once(); --left)
        if (left == 1) throw SystemError("cannot make a file in " + folder_ + ": others remove it", EBUSY);
    sync_folder(folder_);
}

/// False: something came between, try again.
bool Spool::create_once() {
    auto const path =
        fmt::format("{}/{}-{}-{}{}", folder_, file_name_part(node_), getpid(), new_attempt_id().substr(0, 8), suffix);
    // A collector takes unlocked files only, so it must never see this file without its lock.
    auto const hidden = path + half_made;
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) throw SystemError("cannot make the spool's folder " + folder_, error.value());
    FileDescriptor file(::open(hidden.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644));
    if (!file.is_open()) {
        if (errno == ENOENT) return false;
        throw SystemError("cannot make " + hidden, errno);
    }
    int failure = locking_ == Locking::none ? 0 : try_lock(file);
    bool const locked = failure == 0;
    if (locked && ::rename(hidden.c_str(), path.c_str()) == 0) {
        file_ = std::move(file);
        path_ = path;
        return true;
    }
    if (locked) failure = errno;
    ::unlink(hidden.c_str());
    if (!locked && lacks_locks(failure)) throw SystemError(lock_error_text(failure, path));
    if (failure == EWOULDBLOCK || failure == ENOENT) return false;
    throw SystemError("cannot make " + path, failure);
}

void Spool::append(Json const& record, bool to_disk) {
    if (path_.empty()) create();
    auto const text = record.dump(-1, ' ', false, Json::error_handler_t::replace);
    auto const line = fmt::format("{} {}\n", short_hash(text), text);
    try {
        write_all(file_, std::as_bytes(std::span(line)), "cannot write " + path_);
    } catch (SystemError const&) {
        // Half a line would corrupt the next one. Where even this fails, that one is reported as altered.
        [[maybe_unused]] int const cut = ::ftruncate(file_.get(), size_);
        throw;
    }
    size_ += static_cast<off_t>(line.size());
    if (to_disk && ::fdatasync(file_.get()) != 0) throw SystemError("cannot write " + path_, errno);
}

void Spool::begin(WorkItem const& item, WorkerInfo const& self) {
    Measurement measurement;
    measurement.attempt_id = item.attempt_id;
    measurement.cell_id = item.cell.id;
    measurement.process = item.process;
    measurement.status = Status::node_lost;
    measurement.started_utc = measurement.finished_utc = utc_now();
    measurement.host = self.host;
    measurement.reason = fmt::format("its worker on {} died while it ran", self.node);
    append({{"begin", record_of(item.campaign, measurement)}}, false);
}

void Spool::result(WorkItem const& item, Measurement const& measurement) {
    unstored_.insert(item.attempt_id);  // first: a file system that is full may have taken it, and keeps it then
    append({{"result", record_of(item.campaign, measurement)}}, true);
}

void Spool::settled(WorkItem const& item) { append({{"settled", item.attempt_id}}, false); }

void Spool::stored(std::vector<std::string> const& attempt_ids) {
    for (auto const& id : attempt_ids) unstored_.erase(id);
}

void Spool::close(std::vector<std::string> const& attempt_ids) {
    stored(attempt_ids);
    if (path_.empty() || !unstored_.empty()) return;
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
}

SpoolContent parse_spool(std::string const& text) {
    SpoolContent content;
    std::map<std::string, SpooledAttempt> open;
    std::vector<std::string> order;
    std::size_t number = 0;
    auto const object = [&](std::string const& why, std::string const& kind) {
        content.notices.push_back(fmt::format("line {} {}", number, why));
        if (content.not_understood.empty()) content.not_understood = kind;
    };
    for (std::size_t start = 0; start < text.size();) {
        ++number;
        auto const end = text.find('\n', start);
        if (end == std::string::npos) {
            content.notices.push_back(fmt::format("line {} is torn: left out", number));
            break;
        }
        auto const line = text.substr(start, end - start);
        start = end + 1;
        if (line.size() < hash_digits + 1 || line[hash_digits] != ' ' ||
            short_hash(line.substr(hash_digits + 1)) != line.substr(0, hash_digits)) {
            object("is altered", "damaged");
            continue;
        }
        try {
            auto const record = parse_json(line.substr(hash_digits + 1));
            if (record.contains("begin")) {
                auto attempt = attempt_of(record.at("begin"));
                order.push_back(attempt.measurement.attempt_id);
                open.insert_or_assign(order.back(), std::move(attempt));
            } else if (record.contains("result")) {
                auto attempt = attempt_of(record.at("result"));
                open.erase(attempt.measurement.attempt_id);
                auto const unknown = unknown_part(record.at("result").at("measurement"), to_json(attempt.measurement));
                if (unknown.empty())
                    content.attempts.push_back(std::move(attempt));
                else
                    object(fmt::format("is another build's: '{}' means nothing here", unknown), "other-build");
            } else {
                open.erase(record.at("settled").get<std::string>());
            }
        } catch (std::exception const& error) {
            object(fmt::format("is another build's: {}", error.what()), "other-build");
        }
    }
    for (auto const& id : order) {
        auto const found = open.find(id);
        if (found != open.end()) content.under_way.push_back(std::move(found->second));
    }
    return content;
}

void collect_spools(std::string const& folder,
                    std::function<SpoolFate(std::string const&, SpoolContent const&)> const& take,
                    std::function<void(std::string const&)> const& notice, Locking locking) {
    if (!fs::is_directory(folder)) return;
    std::vector<std::string> paths;
    for (auto const& entry : fs::directory_iterator(folder))
        if (entry.path().filename().string().find(suffix) != std::string::npos) paths.push_back(entry.path().string());
    std::ranges::sort(paths);
    for (auto const& path : paths) {
        // For writing, because locks on NFS ask for it.
        FileDescriptor const file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        if (!file.is_open()) {
            if (errno != ENOENT) notice(fmt::format("{}: kept: it cannot be read: {}", path, std::strerror(errno)));
            continue;
        }
        if (int const error = locking == Locking::file ? try_lock(file) : 0; error != 0) {
            if (error != EWOULDBLOCK) notice(fmt::format("{}: kept: {}", path, lock_error_text(error, path)));
            continue;  // its worker lives
        }
        if (path.ends_with(half_made)) {
            ::unlink(path.c_str());
            continue;
        }
        std::ifstream in(path, std::ios::binary);
        std::string const text{std::istreambuf_iterator<char>(in), {}};
        if (in.bad()) {
            notice(fmt::format("{}: kept: it cannot be read: {}", path, std::strerror(errno)));
            continue;
        }
        auto const fate = take(path, parse_spool(text));
        if (fate.kind == SpoolFate::Kind::remove) ::unlink(path.c_str());
        if (fate.kind == SpoolFate::Kind::set_aside) set_aside(path, fate.why, notice);
    }
    ::rmdir(folder.c_str());  // only where it is empty
}

}  // namespace kvstone
