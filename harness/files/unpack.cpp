#include "harness/files/unpack.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace fs = std::filesystem;

namespace kvstone {
namespace {

constexpr std::size_t most_name_bytes = 1024;
constexpr std::size_t most_part_bytes = 255;  // the limit of file systems

/// Folders need no member of their own: they come with their files.
bool is_folder(ZipMember const& member) { return member.name.ends_with('/'); }

bool may_stand_below(std::string_view name) {
    if (name.size() > most_name_bytes || first_unreadable(name) != std::string_view::npos) return false;
    for (std::size_t start = 0; start <= name.size();) {
        auto const end = std::min(name.find('/', start), name.size());
        auto const part = name.substr(start, end - start);
        if (part.empty() || part == "." || part == ".." || part.size() > most_part_bytes) return false;
        start = end + 1;
    }
    return std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

void check_members(ZipReader const& archive, UnpackLimits const& limits) {
    auto const refuse = [&](std::string const& name, std::string const& why) {
        throw CorruptData(fmt::format("{}: member '{}' {}", archive.path(), excerpt(name), why));
    };
    if (archive.members().size() > limits.members)
        throw CorruptData(fmt::format("{}: has more than {} members", archive.path(), limits.members));
    std::set<std::string, std::less<>> files;
    auto left = limits.bytes;
    for (auto const& member : archive.members()) {
        auto const& name = member.name;
        if (!member.plain) refuse(name, "is no file, but a link or the like");
        if (!may_stand_below(is_folder(member) ? name.substr(0, name.size() - 1) : name))
            refuse(name, "has a name that no file below a folder has");
        if (is_folder(member)) continue;
        if (member.bytes > left) refuse(name, fmt::format("is one too many: all exceed {} bytes", limits.bytes));
        left -= member.bytes;
        if (!files.insert(name).second) refuse(name, "stands twice");
    }
    for (std::string_view const name : files)
        for (auto slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/', slash + 1))
            if (files.contains(name.substr(0, slash)))
                refuse(std::string(name), "lies in a folder whose name is a file's, too");
}

void write_member(ZipReader const& archive, ZipMember const& member, fs::path const& path) {
    fs::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::binary);
    ZipReader::Stream stream(archive, member);
    std::vector<std::byte> piece(std::min<std::uint64_t>(member.bytes, 1U << 20));
    for (auto left = member.bytes; left > 0; left -= piece.size()) {
        piece.resize(std::min<std::uint64_t>(left, piece.size()));
        stream.read(piece);
        file.write(reinterpret_cast<char const*>(piece.data()), static_cast<std::streamsize>(piece.size()));
    }
    stream.expect_end();
    file.close();
    if (!file) throw SystemError(path.string(), errno);
}

}  // namespace

void unpack(ZipReader const& archive, std::string const& folder, UnpackLimits const& limits) {
    check_members(archive, limits);
    try {
        fs::create_directories(folder);
        for (auto const& member : archive.members())
            if (!is_folder(member)) write_member(archive, member, fs::path(folder) / member.name);
    } catch (fs::filesystem_error const& error) {
        throw SystemError(error.what());
    }
}

}  // namespace kvstone
