// Archives of unknown origin: members are unpacked into their folder, and bad archives are refused before anything is
// written.

#include "harness/files/unpack.hpp"

#include <filesystem>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <zip.h>

#include "harness/files/zip_writer.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

/// An archive of a good member and another one, of this kind (S_IFREG, S_IFLNK, ...).
std::string archive_with(std::string const& path, std::string const& name, zip_uint32_t kind = S_IFREG) {
    std::string const content = "content";
    auto* const archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    for (auto const& each : {std::string("good/a.txt"), name}) {
        auto* const source = zip_source_buffer(archive, content.data(), content.size(), 0);
        auto const index = zip_file_add(archive, each.c_str(), source, ZIP_FL_ENC_UTF_8);
        if (index < 0) zip_source_free(source);
        if (each == name)
            zip_file_set_external_attributes(archive, static_cast<zip_uint64_t>(index), 0, ZIP_OPSYS_UNIX,
                                             (kind | 0644) << 16);
    }
    zip_close(archive);
    return path;
}

TEST(UnpackTest, WritesFilesBelowTheFolder) {
    ScratchFolder const scratch;
    {
        ZipWriter archive(scratch / "a.zip");
        archive.add_text("empty", "");
        archive.add_text("below/..data/zeros", std::string(3'000'000, '\0'));
        archive.close();
    }
    unpack(ZipReader(scratch / "a.zip"), scratch / "out");
    EXPECT_EQ(read_file(scratch / "out/empty"), "");
    EXPECT_EQ(read_file(scratch / "out/below/..data/zeros"), std::string(3'000'000, '\0'));
}

TEST(UnpackTest, WhatLeadsElsewhereIsRefusedBeforeAnythingIsWritten) {
    ScratchFolder const scratch;
    auto const refused = [&](std::string const& archive) {
        auto const message = message_of<CorruptData>([&] { unpack(ZipReader(archive), scratch / "out/inner"); });
        EXPECT_FALSE(std::filesystem::exists(scratch / "out")) << message;
        return message;
    };
    for (auto const* name : {"../x", "/tmp/x", "a/../../x", "a//x", "./x", "..", "a/\nb"})
        EXPECT_THAT(refused(archive_with(scratch / "a.zip", name)), HasSubstr("a name that no file below a folder has"))
            << name;
    EXPECT_THAT(refused(archive_with(scratch / "a.zip", std::string(300, 'x'))), HasSubstr("a name that no file"));
    EXPECT_THAT(refused(archive_with(scratch / "a.zip", "link", S_IFLNK)), HasSubstr("'link' is no file"));
    EXPECT_THAT(refused(archive_with(scratch / "a.zip", "device", S_IFCHR)), HasSubstr("'device' is no file"));
    EXPECT_THAT(refused(archive_with(scratch / "a.zip", "good")),
                HasSubstr("lies in a folder whose name is a file's, too"));
    auto twice = read_file(archive_with(scratch / "a.zip", "good/b.txt"));
    for (auto at = twice.find("b.txt"); at != std::string::npos; at = twice.find("b.txt")) twice[at] = 'a';
    EXPECT_THAT(refused(scratch.write("twice.zip", twice)), HasSubstr("'good/a.txt' stands twice"));
}

TEST(UnpackTest, MoreThanTheLimitsIsRefused) {
    ScratchFolder const scratch;
    auto const refused = [&](UnpackLimits const& limits) {
        auto const message = message_of<CorruptData>([&] {
            unpack(ZipReader(archive_with(scratch / "a.zip", "b.txt")), scratch / "out", limits);  // 7 bytes each
        });
        EXPECT_EQ(std::filesystem::exists(scratch / "out"), message.empty());
        return message;
    };
    EXPECT_THAT(refused({.bytes = 14, .members = 1}), HasSubstr("more than 1 members"));
    EXPECT_THAT(refused({.bytes = 13, .members = 2}), HasSubstr("'b.txt' is one too many: all exceed 13 bytes"));
    EXPECT_EQ(refused({.bytes = 14, .members = 2}), "");
}

TEST(UnpackTest, AlteredContentIsFoundOnTheWay) {
    ScratchFolder const scratch;
    auto bytes = read_file(archive_with(scratch / "a.zip", "b.txt"));
    bytes[bytes.find("content")] = 'C';
    EXPECT_THAT(message_of<CorruptData>([&] { unpack(ZipReader(scratch.write("b.zip", bytes)), scratch / "out"); }),
                HasSubstr("member 'good/a.txt': CRC error"));
}

}  // namespace
}  // namespace kvstone
