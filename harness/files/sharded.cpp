// A safetensors file in several parts, as one: each tensor is read from the shard that the index names.

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/safetensors_index.hpp"

namespace kvstone {
namespace {

class ShardedFile : public ArrayFile {
  public:
    explicit ShardedFile(std::string const& path) {
        path_ = path;
        for (auto const& [name, shard] : shards_of_index(path)) {
            auto& file = shards_[shard];
            if (!file) file = open_safetensors(shard);
            auto const found = file->arrays().find(name);
            if (found == file->arrays().end())
                throw CorruptData(fmt::format("{}: tensor '{}' is not in {}", path, name, shard));
            arrays_[name] = found->second;
            shard_of_[name] = file.get();
            metadata_.update(file->metadata());
        }
    }
    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        return shard_of_.at(name)->bytes(name);
    }

  private:
    std::map<std::string, std::unique_ptr<ArrayFile>> shards_;
    std::map<std::string, ArrayFile const*> shard_of_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_sharded(std::string const& path) { return std::make_unique<ShardedFile>(path); }

}  // namespace kvstone
