#include <algorithm>

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "harness/files/mapped_file.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

class RawFile : public ArrayFile {
  public:
    RawFile(std::string const& path, Json const& description) : file_(map_file(path)) {
        path_ = path;
        for (auto const& [name, entry] : description.items()) take_array(name, entry);
        check_extents();
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override { return file_.at(begin_.at(name)); }

  private:
    void take_array(std::string const& name, Json const& entry) {
        auto const what = fmt::format("{}: array '{}'", path_, name);
        ArrayInfo info;
        info.dtype = entry.at("dtype").get<std::string>();
        info.element_bytes = dtype_bytes(info.dtype);
        info.shape = entry.at("shape").get<std::vector<std::uint64_t>>();
        auto const begin = entry.value("offset", std::uint64_t{0});
        auto const bytes = array_bytes(info.shape, info.element_bytes, what);
        if (begin > file_.size || bytes > file_.size - begin) {
            throw CorruptData(
                fmt::format("{}: {} values of {} from byte {} on need {} bytes, the file has {} (truncated?)", what,
                            shape_text(info.shape), info.dtype, begin, bytes, file_.size));
        }
        begin_[name] = begin;
        extents_.push_back({begin, begin + bytes, name});
        arrays_[name] = std::move(info);
    }

    void check_extents() {
        std::sort(extents_.begin(), extents_.end());
        std::uint64_t end_before = 0;
        for (auto const& [begin, end, name] : extents_) {
            if (begin < end_before) {
                throw CorruptData(fmt::format("{}: array '{}' overlaps the one before it", path_, name));
            }
            end_before = end;
        }
        // A file that goes on is a file of another shape.
        if (end_before != file_.size) {
            throw CorruptData(
                fmt::format("{}: the description ends at byte {}, the file at byte {}", path_, end_before, file_.size));
        }
    }

    MappedFile file_;
    std::map<std::string, std::uint64_t> begin_;
    std::vector<std::tuple<std::uint64_t, std::uint64_t, std::string>> extents_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_raw(std::string const& path, Json const& description) {
    return std::make_unique<RawFile>(path, description);
}

}  // namespace kvstone
