#include "scenarios/text.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fmt/format.h>

#include "scenarios/errors.hpp"
#include "scenarios/yaml_value.hpp"

namespace kvstone {
namespace {

/// Length of the UTF-8 character that begins the text, or 0 where none does (overlong forms and surrogates included).
std::size_t character_length(std::string_view text) {
    auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (byte(0) < 0x80) return 1;
    std::size_t const length = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
    if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    if ((byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xed && byte(1) > 0x9f)) return 0;
    if ((byte(0) == 0xf0 && byte(1) < 0x90) || (byte(0) == 0xf4 && byte(1) > 0x8f)) return 0;
    return length;
}

}  // namespace

std::size_t first_unreadable(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        auto const length = character_length(text.substr(i));
        if (length == 0 || text[i] == '\0') return i;
        i += length;
    }
    return std::string_view::npos;
}

std::string excerpt(std::string_view text) {
    std::string shown;
    std::size_t characters = 0;
    for (std::size_t i = 0; i < text.size(); ++characters) {
        if (characters == 80) return shown + "...";
        auto const length = character_length(text.substr(i));
        auto const byte = static_cast<unsigned char>(text[i]);
        if (length == 0 || byte < 0x20 || byte == 0x7f)
            shown += '?';
        else
            shown += text.substr(i, length);
        i += length == 0 ? 1 : length;
    }
    return shown;
}

std::string size_text(std::uint64_t bytes) {
    auto const value = static_cast<double>(bytes);
    if (value >= 1 << 30) return fmt::format("{:.2f} GiB", value / (1 << 30));
    if (value >= 1 << 20) return fmt::format("{:.2f} MiB", value / (1 << 20));
    return fmt::format("{:.1f} KiB", value / 1024);
}

std::string_view without_byte_order_mark(std::string_view text) {
    constexpr std::string_view mark = "\xef\xbb\xbf";
    if (text.starts_with(mark)) text.remove_prefix(mark.size());
    return text;
}

bool is_utf16(std::string_view text) { return text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff"); }

std::string read_small_file(std::string const& path) {
    TextPlace const place{path, 0, 0};
    std::error_code error;
    auto const status = std::filesystem::status(path, error);
    if (!std::filesystem::exists(status)) throw ConfigError("no such file", {}, {}, place);
    if (!std::filesystem::is_regular_file(status)) throw ConfigError("not a regular file", {}, {}, place);
    std::ifstream file(path, std::ios::binary);
    if (!file) throw ConfigError(fmt::format("cannot be read ({})", std::strerror(errno)), {}, {}, place);
    std::string text(max_yaml_bytes + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > max_yaml_bytes)
        throw ConfigError(fmt::format("larger than {} bytes", max_yaml_bytes), {}, {}, place);
    return text;
}

}  // namespace kvstone
