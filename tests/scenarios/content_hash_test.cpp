#include "scenarios/content_hash.hpp"

#include <chrono>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "scenarios/errors.hpp"
#include "scenarios/hash_cache.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

constexpr auto abc_sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
// Of a million times 'a', from FIPS 180-2.
constexpr auto million_sha256 = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
std::string const some_digest(64, 'a');

TEST(ContentHash, IsSha256OfTheWholeFile) {
    ScratchFolder const folder;
    EXPECT_EQ(content_hash(folder.write("abc", "abc")), abc_sha256);
    EXPECT_EQ(content_hash(folder.write("million", std::string(1'000'000, 'a'))), million_sha256);
}

TEST(ContentHash, RefusesWhatIsNoFile) {
    ScratchFolder const folder;
    EXPECT_THROW(content_hash(folder.path() + "/missing"), SystemError);
    EXPECT_THROW(content_hash(folder.path()), SystemError);
    EXPECT_THROW(content_hash("/dev/zero"), SystemError);
    auto const pipe = folder.path() + "/pipe";
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_THROW(content_hash(pipe), SystemError);
}

TEST(ShortHash, IsXxh3) {
    // XXH3_64bits of the empty text, from the format's own test vectors.
    EXPECT_EQ(short_hash(""), "2d06800538d394c2");
    EXPECT_NE(short_hash("a"), short_hash("b"));
}

/// A stamp of an hour ago.
FileStamp old_stamp() {
    using namespace std::chrono;
    auto const ns = duration_cast<nanoseconds>((system_clock::now() - hours(1)).time_since_epoch()).count();
    return {1, 2, 3, ns, ns};
}

TEST(HashCacheTest, RemembersAStampAndNoOther) {
    ScratchFolder const folder;
    HashCache const cache(folder.path() + "/made/on/demand");
    auto const stamp = old_stamp();
    EXPECT_FALSE(cache.find(stamp));
    cache.store(stamp, some_digest);
    EXPECT_EQ(cache.find(stamp), some_digest);
    auto const differs = [&](auto change) {
        auto other = stamp;
        change(other);
        return !cache.find(other);
    };
    EXPECT_TRUE(differs([](FileStamp& other) { ++other.device; }));
    EXPECT_TRUE(differs([](FileStamp& other) { ++other.inode; }));
    EXPECT_TRUE(differs([](FileStamp& other) { ++other.size_bytes; }));
    EXPECT_TRUE(differs([](FileStamp& other) { ++other.modified_ns; }));
    EXPECT_TRUE(differs([](FileStamp& other) { ++other.changed_ns; }));
}

TEST(HashCacheTest, PassesOverAnyAlteredByteAndAnyTruncation) {
    ScratchFolder const folder;
    HashCache const cache(folder.path());
    auto const stamp = old_stamp();
    cache.store(stamp, some_digest);
    auto const entry = std::filesystem::directory_iterator(folder.path())->path().string();
    std::ifstream file(entry, std::ios::binary);
    std::string const whole{std::istreambuf_iterator<char>(file), {}};
    for (std::size_t i = 0; i < whole.size(); ++i) {
        auto altered = whole;
        altered[i] = altered[i] == 'b' ? 'c' : 'b';
        std::ofstream(entry, std::ios::binary) << altered;
        EXPECT_FALSE(cache.find(stamp)) << i;
        std::ofstream(entry, std::ios::binary) << whole.substr(0, i);
        EXPECT_FALSE(cache.find(stamp)) << i;
    }
    std::ofstream(entry, std::ios::binary) << whole;
    EXPECT_EQ(cache.find(stamp), some_digest);
}

TEST(HashCacheTest, LeavesOutFilesThatHaveJustChanged) {
    ScratchFolder const folder;
    HashCache const cache(folder.path());
    auto stamp = old_stamp();
    stamp.changed_ns += std::int64_t{3600} * 1'000'000'000;
    cache.store(stamp, some_digest);
    EXPECT_FALSE(cache.find(stamp));
}

TEST(HashCacheTest, ManyWritersLeaveOneWholeEntry) {
    ScratchFolder const folder;
    HashCache const cache(folder.path());
    auto const stamp = old_stamp();
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; ++i)
        writers.emplace_back([&] {
            for (int j = 0; j < 50; ++j) {
                cache.store(stamp, some_digest);
                EXPECT_EQ(cache.find(stamp), some_digest);
            }
        });
    for (auto& writer : writers) writer.join();
    auto const entries = std::filesystem::directory_iterator(folder.path());
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST(HashCacheTest, IsNothingWithoutAFolder) {
    HashCache const none("");
    none.store(old_stamp(), some_digest);
    EXPECT_FALSE(none.find(old_stamp()));
    HashCache const impossible("/dev/null/hashes");
    impossible.store(old_stamp(), some_digest);
    EXPECT_FALSE(impossible.find(old_stamp()));
}

}  // namespace
}  // namespace kvstone
