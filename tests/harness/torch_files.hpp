#pragma once
// Files as torch.save() writes them, opcode by opcode.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "harness/files/zip_writer.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone::pickled {

inline std::string text(std::string const& value) {
    return "X" + bytes_of<std::uint32_t>({static_cast<std::uint32_t>(value.size())}) + value;
}
inline std::string integer(std::int32_t value) { return "J" + bytes_of<std::int32_t>({value}); }
inline std::string global(std::string const& module, std::string const& name) {
    return "c" + module + "\n" + name + "\n";
}
inline std::string joined(std::vector<std::string> const& parts) {
    std::string all;
    for (auto const& part : parts) all += part;
    return all;
}
inline std::string tuple(std::vector<std::string> const& items) { return "(" + joined(items) + "t"; }
inline std::string list(std::vector<std::string> const& items) { return "](" + joined(items) + "e"; }
inline std::string dict(std::vector<std::pair<std::string, std::string>> const& items) {
    std::string all;
    for (auto const& [key, value] : items) all += text(key) + value;
    return "}(" + all + "u";
}
inline std::string integers(std::vector<std::int32_t> const& values) {
    std::string all;
    for (auto const value : values) all += integer(value);
    return "(" + all + "t";
}
inline std::string no_hooks() { return global("collections", "OrderedDict") + ")R"; }

/// A view of a storage.
struct View {
    std::string storage;        ///< its type, of torch
    std::string key;            ///< of its member
    std::int32_t elements = 0;  ///< of the storage
    std::vector<std::int32_t> size;
    std::vector<std::int32_t> stride;
    std::int32_t offset = 0;
    std::string metadata = {};  ///< pickled; empty: none
};
inline std::string tensor(View const& view) {
    auto const storage =
        tuple({text("storage"), global("torch", view.storage), text(view.key), text("cpu"), integer(view.elements)}) +
        "Q";
    return global("torch._utils", "_rebuild_tensor_v2") +
           tuple({storage, integer(view.offset), integers(view.size), integers(view.stride), "\x89", no_hooks(),
                  view.metadata}) +
           "R";
}
/// Row-major, from the storage's beginning.
inline std::string tensor(std::string const& storage, std::string const& key, std::vector<std::int32_t> const& size) {
    std::vector<std::int32_t> stride(size.size());
    std::int32_t values = 1;
    for (auto axis = size.size(); axis-- > 0;) {
        stride[axis] = values;
        values *= size[axis];
    }
    return tensor({storage, key, values, size, stride});
}
inline std::string program(std::string const& value) { return "\x80\x02" + value + "."; }

/// Writes an archive anew; `storages` by key.
inline std::string write_archive(std::string const& path, std::string const& pickle,
                                 std::map<std::string, std::string> const& storages,
                                 std::string const& byte_order = "little") {
    std::filesystem::remove(path);
    ZipWriter archive(path);
    archive.add_text("cache/data.pkl", pickle);
    archive.add_text("cache/byteorder", byte_order);
    for (auto const& [key, bytes] : storages) archive.add_text("cache/data/" + key, bytes);
    archive.add_text("cache/version", "3\n");
    archive.close();
    return path;
}

}  // namespace kvstone::pickled
