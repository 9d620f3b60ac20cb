// Text and tables in the columns that there are.

#include "results/record/text_table.hpp"

#include <random>
#include <sstream>

#include <gmock/gmock.h>

#include "results/record/text.hpp"
#include "results/record/wrapped.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> lines_of(std::string const& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::string without_spaces(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
    return text;
}

TEST(Wrapped, BreaksAtSpacesThenBehindMarksThenAnywhere) {
    EXPECT_THAT(wrapped_lines("one two  three", 8), ElementsAre("one two", "three"));
    EXPECT_THAT(wrapped_lines("one two  three", 9), ElementsAre("one two", "three"));
    EXPECT_THAT(wrapped_lines("a  b", 4), ElementsAre("a  b")) << "spaces within a line stay";
    EXPECT_THAT(wrapped_lines("int:bits=4,axis=token", 12), ElementsAre("int:bits=4,", "axis=token"));
    EXPECT_THAT(wrapped_lines("abcdefgh", 3), ElementsAre("abc", "def", "gh"));
    EXPECT_THAT(wrapped_lines("", 5), ElementsAre(""));
    EXPECT_THAT(wrapped_lines("a\n\nb", 5), ElementsAre("a", "", "b"));
    EXPECT_THAT(wrapped_lines("漢字漢字", 5), ElementsAre("漢字", "漢字")) << "characters are never cut";
    EXPECT_EQ(wrapped("  label  some words\nnext", 14, 4), "  label  some\n    words\nnext");
    EXPECT_EQ(longest_piece("int:bits=4,axis=channel or so"), 7U);
}

TEST(Wrapped, KeepsEveryCharacterAndTheWidth) {
    std::mt19937 random(5);
    std::string const alphabet = "abc ,/|e  =:\x1b";
    for (int i = 0; i < 3000; ++i) {
        std::string text;
        for (auto left = random() % 60; left > 0; --left) {
            auto const c = alphabet[random() % alphabet.size()];
            text += c == '\x1b' ? std::string("\x1b[1mπ\x1b[0m") : std::string(1, c);
        }
        auto const columns = 1 + random() % 20;
        auto const indent = random() % 5;
        auto const result = wrapped(text, columns, indent);
        EXPECT_EQ(without_spaces(result), without_spaces(text));
        for (auto const& line : lines_of(result)) EXPECT_LE(display_width(line), columns) << text;
        for (auto const& line : wrapped_lines(text, columns)) EXPECT_LE(display_width(line), columns) << text;
    }
}

TEST(TextTable, IsPrintedAsItIsWhereItFits) {
    TextTable table({{"codec"}, {"bits", true}, {"why"}}, 1);
    table.add({"int8", "8.000", "small"});
    table.add({"gear"}, "crash");
    EXPECT_EQ(table.text({}),
              "codec   bits  why\n"
              "int8   8.000  small\n"
              "gear   crash\n");
    EXPECT_THAT(table.text({.colour = true}), HasSubstr("gear   \x1b[31mcrash\x1b[0m\n"));
}

TEST(TextTable, TheWidestColumnTakesSeveralLines) {
    TextTable table({{"codec"}, {"bits", true}, {"why"}});
    table.add({"int8", "8.000", "it has a scale for each tensor"});
    EXPECT_EQ(table.text({.columns = 30}),
              "codec   bits  why\n"
              "int8   8.000  it has a scale\n"
              "              for each tensor\n");
}

TEST(TextTable, WithKeysItIsCutAndRepeatsThem) {
    TextTable table({{"codec"}, {"first", true}, {"second", true}, {"third", true}}, 1);
    table.add({"int8", "1.25", "2.5", "3.75"});
    table.add({"gear"}, "crash");
    EXPECT_EQ(table.text({.columns = 20}),
              "codec  first  second\n"
              "int8    1.25     2.5\n"
              "gear   crash\n"
              "\n"
              "codec  third\n"
              "int8    3.75\n");
}

/// A name of 20 columns is whole at every width that has room for it and a number; a longer one breaks behind its marks.
TEST(TextTable, NamesStayWholeBesideManyColumns) {
    std::string const name = "rotated-int4-group32";
    ASSERT_EQ(name.size(), 20U);
    std::vector<TextTable::Column> columns{{"codec"}};
    for (int i = 0; i < 13; ++i) columns.push_back({"title", true});
    TextTable table(columns, 1);
    std::vector<std::string> row(14, "1.2345");
    row.front() = name;
    table.add(row);
    for (std::size_t width = 3 * name.size(); width <= 140; ++width) {
        auto const lines = lines_of(table.text({.columns = width}));
        // Each part: titles, the row, an empty line behind it.
        for (std::size_t i = 1; i < lines.size(); i += 3) EXPECT_TRUE(lines[i].starts_with(name + " ")) << width;
        EXPECT_EQ(lines.size() % 3, 2U) << width;
    }
    EXPECT_EQ(lines_of(table.text({.columns = 20 + 13 * 8})).size(), 2U);
    EXPECT_EQ(lines_of(table.text({.columns = 19 + 13 * 8})).size(), 5U) << "cut, the name repeated";
    row.front() = name + "+";
    table.add(row);
    EXPECT_EQ(lines_of(table.text({.columns = 20 + 13 * 8})).size(), 4U) << "a longer name takes a second line";
}

TEST(TextTable, WithoutKeysItsRowsBecomeLines) {
    TextTable table({{"codec"}, {"first", true}, {"second", true}});
    table.add({"int8", "1.25000", "2.50000"});
    table.add({"gear", "-", "a few words"});
    EXPECT_EQ(table.text({.columns = 20}),
              "codec   int8\n"
              "first   1.25000\n"
              "second  2.50000\n"
              "\n"
              "codec   gear\n"
              "first   -\n"
              "second  a few words\n");
}

TEST(TextTable, NoLineIsWiderThanTheScreenAndNoCellIsLost) {
    std::mt19937 random(9);
    for (int i = 0; i < 400; ++i) {
        std::vector<TextTable::Column> columns;
        for (auto left = 1 + random() % 9; left > 0; --left)
            columns.push_back({std::string(1 + random() % 12, 't'), random() % 2 == 0});
        auto const keys = random() % 2;
        TextTable table(columns, keys);
        std::string cells;
        for (auto rows = random() % 4; rows > 0; --rows) {
            std::vector<std::string> row;
            for (auto const& column : columns) {
                row.push_back(std::to_string(random()));
                if (!column.right) row.back() += " and " + std::string(random() % 30, 'x') + ", so";
                cells += row.back();
            }
            table.add(row);
        }
        auto const width = 20 + random() % 120;
        auto const text = table.text({.columns = width});
        for (auto const& line : lines_of(text)) EXPECT_LE(display_width(line), width) << text;
        for (char const c : std::string("x,0123456789"))
            EXPECT_GE(std::ranges::count(text, c), std::ranges::count(cells, c)) << text;
    }
}

}  // namespace
}  // namespace kvstone
