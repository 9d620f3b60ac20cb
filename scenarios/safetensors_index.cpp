// As huggingface_hub and transformers write it:
//   {"metadata": {"total_size": BYTES}, "weight_map": {"TENSOR": "NAME-00001-of-00002.safetensors", ...}}

#include "scenarios/safetensors_index.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "scenarios/errors.hpp"
#include "scenarios/json.hpp"
#include "scenarios/text.hpp"

namespace kvstone {

bool is_safetensors_index(std::string const& path) { return path.ends_with(".safetensors.index.json"); }

std::map<std::string, std::string> shards_of_index(std::string const& path) {
    constexpr std::uintmax_t longest_index = std::uintmax_t{64} << 20;
    std::error_code error;
    auto const size = std::filesystem::file_size(path, error);
    if (error) throw SystemError(path + ": cannot be read", error.value());
    if (size > longest_index) throw CorruptData(path + ": an index of more than 64 MiB");
    std::ifstream file(path, std::ios::binary);
    std::string const text{std::istreambuf_iterator<char>(file), {}};
    if (!file) throw SystemError(path + ": cannot be read");
    auto const index = parse_json_or_discard(text);
    if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
        throw CorruptData(path + ": no index of shards: it lacks the object weight_map");
    std::map<std::string, std::string> shards;
    for (auto const& [tensor, shard] : index["weight_map"].items()) {
        if (!shard.is_string()) throw CorruptData(path + ": tensor '" + excerpt(tensor) + "' has no shard");
        std::filesystem::path const name = shard.get<std::string>();
        if (name.filename() != name || name.extension() != ".safetensors")
            throw CorruptData(path + ": a shard is a .safetensors file beside its index, not '" +
                              excerpt(name.string()) + "'");
        shards[tensor] = (std::filesystem::path(path).parent_path() / name).string();
    }
    if (shards.empty()) throw CorruptData(path + ": the index names no tensor");
    return shards;
}

}  // namespace kvstone
