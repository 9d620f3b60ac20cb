// Of the GGUF format (ggml, docs/gguf.md; versions 2 and 3, little-endian) the metadata is walked through:
//   4 bytes   "GGUF"; u32 version; u64 number of tensors; u64 number of entries
//   entry     string key; u32 type; value
//   string    u64 length; bytes
//   array     u32 type; u64 number of elements; elements

#include "scenarios/gguf_shards.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "scenarios/errors.hpp"
#include "scenarios/safetensors_index.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_shards = 99'999;  // five digits in their names

/// The metadata about shards.
struct Split {
    std::uint64_t count = 1;
    std::uint64_t number = 0;  ///< of this shard, from 0
};

class Metadata {
  public:
    explicit Metadata(std::ifstream& file, std::uint64_t bytes) : file_(file), left_(bytes) {}

    /// Nothing where the metadata are broken: loading the model reports how.
    std::optional<Split> split() {
        Split split;
        if (!skip(8)) return std::nullopt;  // "GGUF" and the version, which were looked at
        auto const tensors = whole<std::uint64_t>();
        auto const entries = whole<std::uint64_t>();
        if (!tensors || !entries) return std::nullopt;
        for (std::uint64_t i = 0; i < *entries; ++i) {
            auto const key = text();
            auto const type = whole<std::uint32_t>();
            if (!key || !type) return std::nullopt;
            if (*key == "split.count" || *key == "split.no") {
                auto const number = number_of(*type);
                if (!number) return std::nullopt;
                (*key == "split.no" ? split.number : split.count) = *number;
            } else if (!skip_value(*type)) {
                return std::nullopt;
            }
        }
        return split;
    }

  private:
    enum Type : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

    static std::size_t bytes_of(std::uint32_t type) {
        switch (type) {
            case u8:
            case i8:
            case boolean:
                return 1;
            case u16:
            case i16:
                return 2;
            case u32:
            case i32:
            case f32:
                return 4;
            case u64:
            case i64:
            case f64:
                return 8;
            default:
                return 0;
        }
    }

    bool skip(std::uint64_t bytes) {
        if (bytes > left_) return false;
        left_ -= bytes;
        file_.ignore(static_cast<std::streamsize>(bytes));
        return file_.good();
    }
    bool read(void* to, std::size_t bytes) {
        if (bytes > left_) return false;
        left_ -= bytes;
        return static_cast<bool>(file_.read(static_cast<char*>(to), static_cast<std::streamsize>(bytes)));
    }
    template <class T>
    std::optional<T> whole() {
        T value = 0;
        if (!read(&value, sizeof value)) return std::nullopt;
        return value;
    }
    std::optional<std::string> text() {
        constexpr std::uint64_t longest_key = 65'535;
        auto const length = whole<std::uint64_t>();
        if (!length || *length > longest_key) return std::nullopt;
        std::string value(*length, '\0');
        if (!read(value.data(), value.size())) return std::nullopt;
        return value;
    }
    std::optional<std::uint64_t> number_of(std::uint32_t type) {
        if (type == f32 || type == f64 || type == boolean) return std::nullopt;
        std::uint64_t value = 0;
        auto const bytes = bytes_of(type);
        if (bytes == 0 || !read(&value, bytes)) return std::nullopt;
        return value;
    }
    bool skip_text() {
        auto const length = whole<std::uint64_t>();
        return length && skip(*length);
    }
    bool skip_value(std::uint32_t type) {
        if (type == string) return skip_text();
        if (type != array) return bytes_of(type) != 0 && skip(bytes_of(type));
        auto const element = whole<std::uint32_t>();
        auto const count = whole<std::uint64_t>();
        if (!element || !count || *element == array) return false;
        if (*element != string) {
            auto const bytes = bytes_of(*element);
            return bytes != 0 && *count <= left_ / bytes && skip(*count * bytes);
        }
        for (std::uint64_t i = 0; i < *count; ++i)
            if (!skip_text()) return false;
        return true;
    }

    std::ifstream& file_;
    std::uint64_t left_;
};

/// A file that is no GGUF model is in one piece.
Split split_of(std::string const& path) {
    std::error_code error;
    // A pipe would hold us.
    if (!std::filesystem::is_regular_file(path, error)) return {};
    std::ifstream file(path, std::ios::binary);
    char begin[8] = "";
    if (!file.read(begin, sizeof begin) || std::memcmp(begin, "GGUF", 4) != 0) return {};
    std::uint32_t version = 0;
    std::memcpy(&version, begin + 4, sizeof version);
    if (version < 2 || version > 3) return {};
    auto const bytes = std::filesystem::file_size(path, error);
    file.seekg(0);
    return error ? Split() : Metadata(file, bytes).split().value_or(Split());
}

std::string shard_name(std::string const& prefix, std::uint64_t number, std::uint64_t count) {
    return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, number + 1, count);
}

}  // namespace

std::vector<std::string> files_behind(std::string const& path) {
    if (is_safetensors_index(path)) {
        std::set<std::string> shards;
        try {
            for (auto const& [tensor, shard] : shards_of_index(path)) shards.insert(shard);
        } catch (CorruptData const&) {  // reading it reports how it is broken
        }
        std::vector<std::string> files{path};
        files.insert(files.end(), shards.begin(), shards.end());
        return files;
    }
    auto const split = split_of(path);
    if (split.count <= 1) return {path};
    if (split.count > most_shards || split.number >= split.count)
        throw SystemError(
            fmt::format("{}: says that it is shard {} of {} of a model", path, split.number + 1, split.count));
    auto const ending = shard_name("", split.number, split.count);
    if (!path.ends_with(ending))
        throw SystemError(fmt::format(
            "{}: shard {} of {} of a model, whose other shards are found by its name: it has to end with {}", path,
            split.number + 1, split.count, ending));
    auto const prefix = path.substr(0, path.size() - ending.size());
    if (split.number != 0)
        throw SystemError(fmt::format("{}: shard {} of {} of a model: name the first one, {}", path, split.number + 1,
                                      split.count, shard_name(prefix, 0, split.count)));
    std::vector<std::string> shards;
    for (std::uint64_t number = 0; number < split.count; ++number)
        shards.push_back(shard_name(prefix, number, split.count));
    return shards;
}

}  // namespace kvstone
