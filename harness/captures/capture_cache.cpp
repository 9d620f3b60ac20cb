#include "harness/captures/capture_cache.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <xxhash.h>

#include "harness/files/mapped_file.hpp"
#include "harness/files/replace_file.hpp"
#include "harness/sources/dump.hpp"
#include "harness/sources/sources.hpp"
#include "results/record/file_lock.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::size_t alignment_bytes = 64;  ///< of plain bytes in their file

std::string checksum(std::span<std::byte const> bytes) {
    return fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
}

/// An entry of the folder as its kind reads and writes it.
template <class Value>
class Entry {
  public:
    Entry(std::string const& folder, std::string key, char const* extension)
        : key_(std::move(key)),
          path_((std::filesystem::path(folder) /
                 fmt::format("{:016x}{}", XXH3_64bits(key_.data(), key_.size()), extension))
                    .string()) {}
    virtual ~Entry() = default;
    Entry(Entry const&) = delete;
    Entry& operator=(Entry const&) = delete;

    /// Nothing where there is no file, or none to trust. The value holds the file in use.
    std::optional<Value> find() const {
        auto lock = FileLock::shared(path_);
        if (!lock) return std::nullopt;
        auto const held = std::make_shared<FileLock>(*std::move(lock));
        try {
            auto value = read(held);
            if (value) held->touch();
            return value;
        } catch (CorruptData const&) {
        } catch (ConfigError const&) {
        } catch (SystemError const&) {
        }
        return std::nullopt;
    }

    /// `anew`: the kept file is not looked at. `obstacle` says why it was not kept.
    Value find_or_make(bool anew, std::function<Value()> const& make, std::string& obstacle) const {
        auto const folder = std::filesystem::path(path_).parent_path();
        std::optional<FileLock> lock;
        try {
            std::filesystem::create_directories(folder);
            lock.emplace(FileLock::exclusive(std::filesystem::path(path_).replace_extension(".lock").string()));
        } catch (std::exception const& error) {
            obstacle = error.what();
        }
        // Whoever held the lock before may have made it.
        if (lock && !anew) {
            if (auto found = find()) return *std::move(found);
        }
        auto value = make();
        if (!lock) return value;
        auto const limit = capture_limit_bytes();
        if (bytes(value) > limit) {
            obstacle = fmt::format("its {} bytes are more than all captures may take ({})", bytes(value), limit);
            return value;
        }
        try {
            write(value);
            auto const held = FileLock::shared(path_);  // this one is in use
            prune_captures(folder.string(), limit);
        } catch (SystemError const& error) {
            obstacle = error.what();
        }
        return value;
    }

  protected:
    std::string const& key() const { return key_; }
    std::string const& path() const { return path_; }

  private:
    virtual std::optional<Value> read(std::shared_ptr<FileLock> const& held) const = 0;
    virtual void write(Value const& value) const = 0;
    virtual std::uint64_t bytes(Value const& value) const = 0;

    std::string key_;
    std::string path_;
};

std::array<std::optional<HostTensor>*, 4> tensors_of(KvTensors& tensors) {
    return {&tensors.k, &tensors.v, &tensors.k_prerope, &tensors.q};
}

class TensorEntry : public Entry<KvTensors> {
  public:
    TensorEntry(std::string const& folder, Json const& key) : Entry(folder, key.dump(), ".safetensors") {}

  private:
    /// Over the values of all tensors, in a fixed order.
    static std::string values_checksum(KvTensors tensors) {
        std::string text;
        for (auto const* tensor : tensors_of(tensors))
            if (*tensor) text += checksum((*tensor)->span());
        return text;
    }
    std::optional<KvTensors> read(std::shared_ptr<FileLock> const& held) const override {
        auto tensors = read_dump(path(), {.k = true, .v = true, .k_prerope = true, .q = true});
        if (tensors.metadata.value("capture", "") != key() ||
            tensors.metadata.value("xxh3", "") != values_checksum(tensors))
            return std::nullopt;
        for (auto* tensor : tensors_of(tensors)) {
            if (!*tensor) continue;
            auto& bytes = (*tensor)->bytes;
            bytes = {bytes.get(), [bytes, held](std::byte const*) {}};
        }
        return tensors;
    }
    void write(KvTensors const& tensors) const override {
        auto kept = tensors;
        kept.metadata["capture"] = key();
        kept.metadata["xxh3"] = values_checksum(tensors);
        write_dump(path(), kept);
    }
    std::uint64_t bytes(KvTensors const& tensors) const override {
        std::uint64_t sum = 0;
        auto all = tensors;
        for (auto const* tensor : tensors_of(all))
            if (*tensor) sum += (*tensor)->span().size();
        return sum;
    }
};

class BytesEntry : public Entry<KeptBytes> {
  public:
    BytesEntry(std::string const& folder, Json const& key) : Entry(folder, key.dump(), ".baseline") {}

  private:
    std::string header(std::span<std::byte const> bytes) const {
        auto text = key() + '\n' + checksum(bytes) + '\n';
        text.resize((text.size() + alignment_bytes - 1) / alignment_bytes * alignment_bytes, '\n');
        return text;
    }
    std::optional<KeptBytes> read(std::shared_ptr<FileLock> const& held) const override {
        auto const file = map_file(path());
        auto const header_bytes = header({}).size();  // a checksum is always as long
        if (file.size < header_bytes) return std::nullopt;
        auto const bytes = file.span().subspan(header_bytes);
        auto const wanted = header(bytes);
        if (std::memcmp(file.bytes.get(), wanted.data(), header_bytes) != 0) return std::nullopt;
        return KeptBytes{std::make_shared<std::pair<MappedFile, std::shared_ptr<FileLock>>>(file, held), bytes};
    }
    void write(KeptBytes const& value) const override {
        auto const head = header(value.bytes);
        replace_file(path(), {std::as_bytes(std::span(head)), value.bytes});
    }
    std::uint64_t bytes(KeptBytes const& value) const override { return value.bytes.size(); }
};

KvTensors keep_needed(KvTensors tensors, Needs needs) {
    if (!needs.k) tensors.k.reset();
    if (!needs.v) tensors.v.reset();
    if (!needs.k_prerope) tensors.k_prerope.reset();
    if (!needs.q) tensors.q.reset();
    return tensors;
}

}  // namespace

std::optional<KvTensors> find_capture(std::string const& folder, Json const& key, Needs needs) {
    if (folder.empty()) return std::nullopt;
    auto found = TensorEntry(folder, key).find();
    if (found) return keep_needed(*std::move(found), needs);
    return std::nullopt;
}

KvTensors cached_capture(std::string const& folder, Json const& key, Needs needs,
                         std::function<KvTensors()> const& capture) {
    if (folder.empty()) return capture();
    if (auto found = find_capture(folder, key, needs)) return *std::move(found);
    std::string obstacle;
    auto tensors = TensorEntry(folder, key).find_or_make(false, capture, obstacle);
    if (!obstacle.empty()) tensors.metadata["cache"] = "not kept: " + obstacle;
    return keep_needed(std::move(tensors), needs);
}

KeptBytes keep_bytes(std::vector<std::byte> bytes) {
    auto const held = std::make_shared<std::vector<std::byte> const>(std::move(bytes));
    return {held, *held};
}

KeptBytes cached_bytes(std::string const& folder, Json const& key, bool anew,
                       std::function<std::vector<std::byte>()> const& make) {
    auto const kept = [&] { return keep_bytes(make()); };
    if (folder.empty()) return kept();
    BytesEntry const entry(folder, key);
    if (!anew) {
        if (auto found = entry.find()) return *std::move(found);
    }
    std::string obstacle;
    return entry.find_or_make(anew, kept, obstacle);
}

}  // namespace kvstone
