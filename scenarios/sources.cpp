#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>
#include <glob.h>

#include "scenarios/content_hash.hpp"
#include "scenarios/source_entry.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

std::vector<SourceEntry> entries_of(YamlValue const& item, SourceFiles const& files, Vocabulary const& vocabulary) {
    YamlMap const map(item, {"name", "model", "dump", "synthetic"});
    auto const* model = map.find("model");
    auto const* dump = map.find("dump");
    auto const* synthetic = map.find("synthetic");
    if ((model != nullptr) + (dump != nullptr) + (synthetic != nullptr) != 1)
        refuse(item, "expected exactly one kind of source", {"model", "dump", "synthetic"});
    if (model != nullptr) return model_sources(*model, files, vocabulary);
    if (synthetic != nullptr) return {synthetic_source(*synthetic, files, vocabulary)};
    auto entries = dump_sources(*dump, files, vocabulary);
    if (vocabulary.check_dump)
        for (auto const& entry : entries) {
            try {
                vocabulary.check_dump(entry.source, entry.locator);
            } catch (ConfigError const& error) {
                throw error.at(dump->place);
            }
        }
    return entries;
}

/// Gives display names, so that none stands for two sources.
class Names {
  public:
    void take(YamlValue const& name) {
        if (!used_.emplace(text_of(name), 1).second) refuse(name, "a name of two sources");
    }
    std::string unused(std::string const& wish) {
        for (std::string name = wish;;) {
            auto const [found, is_new] = used_.emplace(name, 1);
            if (is_new) return name;
            name = fmt::format("{}-{}", wish, ++used_[wish]);
        }
    }

  private:
    std::map<std::string, int> used_;  ///< and the last number given to it
};

}  // namespace

std::string SourceFiles::absolute(YamlValue const& value, std::string const& path) const {
    auto const joined = std::filesystem::path(folder) / path;
    auto const whole = std::filesystem::absolute(joined).lexically_normal().string();
    if (first_unreadable(whole) != std::string::npos) refuse(value, "its folder's name is no UTF-8");
    return whole;
}

std::string SourceFiles::hash(YamlValue const& value, std::string const& path, YamlValue const* expected) const {
    std::string digest;
    try {
        digest = named_hash(path);
    } catch (SystemError const& error) {
        throw ConfigError(fmt::format("{}: {}", value.path, error.what()), excerpt(path), {}, value.place);
    }
    if (expected != nullptr && text_of(*expected) != digest)
        refuse(*expected, "the file has another SHA-256", {digest});
    return digest;
}

std::vector<std::pair<YamlValue const*, std::string>> SourceFiles::matching(YamlValue const& value) const {
    std::vector<std::pair<YamlValue const*, std::string>> found;
    for (auto const* item : one_or_more(value)) {
        auto const path = absolute(*item, text_of(*item));
        if (path.find_first_of("*?[") == std::string::npos || std::filesystem::exists(path)) {
            found.emplace_back(item, path);
            continue;
        }
        glob_t matches{};
        auto const result = glob(path.c_str(), 0, nullptr, &matches);
        std::vector<std::string> paths;
        if (result == 0) paths.assign(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
        globfree(&matches);
        if (paths.empty()) refuse(*item, "no file matches");
        std::sort(paths.begin(), paths.end());
        for (auto& match : paths) found.emplace_back(item, std::move(match));
    }
    return found;
}

std::vector<SourceEntry> sources_of(YamlValue const& list, SourceFiles const& files, Vocabulary const& vocabulary) {
    Names names;
    std::vector<std::pair<SourceEntry, bool>> all;
    for (auto const& item : items_of(list)) {
        auto entries = entries_of(item, files, vocabulary);
        auto const* name = YamlMap(item, {"name", "model", "dump", "synthetic"}).find("name");
        if (name != nullptr && entries.size() != 1) refuse(*name, "one name for several files");
        if (name != nullptr) {
            names.take(*name);
            entries[0].name = name->text;
        }
        for (auto& entry : entries) all.emplace_back(std::move(entry), name != nullptr);
    }
    std::vector<SourceEntry> sources;
    std::vector<bool> has_own_name;
    std::map<std::string, std::size_t> seen;
    for (auto& [entry, named] : all) {
        auto const [found, is_new] = seen.emplace(entry.source.dump(), sources.size());
        if (is_new) {
            sources.push_back(std::move(entry));
            has_own_name.push_back(named);
        } else if (named && has_own_name[found->second]) {
            sources[found->second].other_names.push_back(std::move(entry.name));
        } else if (named) {
            sources[found->second].name = std::move(entry.name);
            has_own_name[found->second] = true;
        }
    }
    for (std::size_t i = 0; i < sources.size(); ++i)
        if (!has_own_name[i]) sources[i].name = names.unused(sources[i].name);
    return sources;
}

}  // namespace kvstone
