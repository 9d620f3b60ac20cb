// Who closes a file, and how all of a text gets into one.

#include "results/record/file_descriptor.hpp"

#include <cerrno>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "results/record/file_lock.hpp"
#include "scenarios/errors.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

bool is_open(int descriptor) { return fcntl(descriptor, F_GETFD) != -1; }

FileDescriptor opened(std::string const& path, int flags) { return FileDescriptor(open(path.c_str(), flags, 0600)); }

TEST(FileDescriptors, AreClosedByTheirLastOwner) {
    int number = -1;
    {
        auto first = opened("/dev/null", O_RDONLY);
        ASSERT_TRUE(first.is_open());
        number = first.get();
        FileDescriptor const second = std::move(first);
        EXPECT_FALSE(first.is_open());
        EXPECT_EQ(second.get(), number);
        EXPECT_TRUE(is_open(number));
    }
    EXPECT_FALSE(is_open(number));
    auto file = opened("/dev/null", O_RDONLY);
    number = file.get();
    errno = EIO;
    file.reset();
    EXPECT_EQ(errno, EIO);
    EXPECT_FALSE(is_open(number));
}

TEST(FileDescriptors, TakeWholeTextsOrSayWhyNot) {
    ScratchFolder const folder;
    auto const path = folder / "text";
    std::string const text(3'000'000, 'x');
    write_all(opened(path, O_WRONLY | O_CREAT), std::as_bytes(std::span(text)), "no");
    std::ifstream in(path, std::ios::binary);
    EXPECT_EQ((std::string{std::istreambuf_iterator<char>(in), {}}), text);
    try {
        write_all(opened("/dev/full", O_WRONLY), std::as_bytes(std::span(text)), "cannot write it");
        FAIL() << "written";
    } catch (SystemError const& error) {
        EXPECT_THAT(error.what(), testing::StartsWith("cannot write it: "));
    }
}

TEST(FileDescriptors, AreLockedByOneAtATime) {
    ScratchFolder const folder;
    auto const path = folder.write("file", "");
    {
        auto const first = opened(path, O_RDWR);
        EXPECT_EQ(try_lock(first), 0);
        EXPECT_EQ(try_lock(opened(path, O_RDWR)), EWOULDBLOCK);
        EXPECT_FALSE(FileLock::if_free(path).has_value());
    }
    auto const lock = FileLock::shared(path);
    EXPECT_TRUE(lock.has_value());
    EXPECT_TRUE(FileLock::shared(path).has_value());
    EXPECT_FALSE(FileLock::if_free(path).has_value());
    EXPECT_FALSE(FileLock::if_free(folder / "none").has_value());
}

}  // namespace
}  // namespace kvstone
