#include "harness/files/zip_reader.hpp"

#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>
#include <zip.h>

#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

std::string text_of(int code) {
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    std::string text = zip_error_strerror(&error);
    zip_error_fini(&error);
    return text;
}

}  // namespace

ZipReader::ZipReader(std::string path)
    : path_(std::move(path)), archive_(nullptr, [](zip* archive) { zip_discard(archive); }) {
    int code = 0;
    archive_.reset(zip_open(path_.c_str(), ZIP_RDONLY, &code));
    if (archive_ == nullptr) {
        auto const reason = fmt::format("{}: {}", path_, text_of(code));
        if (code == ZIP_ER_NOENT || code == ZIP_ER_OPEN || code == ZIP_ER_READ) throw SystemError(reason);
        throw CorruptData(reason);
    }
    auto const members = static_cast<std::uint64_t>(zip_get_num_entries(archive_.get(), 0));
    for (std::uint64_t i = 0; i < members; ++i) members_.push_back(member(i));
}

ZipMember ZipReader::member(std::uint64_t index) const {
    constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    zip_stat_t status;
    if (zip_stat_index(archive_.get(), index, 0, &status) != 0 || (status.valid & needed) != needed)
        throw CorruptData(fmt::format("{}: member {} has no name or size", path_, index));
    // Deflate cannot do better than 1032 to 1: a member that declares more is a lie, not a large file.
    if (status.comp_size > std::filesystem::file_size(path_) || status.size / 1032 > status.comp_size + 1)
        throw CorruptData(fmt::format("{}: member '{}' declares {} bytes out of {} compressed ones", path_,
                                      excerpt(status.name), status.size, status.comp_size));
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    zip_file_get_external_attributes(archive_.get(), index, 0, &system, &attributes);
    auto const kind = attributes >> 16 & S_IFMT;  // 0 where the writing system has no such kinds
    std::string name = status.name;
    bool const folder = name.ends_with('/') && kind == S_IFDIR;
    return {std::move(name), index, status.size, folder || kind == 0 || kind == S_IFREG};
}

ZipReader::Stream::Stream(ZipReader const& archive, ZipMember const& member)
    : what_(fmt::format("{}: member '{}'", archive.path_, excerpt(member.name))),
      file_(zip_fopen_index(archive.archive_.get(), member.index, 0), [](zip_file* file) { zip_fclose(file); }) {
    if (file_ == nullptr) fail(zip_strerror(archive.archive_.get()));
}

void ZipReader::Stream::fail(std::string const& what) const { throw CorruptData(what_ + ": " + what); }

void ZipReader::Stream::read(std::span<std::byte> into) {
    while (!into.empty()) {
        auto const count = zip_fread(file_.get(), into.data(), into.size());
        if (count <= 0) fail(count == 0 ? "shorter than declared" : zip_file_strerror(file_.get()));
        into = into.subspan(static_cast<std::size_t>(count));
    }
}

void ZipReader::Stream::expect_end() {
    // Reading further makes libzip compare the length and the checksum.
    std::byte more{};
    auto const rest = zip_fread(file_.get(), &more, 1);
    if (rest != 0) fail(rest > 0 ? "longer than declared" : zip_file_strerror(file_.get()));
}

}  // namespace kvstone
