#include "harness/files/zip_writer.hpp"

#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <zip.h>

#include "scenarios/errors.hpp"

namespace kvstone {

ZipWriter::ZipWriter(std::string const& path) : path_(path) {
    int code = 0;
    archive_ = zip_open(path.c_str(), ZIP_CREATE | ZIP_EXCL, &code);
    if (archive_ != nullptr) return;
    if (code == ZIP_ER_EXISTS) throw ConfigError("a file of this name exists", path);
    throw SystemError(fmt::format("{}: the archive cannot be made (libzip's error {})", path, code));
}

ZipWriter::~ZipWriter() {
    if (archive_ != nullptr) zip_discard(archive_);
}

void ZipWriter::fail() const { throw SystemError(fmt::format("{}: {}", path_, zip_strerror(archive_))); }

void ZipWriter::add_text(std::string const& name, std::string const& text) {
    // The archive reads it when it is closed, and frees it.
    void* copy = std::malloc(text.size() + 1);
    std::memcpy(copy, text.data(), text.size());
    auto* source = zip_source_buffer(archive_, copy, text.size(), 1);
    if (source == nullptr || zip_file_add(archive_, name.c_str(), source, ZIP_FL_ENC_UTF_8) < 0) fail();
}

void ZipWriter::add_file(std::string const& name, std::string const& path) {
    auto* source = zip_source_file(archive_, path.c_str(), 0, -1);
    if (source == nullptr || zip_file_add(archive_, name.c_str(), source, ZIP_FL_ENC_UTF_8) < 0) fail();
}

void ZipWriter::close() {
    if (zip_close(archive_) != 0) fail();
    archive_ = nullptr;
}

}  // namespace kvstone
