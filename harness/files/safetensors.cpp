// The safetensors format (huggingface/safetensors, README "Format"):
//   8 bytes   N, little-endian: length of the header, at most 100,000,000
//   N bytes   JSON: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"K": "V"}}
//   the rest  values, row-major and little-endian; offsets count from its start, and leave neither holes nor overlaps

#include "harness/files/safetensors.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "harness/files/array_file.hpp"
#include "harness/files/mapped_file.hpp"
#include "harness/files/replace_file.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t header_limit_bytes = 100'000'000;

struct StoredDtype {
    char const* stored;
    char const* dtype;
    std::size_t bytes;
};
constexpr StoredDtype stored_dtypes[] = {
    {"F32", "f32", 4}, {"F16", "f16", 2},   {"BF16", "bf16", 2}, {"F64", "f64", 8},         {"I8", "i8", 1},
    {"U8", "u8", 1},   {"BOOL", "BOOL", 1}, {"I16", "I16", 2},   {"U16", "U16", 2},         {"I32", "I32", 4},
    {"U32", "U32", 4}, {"I64", "I64", 8},   {"U64", "U64", 8},   {"F8_E4M3", "f8_e4m3", 1}, {"F8_E5M2", "f8_e5m2", 1}};

/// Parses the header and refuses a key that stands twice, as the format demands (a plain parse keeps the last).
Json parse_header(std::string const& path, char const* begin, char const* end) {
    std::vector<std::set<std::string>> keys;
    auto const callback = [&](int, Json::parse_event_t event, Json& value) {
        if (event == Json::parse_event_t::object_start) keys.emplace_back();
        if (event == Json::parse_event_t::object_end) keys.pop_back();
        if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
            throw CorruptData(fmt::format("{}: the header names '{}' twice", path, value.get<std::string>()));
        }
        return true;
    };
    try {
        auto header = Json::parse(begin, end, callback);
        if (!header.is_object()) throw CorruptData(path + ": the header is no JSON object");
        return header;
    } catch (Json::exception const& error) {
        throw CorruptData(fmt::format("{}: the header is not JSON ({})", path, error.what()));
    }
}

std::uint64_t unsigned_member(std::string const& what, Json const& value) {
    if (!value.is_number_unsigned()) throw CorruptData(what + ": shape and data_offsets are lists of whole numbers");
    return value.get<std::uint64_t>();
}

class SafetensorsFile : public ArrayFile {
  public:
    SafetensorsFile(std::string const& path, MappedFile file) : file_(std::move(file)) {
        path_ = path;
        std::uint64_t header_bytes = 0;
        if (file_.size < 8) throw CorruptData(path + ": truncated: a safetensors file has at least 8 bytes");
        std::memcpy(&header_bytes, file_.bytes.get(), 8);
        if (header_bytes > header_limit_bytes || header_bytes > file_.size - 8) {
            throw CorruptData(fmt::format("{}: no safetensors file, or truncated: a header of {} bytes in a file of {}",
                                          path, header_bytes, file_.size));
        }
        data_offset_ = 8 + header_bytes;
        auto const* text = reinterpret_cast<char const*>(file_.bytes.get()) + 8;
        auto const header = parse_header(path, text, text + header_bytes);
        for (auto const& [name, entry] : header.items()) {
            if (name == "__metadata__") {
                take_metadata(entry);
            } else {
                take_array(name, entry);
            }
        }
        check_cover();
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        return file_.at(data_offset_ + begin_.at(name));
    }

  private:
    void take_metadata(Json const& entry) {
        if (!entry.is_object()) throw CorruptData(path_ + ": __metadata__ is no object");
        for (auto const& [key, value] : entry.items()) {
            if (!value.is_string()) throw CorruptData(path_ + ": __metadata__ holds more than texts");
            metadata_[key] = value;
        }
    }

    void take_array(std::string const& name, Json const& entry) {
        auto const what = fmt::format("{}: tensor '{}'", path_, name);
        if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") ||
            !entry["shape"].is_array() || !entry.contains("data_offsets") || !entry["data_offsets"].is_array() ||
            entry["data_offsets"].size() != 2) {
            throw CorruptData(what + " lacks dtype, shape or data_offsets");
        }
        ArrayInfo info;
        info.dtype = entry["dtype"].get<std::string>();
        for (auto const& known : stored_dtypes) {
            if (entry["dtype"] == known.stored) {
                info.dtype = known.dtype;
                info.element_bytes = known.bytes;
            }
        }
        for (auto const& axis : entry["shape"]) info.shape.push_back(unsigned_member(what, axis));
        auto const begin = unsigned_member(what, entry["data_offsets"][0]);
        auto const end = unsigned_member(what, entry["data_offsets"][1]);
        auto const data_bytes = file_.size - data_offset_;
        if (begin > end || end > data_bytes) {
            throw CorruptData(fmt::format("{}: offsets {}..{} lie outside of the {} bytes of data (truncated?)", what,
                                          begin, end, data_bytes));
        }
        if (info.element_bytes != 0 && array_bytes(info.shape, info.element_bytes, what) != end - begin) {
            throw CorruptData(fmt::format("{}: {} values of {} take other than the {} bytes between its offsets", what,
                                          shape_text(info.shape), info.dtype, end - begin));
        }
        begin_[name] = begin;
        extents_.push_back({begin, end, name});
        arrays_[name] = std::move(info);
    }

    void check_cover() {
        std::sort(extents_.begin(), extents_.end());
        std::uint64_t covered = 0;
        for (auto const& [begin, end, name] : extents_) {
            if (begin != covered) {
                throw CorruptData(fmt::format("{}: tensor '{}' {} before it", path_, name,
                                              begin < covered ? "overlaps the one" : "leaves a hole"));
            }
            covered = end;
        }
        if (covered != file_.size - data_offset_) {
            throw CorruptData(
                fmt::format("{}: {} bytes belong to no tensor", path_, file_.size - data_offset_ - covered));
        }
    }

    MappedFile file_;
    std::uint64_t data_offset_ = 0;
    std::map<std::string, std::uint64_t> begin_;
    std::vector<std::tuple<std::uint64_t, std::uint64_t, std::string>> extents_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_safetensors(std::string const& path) { return read_safetensors(path, map_file(path)); }

std::unique_ptr<ArrayFile> read_safetensors(std::string const& name, MappedFile bytes) {
    return std::make_unique<SafetensorsFile>(name, std::move(bytes));
}

std::string safetensors_header(std::vector<std::pair<std::string, HostTensor>> const& tensors, Json const& metadata) {
    constexpr std::size_t data_alignment = 64;
    auto header = nlohmann::ordered_json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::uint64_t offset = 0;
    for (auto const& [name, tensor] : tensors) {
        auto const& shape = tensor.shape;
        auto const end = offset + tensor.span().size();
        auto const* dtype = tensor.type == ElementType::f32 ? "F32" : tensor.type == ElementType::f16 ? "F16" : "BF16";
        header[name] = {{"dtype", dtype},
                        {"shape", {shape.layers, shape.heads, shape.tokens, shape.dim}},
                        {"data_offsets", {offset, end}}};
        offset = end;
    }
    auto text = header.dump();
    auto const unpadded = 8 + text.size();
    text.append((data_alignment - unpadded % data_alignment) % data_alignment, ' ');
    std::string bytes(8, '\0');
    std::uint64_t const length = text.size();
    std::memcpy(bytes.data(), &length, 8);
    return bytes + text;
}

void write_safetensors(std::string const& path, std::vector<std::pair<std::string, HostTensor>> const& tensors,
                       Json const& metadata) {
    auto const header = safetensors_header(tensors, metadata);
    std::vector<std::span<std::byte const>> parts{std::as_bytes(std::span(header))};
    for (auto const& [name, tensor] : tensors) parts.push_back(tensor.span());
    replace_file(path, parts);
}

}  // namespace kvstone
