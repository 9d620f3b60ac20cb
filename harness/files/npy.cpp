// The npy format (numpy.lib.format):
//   6 bytes   93 4E 55 4D 50 59
//   2 bytes   version: 1.0, 2.0 or 3.0
//   2 bytes   length of the header, little-endian (4 bytes from version 2 on)
//   header    a Python dict: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, spaces, newline
//   the rest  values

#include "harness/files/npy.hpp"

#include <cctype>
#include <charconv>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "harness/files/mapped_file.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Walks over the header's dict. Only numpy's own form is read; anything else is refused.
class DictReader {
  public:
    DictReader(std::string_view text, std::string const& what) : text_(text), what_(what) {}

    [[noreturn]] void refuse(std::string const& reason) const { throw CorruptData(what_ + ": npy header: " + reason); }

    bool take(std::string_view token) {
        while (!text_.empty() && (std::isspace(static_cast<unsigned char>(text_.front())) != 0)) text_.remove_prefix(1);
        if (!text_.starts_with(token)) return false;
        text_.remove_prefix(token.size());
        return true;
    }
    void expect(std::string_view token) {
        if (!take(token)) refuse(fmt::format("'{}' is missing", token));
    }
    std::string quoted() {
        bool const single = take("'");
        if (!single) expect("\"");
        auto const end = text_.find(single ? '\'' : '"');
        if (end == std::string_view::npos) refuse("a text does not end");
        std::string const value(text_.substr(0, end));
        text_.remove_prefix(end + 1);
        return value;
    }
    std::uint64_t number() {
        take("");
        std::uint64_t value = 0;
        auto const [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), value);
        if (error != std::errc{}) refuse("the shape is no list of whole numbers below 2^64");
        text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
        if (text_.starts_with('L')) text_.remove_prefix(1);  // Python 2's long numbers
        return value;
    }
    bool boolean() {
        if (take("True")) return true;
        expect("False");
        return false;
    }
    std::vector<std::uint64_t> tuple() {
        std::vector<std::uint64_t> values;
        expect("(");
        while (!take(")")) {
            values.push_back(number());
            if (!take(",")) {
                expect(")");
                break;
            }
        }
        return values;
    }

  private:
    std::string_view text_;
    std::string const& what_;
};

void set_dtype(ArrayInfo& info, std::string const& descr) {
    static std::map<std::string, std::string> const names{{"<f4", "f32"}, {"<f2", "f16"}, {"<f8", "f64"}, {"|i1", "i8"},
                                                          {"|u1", "u8"},  {"<i1", "i8"},  {"<u1", "u8"}};
    auto const known = names.find(descr);
    info.dtype = known == names.end() ? descr : known->second;
    info.element_bytes = dtype_bytes(info.dtype);
    // bf16 and f8 have no code of their own: they come as void or integers, and `dtype: bf16` names their type.
    if (descr == "|V2" || descr == "<V2" || descr == "<u2" || descr == "<i2") info.element_bytes = 2;
    if (descr == "|V1" || descr == "<V1") info.element_bytes = 1;
}

class NpyFile : public ArrayFile {
  public:
    explicit NpyFile(std::string const& path) : file_(map_file(path)), header_(parse_npy_header(file_.span(), path)) {
        path_ = path;
        auto const& info = header_.info;
        auto const expected = array_bytes(info.shape, info.element_bytes, path);
        if (info.element_bytes != 0 && expected != file_.size - header_.data_offset) {
            throw CorruptData(fmt::format("{}: {} {} values of {} need {} bytes, {} are there", path,
                                          expected > file_.size ? "truncated:" : "damaged:", shape_text(info.shape),
                                          info.dtype, expected, file_.size - header_.data_offset));
        }
        arrays_["data"] = info;
    }

    std::shared_ptr<std::byte const> bytes(std::string const&) const override { return file_.at(header_.data_offset); }

  private:
    MappedFile file_;
    NpyHeader header_;
};

}  // namespace

NpyHeader parse_npy_header(std::span<std::byte const> bytes, std::string const& what) {
    constexpr char magic[] = "\x93NUMPY";
    if (bytes.size() < 10 || std::memcmp(bytes.data(), magic, 6) != 0) {
        throw CorruptData(what + ": no npy array: it does not begin with \\x93NUMPY");
    }
    auto const byte = [&](std::size_t i) { return std::to_integer<std::size_t>(bytes[i]); };
    auto const version = byte(6);
    if (version < 1 || version > 3 || byte(7) != 0) {
        throw CorruptData(
            fmt::format("{}: npy version {}.{} is not read; 1.0, 2.0 and 3.0 are", what, version, byte(7)));
    }
    std::size_t const length_bytes = version == 1 ? 2 : 4;
    if (bytes.size() < 8 + length_bytes) throw CorruptData(what + ": truncated in the npy header");
    std::size_t header_bytes = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) header_bytes |= byte(8 + i) << (8 * i);
    NpyHeader header;
    header.data_offset = 8 + length_bytes + header_bytes;
    if (header.data_offset > npy_header_limit_bytes || header.data_offset > bytes.size()) {
        throw CorruptData(fmt::format("{}: an npy header of {} bytes, of which {} are there at the most", what,
                                      header_bytes, bytes.size()));
    }

    DictReader reader({reinterpret_cast<char const*>(bytes.data()) + 8 + length_bytes, header_bytes}, what);
    bool has_descr = false;
    bool has_order = false;
    bool has_shape = false;
    reader.expect("{");
    while (!reader.take("}")) {
        auto const key = reader.quoted();
        reader.expect(":");
        if (key == "descr") {
            if (reader.take("[")) reader.refuse("records are not read, plain numbers are");
            set_dtype(header.info, reader.quoted());
            has_descr = true;
        } else if (key == "fortran_order") {
            header.info.fortran_order = reader.boolean();
            has_order = true;
        } else if (key == "shape") {
            header.info.shape = reader.tuple();
            has_shape = true;
        } else {
            reader.refuse(fmt::format("unknown key '{}'", key));
        }
        if (!reader.take(",")) {
            reader.expect("}");
            break;
        }
    }
    if (!has_descr || !has_order || !has_shape) reader.refuse("descr, fortran_order or shape is missing");
    return header;
}

std::unique_ptr<ArrayFile> open_npy(std::string const& path) { return std::make_unique<NpyFile>(path); }

}  // namespace kvstone
