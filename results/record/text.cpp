#include "results/record/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace kvstone {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

struct Decoded {
    char32_t code = 0;
    std::size_t bytes = 0;  ///< 0: not valid UTF-8 here
};

/// One character at the start of text, by the table of well-formed sequences in the Unicode standard (3-7).
Decoded decode(std::string_view text) {
    auto const byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    auto const first = byte(0);
    if (first < 0x80) return {first, 1};
    std::size_t const length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
    std::uint8_t low = 0x80,
                 high = 0xBF;  // bounds of the second byte: no overlong forms, surrogates or beyond U+10FFFF
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
    char32_t code = first & (0xFFU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if (byte(i) < low || byte(i) > high) return {};
        code = (code << 6) | (byte(i) & 0x3FU);
        low = 0x80;
        high = 0xBF;
    }
    return {code, length};
}

struct CodeRange {
    char32_t first, last;
};
constexpr std::array zero_width{CodeRange{0x300, 0x36F}, CodeRange{0x200B, 0x200D}, CodeRange{0xFE00, 0xFE0F}};
constexpr std::array double_width{CodeRange{0x1100, 0x115F}, CodeRange{0x2E80, 0xA4CF},   CodeRange{0xAC00, 0xD7A3},
                                  CodeRange{0xF900, 0xFAFF}, CodeRange{0xFE30, 0xFE6F},   CodeRange{0xFF00, 0xFF60},
                                  CodeRange{0xFFE0, 0xFFE6}, CodeRange{0x1F300, 0x1FAFF}, CodeRange{0x20000, 0x3FFFD}};

template <class Ranges>
bool contains(Ranges const& ranges, char32_t code) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](CodeRange const& range) { return code >= range.first && code <= range.last; });
}

}  // namespace

std::string valid_utf8(std::string_view text) {
    if (std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) > 0; })) return std::string(text);
    std::string valid;
    valid.reserve(text.size());
    while (!text.empty()) {
        auto const [code, bytes] = decode(text);
        valid += bytes == 0 || code == 0 ? replacement : text.substr(0, bytes);
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return valid;
}

std::string xml_text(std::string_view text) {
    std::string result;
    for (char const c : valid_utf8(text)) {
        switch (c) {
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '&':
                result += "&amp;";
                break;
            case '"':
                result += "&quot;";
                break;
            case '\n':
                result += "&#10;";
                break;
            case '\t':
                result += "&#9;";
                break;
            default:
                result += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
        }
    }
    return result;
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (true) {
        // Most texts are ASCII alone, a column a byte.
        auto const plain = static_cast<std::size_t>(
            std::ranges::find_if(text, [](char c) { return c == '\x1b' || (c & 0x80) != 0; }) - text.begin());
        width += plain;
        text.remove_prefix(plain);
        if (text.empty()) break;
        if (text.starts_with("\x1b[")) {
            if (auto const end = text.find('m'); end != std::string_view::npos) {
                text.remove_prefix(end + 1);
                continue;
            }
        }
        auto const [code, bytes] = decode(text);
        width += contains(zero_width, code) ? 0 : contains(double_width, code) ? 2 : 1;
        text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    return width;
}

}  // namespace kvstone
