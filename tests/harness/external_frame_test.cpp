#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/external/frame.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::span<std::byte const> bytes_of(std::string const& text) { return std::as_bytes(std::span(text)); }

std::string text_of(std::vector<std::byte> const& bytes) {
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

/// Bytes as docs/external.md has them: a header of two bytes, {}, and a body of three.
std::string const worked("KVX1\x02\0\0\0\x03\0\0\0\0\0\0\0{}abc", 21);

std::string broken(std::string const& bytes, std::uint64_t most = 100) {
    FrameReader frame(most);
    try {
        frame.take(bytes_of(bytes));
    } catch (CorruptData const& error) {
        return error.what();
    }
    return frame.complete() ? "complete" : "not complete: " + frame.progress();
}

TEST(Frame, IsWrittenAndReadAsThePageSays) {
    EXPECT_EQ(frame_head(Json::object(), 3) + "abc", worked);
    FrameReader frame(3);
    frame.take(bytes_of(worked));
    ASSERT_TRUE(frame.complete());
    EXPECT_EQ(frame.header(), Json::object());
    EXPECT_EQ(text_of(frame.body()), "abc");
}

TEST(Frame, ArrivesInPiecesOfAnySize) {
    auto const whole = frame_head({{"call", "encode"}}, 5) + "12345";
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        FrameReader frame(5);
        frame.take(bytes_of(whole.substr(0, cut)));
        EXPECT_EQ(frame.complete(), cut == whole.size());
        for (auto const c : whole.substr(cut)) frame.take(bytes_of(std::string(1, c)));
        ASSERT_TRUE(frame.complete()) << cut;
        EXPECT_EQ(frame.header().at("call"), "encode");
        EXPECT_EQ(text_of(frame.body()), "12345");
    }
}

TEST(Frame, AnEmptyBodyEndsWithTheHeader) {
    FrameReader frame(0);
    frame.take(bytes_of(frame_head(Json::object(), 0)));
    EXPECT_TRUE(frame.complete());
}

TEST(Frame, WhatIsNoneIsTold) {
    EXPECT_EQ(broken("Hello, world\n"), "is no frame of the protocol, but 'Hello, world?'");
    EXPECT_EQ(broken("KVX2"), "is no frame of the protocol, but 'KVX2'");
    EXPECT_EQ(broken("KV"), "not complete: the first 2 bytes");
    EXPECT_EQ(broken(worked.substr(0, 20)), "not complete: the first 20 of 21 bytes");
    EXPECT_EQ(broken(worked, 2), "has 3 bytes; at most 2 are accepted");
    EXPECT_EQ(broken(worked + "x"), "is a frame of 21 bytes, and 1 more bytes");
    EXPECT_EQ(broken(std::string("KVX1\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 16)),
              "has a header of 4294967295 bytes; at most 1048576 are accepted");
    EXPECT_EQ(broken(std::string("KVX1\x02\0\0\0\0\0\0\0\0\0\0\0[]", 18)),
              "has a header that is no JSON object, but '[]'");
    EXPECT_THAT(broken(std::string("KVX1\x02\0\0\0\0\0\0\0\0\0\0\0{\xff", 18)),
                StartsWith("has a header that is no JSON object, but '{"));
}

}  // namespace
}  // namespace kvstone
