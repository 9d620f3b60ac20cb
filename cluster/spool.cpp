#include "cluster/spool.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/scheduler.hpp"
#include "results/utc.hpp"
#include "scenarios/content_hash.hpp"

namespace fs = std::filesystem;

namespace kvstone {
namespace {

constexpr std::size_t hash_digits = 16;
constexpr char const* suffix = ".jsonl";

Json record_of(std::string const& campaign, Measurement const& measurement) {
    return {{"campaign", campaign}, {"measurement", to_json(measurement)}};
}

SpooledAttempt attempt_of(Json const& record) {
    return {record.at("campaign").get<std::string>(), measurement_from_json(record.at("measurement"))};
}

/// What a node's name may not bring into a file's name.
std::string file_name_part(std::string name) {
    std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '-' && c != '.'; }, '_');
    return name.substr(0, 64);
}

/// Makes the names in a folder as durable as what is in the files.
void sync_folder(std::string const& folder) {
    int const descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::close(descriptor);
}

}  // namespace

void Spool::create() {
    auto const path =
        fmt::format("{}/{}-{}-{}{}", folder_, file_name_part(node_), getpid(), new_attempt_id().substr(0, 8), suffix);
    // Whoever collects takes only what is unlocked, so it must never see this file without its lock.
    auto const hidden = path + ".new";
    // Another worker's remove() may take the folder away before there is a file in it.
    for (int tries = 0; tries < 5 && descriptor_ < 0; ++tries) {
        std::error_code error;
        fs::create_directories(folder_, error);
        if (error) throw SystemError("cannot make the spool's folder " + folder_, error.value());
        descriptor_ = ::open(hidden.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
    }
    if (descriptor_ < 0) throw SystemError("cannot make " + hidden, errno);
    if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 || ::rename(hidden.c_str(), path.c_str()) != 0) {
        int const failure = errno;
        ::unlink(hidden.c_str());
        ::close(descriptor_);
        descriptor_ = -1;
        throw SystemError("cannot make " + path, failure);
    }
    path_ = path;
    sync_folder(folder_);
}

Spool::~Spool() {
    if (descriptor_ >= 0) ::close(descriptor_);
}

void Spool::append(Json const& record, bool to_disk) {
    if (path_.empty()) create();
    auto const text = record.dump(-1, ' ', false, Json::error_handler_t::replace);
    auto const line = fmt::format("{} {}\n", short_hash(text), text);
    for (std::size_t written = 0; written < line.size();) {
        auto const count = ::write(descriptor_, line.data() + written, line.size() - written);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            int const failure = errno;
            // Half a line would spoil the next one. Where even this fails, that one is reported as altered.
            if (::ftruncate(descriptor_, size_) != 0) errno = failure;
            throw SystemError("cannot write " + path_, failure);
        }
        written += static_cast<std::size_t>(count);
    }
    size_ += static_cast<off_t>(line.size());
    if (to_disk && ::fdatasync(descriptor_) != 0) throw SystemError("cannot write " + path_, errno);
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
    append({{"result", record_of(item.campaign, measurement)}}, true);
}

void Spool::settled(WorkItem const& item) { append({{"settled", item.attempt_id}}, false); }

void Spool::remove() {
    if (path_.empty()) return;
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
}

SpoolContent parse_spool(std::string const& text) {
    SpoolContent content;
    std::map<std::string, SpooledAttempt> open;
    std::vector<std::string> order;
    std::size_t number = 0;
    for (std::size_t start = 0; start < text.size();) {
        ++number;
        auto const end = text.find('\n', start);
        auto const line = text.substr(start, end == std::string::npos ? end : end - start);
        start = end == std::string::npos ? text.size() : end + 1;
        if (end == std::string::npos || line.size() < hash_digits + 1 || line[hash_digits] != ' ' ||
            short_hash(line.substr(hash_digits + 1)) != line.substr(0, hash_digits)) {
            content.notices.push_back(
                fmt::format("line {} is {}: left out", number, end == std::string::npos ? "torn" : "altered"));
            continue;
        }
        try {
            auto const record = Json::parse(line.substr(hash_digits + 1));
            if (record.contains("begin")) {
                auto attempt = attempt_of(record.at("begin"));
                order.push_back(attempt.measurement.attempt_id);
                open.insert_or_assign(order.back(), std::move(attempt));
            } else if (record.contains("result")) {
                content.attempts.push_back(attempt_of(record.at("result")));
                open.erase(content.attempts.back().measurement.attempt_id);
            } else {
                open.erase(record.at("settled").get<std::string>());
            }
        } catch (std::exception const& error) {
            content.notices.push_back(fmt::format("line {} is of another version: {}", number, error.what()));
        }
    }
    for (auto const& id : order) {
        auto const found = open.find(id);
        if (found != open.end()) content.attempts.push_back(std::move(found->second));
    }
    return content;
}

void collect_spools(std::string const& folder,
                    std::function<bool(std::string const&, SpoolContent const&)> const& take) {
    if (!fs::is_directory(folder)) return;
    std::vector<std::string> paths;
    for (auto const& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == suffix) paths.push_back(entry.path().string());
    std::ranges::sort(paths);
    for (auto const& path : paths) {
        // For writing, because locks on NFS ask for it.
        int const descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
        if (descriptor < 0 && errno == ENOENT) continue;
        if (descriptor < 0) throw SystemError("cannot read " + path, errno);
        struct Closer {
            int descriptor;
            ~Closer() { ::close(descriptor); }
        } const closer{descriptor};
        if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) continue;  // its worker lives
            throw SystemError("cannot lock " + path, errno);
        }
        std::ifstream in(path, std::ios::binary);
        std::string const text{std::istreambuf_iterator<char>(in), {}};
        if (in.bad()) throw SystemError("cannot read " + path, errno);
        if (take(path, parse_spool(text))) ::unlink(path.c_str());
    }
    ::rmdir(folder.c_str());  // only where it is empty
}

}  // namespace kvstone
