#include "results/record/text.hpp"

#include <gtest/gtest.h>

namespace kvstone {
namespace {

TEST(TextTest, ValidTextIsKept) {
    for (std::string const text :
         {"", "plain", "π ≈ 3", "漢字", "\xF0\x9F\x98\x80", "\xF4\x8F\xBF\xBF", "\xED\x9F\xBF"})
        EXPECT_EQ(valid_utf8(text), text);
}

TEST(TextTest, EachByteThatIsNoTextIsReplaced) {
    std::string const r = "\xEF\xBF\xBD";
    EXPECT_EQ(valid_utf8("a\xFFz"), "a" + r + "z");
    EXPECT_EQ(valid_utf8("\xC0\x80"), r + r);                  // overlong NUL
    EXPECT_EQ(valid_utf8("\xE0\x9F\xBF"), r + r + r);          // overlong
    EXPECT_EQ(valid_utf8("\xED\xA0\x80"), r + r + r);          // surrogate
    EXPECT_EQ(valid_utf8("\xF4\x90\x80\x80"), r + r + r + r);  // beyond U+10FFFF
    EXPECT_EQ(valid_utf8("\xE6\xBC"), r + r);                  // cut off
    EXPECT_EQ(valid_utf8(std::string_view("a\0b", 3)), "a" + r + "b");
}

TEST(TextTest, WidthIsOfTheTerminal) {
    EXPECT_EQ(display_width("abc"), 3U);
    EXPECT_EQ(display_width("π≈"), 2U);
    EXPECT_EQ(display_width("漢字"), 4U);
    EXPECT_EQ(display_width("e\xCC\x81"), 1U);  // e with a combining acute
    EXPECT_EQ(display_width("\xF0\x9F\x98\x80"), 2U);
    EXPECT_EQ(display_width("\x1b[31mred\x1b[0m"), 3U) << "commands for colours take no room";
}

}  // namespace
}  // namespace kvstone
