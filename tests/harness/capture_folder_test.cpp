// Captures that stay in their folder, and those that are removed.

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/captures/capture_cache.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

namespace fs = std::filesystem;

class CaptureFolder : public ::testing::Test {
  protected:
    void TearDown() override { ::unsetenv("KVSTONE_CAPTURES_BYTES"); }
    /// An entry of 1,000 bytes that say which it is; made anew each time it is not there.
    KeptBytes entry(int which, bool anew = false) {
        return cached_bytes(folder_, Json{{"entry", which}}, anew, [&] {
            ++made_;
            return std::vector<std::byte>(1000, static_cast<std::byte>(which));
        });
    }
    /// Used one after the other, a clock's grain apart.
    void use(int which) {
        entry(which);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    bool is_there(int which) {
        auto const before = made_;
        entry(which);
        return made_ == before;
    }
    std::uint64_t bytes() const {
        std::uint64_t sum = 0;
        for (auto const& file : list_captures(folder_)) sum += file.bytes;
        return sum;
    }
    std::uint64_t entry_bytes() {
        entry(0);
        return list_captures(folder_).front().bytes;
    }

    ScratchFolder scratch_;
    std::string folder_ = scratch_ / "captures";
    int made_ = 0;
};

TEST_F(CaptureFolder, KeepsPlainBytesOncePerKey) {
    for (int i = 0; i < 2; ++i) {
        for (int const which : {1, 2}) {
            auto const kept = entry(which);
            EXPECT_EQ(kept.bytes.size(), 1000U);
            EXPECT_TRUE(std::ranges::all_of(kept.bytes, [&](std::byte b) { return b == std::byte(which); }));
        }
    }
    EXPECT_EQ(made_, 2);
    entry(1, true);
    EXPECT_EQ(made_, 3) << "what is not trusted is made anew";
}

TEST_F(CaptureFolder, TheLimitHoldsAndTheLeastRecentlyUsedGoes) {
    auto const one = entry_bytes();
    EXPECT_EQ(prune_captures(folder_, 0).removed.size(), 1U);
    EXPECT_TRUE(fs::is_empty(folder_)) << "its lock goes with it";
    ::setenv("KVSTONE_CAPTURES_BYTES", std::to_string(3 * one).c_str(), 1);
    for (int const which : {1, 2, 3, 1, 4}) use(which);
    EXPECT_EQ(bytes(), 3 * one);
    EXPECT_TRUE(is_there(1)) << "used again before the fourth came";
    EXPECT_TRUE(is_there(3));
    EXPECT_TRUE(is_there(4));
    EXPECT_FALSE(is_there(2));
}

TEST_F(CaptureFolder, WhatIsInUseStays) {
    auto const one = entry_bytes();
    auto const held = entry(1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    for (int const which : {2, 3}) use(which);
    // The mapping of an entry just made is memory: only one that was found holds the file.
    auto found = std::make_unique<KeptBytes>(entry(1));
    auto const report = prune_captures(folder_, one);
    EXPECT_EQ(report.removed.size(), 3U);
    EXPECT_TRUE(is_there(1));
    auto const nothing = prune_captures(folder_, 0);
    EXPECT_EQ(nothing.in_use.size(), 1U);
    EXPECT_EQ(nothing.kept_bytes, one);
    EXPECT_EQ(found->bytes[0], std::byte(1));
    found.reset();
    EXPECT_EQ(prune_captures(folder_, 0).removed.size(), 1U) << "given back, it goes";
}

TEST_F(CaptureFolder, ADryRunOnlySays) {
    for (int const which : {1, 2}) use(which);
    auto const before = bytes();
    auto const report = prune_captures(folder_, before / 2, true);
    EXPECT_EQ(report.removed.size(), 1U);
    EXPECT_EQ(report.kept_bytes, before / 2);
    EXPECT_EQ(bytes(), before);
    EXPECT_TRUE(prune_captures(folder_ + "/absent", 0).removed.empty());
}

TEST_F(CaptureFolder, WhatIsMoreThanTheLimitIsNotKept) {
    ::setenv("KVSTONE_CAPTURES_BYTES", "999", 1);
    EXPECT_EQ(entry(1).bytes.size(), 1000U);
    EXPECT_EQ(bytes(), 0U);
    ::setenv("KVSTONE_CAPTURES_BYTES", "20 GB", 1);
    EXPECT_THAT(message_of<ConfigError>([] { capture_limit_bytes(); }),
                ::testing::HasSubstr(
                    "KVSTONE_CAPTURES_BYTES: the bytes that captures may take: '20 GB'; accepted: a number of bytes"));
    ::unsetenv("KVSTONE_CAPTURES_BYTES");
    EXPECT_EQ(capture_limit_bytes(), std::uint64_t{20} << 30);
}

TEST_F(CaptureFolder, TornAndForeignBytesAreMadeAnew) {
    entry(7);
    auto const path = list_captures(folder_).front().path;
    auto const whole = read_file(path);
    auto changed = whole;
    changed[changed.size() / 2] ^= 1;
    auto other = whole;
    other[other.find("entry")] = 'E';
    int expected = 1;
    for (auto const& damaged :
         {whole.substr(0, whole.size() - 1), whole.substr(0, 20), changed, other, std::string()}) {
        std::ofstream(path, std::ios::binary) << damaged;
        EXPECT_EQ(entry(7).bytes[500], std::byte(7));
        EXPECT_EQ(made_, ++expected);
        EXPECT_TRUE(is_there(7)) << "the replacement is kept";
    }
}

/// Processes that want one entry at once, while a third removes what it may: each has the right bytes, and where nobody
/// removes anything one of them makes it.
TEST_F(CaptureFolder, ProcessesRace) {
    for (bool const removing : {false, true}) {
        auto const log = scratch_ / (removing ? "removed" : "kept");
        std::vector<pid_t> children;
        for (int child = 0; child < 3; ++child) {
            auto const id = ::fork();
            ASSERT_GE(id, 0);
            if (id > 0) {
                children.push_back(id);
                continue;
            }
            bool right = true;
            for (int round = 0; round < 40 && right; ++round) {
                if (removing && child == 2) {
                    prune_captures(folder_, 0);
                    continue;
                }
                auto const kept = cached_bytes(folder_, Json{{"race", removing}, {"round", round}}, false, [&] {
                    std::ofstream(log, std::ios::app) << round << '\n';
                    ::usleep(1000);
                    return std::vector<std::byte>(5000, static_cast<std::byte>(round));
                });
                right = kept.bytes.size() == 5000 &&
                        std::ranges::all_of(kept.bytes, [&](std::byte b) { return b == std::byte(round); });
            }
            ::_exit(right ? 0 : 1);
        }
        for (auto const id : children) {
            int status = -1;
            ::waitpid(id, &status, 0);
            EXPECT_EQ(status, 0);
        }
        if (!removing) {
            EXPECT_EQ(std::ranges::count(read_file(log), '\n'), 40) << "each made once";
        }
    }
}

}  // namespace
}  // namespace kvstone
