#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string_view>

#include "harness/files/mapped_file.hpp"
#include "harness/workloads/prefix_cache/trace_builder.hpp"
#include "scenarios/json.hpp"
#include "scenarios/text.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {
namespace {

constexpr double longest_time_s = 1e9;

/// How the JSON lines of a trace are to be read.
struct LineFormat {
    std::uint64_t block_tokens;
    double ns_per_unit;
};
constexpr LineFormat mooncake{512, 1e6};
constexpr LineFormat bailian{16, 1e9};

Json const& member(Json const& line, char const* name) {
    auto const found = line.find(name);
    if (found == line.end()) throw ConfigError("the request lacks a member", name);
    return *found;
}

std::uint64_t whole_number(Json const& value, char const* name) {
    if (!value.is_number_unsigned())
        throw ConfigError(std::string(name) + " is no whole number", excerpt(value.dump()));
    return value.get<std::uint64_t>();
}

std::int64_t time_ns_of(Json const& value, double ns_per_unit) {
    auto const units = value.is_number() ? value.get<double>() : -1;
    if (!(units >= 0) || units * ns_per_unit > longest_time_s * 1e9)
        throw ConfigError("timestamp is no time", excerpt(value.dump()));
    return std::llround(units * ns_per_unit);
}

Json object_of(std::string_view text) {
    Json line;
    try {
        line = parse_json(text);
    } catch (Json::exception const&) {
        throw ConfigError("no JSON", excerpt(text), {"one object a line"});
    }
    if (!line.is_object()) throw ConfigError("no JSON object", excerpt(text), {"one object a line"});
    return line;
}

LineFormat format_of(Json const& line) { return line.contains("chat_id") ? bailian : mooncake; }

void add_line(Json const& line, LineFormat const& format, TraceBuilder<std::uint64_t>& builder) {
    std::vector<std::uint64_t> blocks;
    auto const& ids = member(line, "hash_ids");
    if (!ids.is_array()) throw ConfigError("hash_ids is no list", excerpt(ids.dump()));
    for (auto const& id : ids) blocks.push_back(whole_number(id, "an id of hash_ids"));
    builder.add(time_ns_of(member(line, "timestamp"), format.ns_per_unit),
                whole_number(member(line, "input_length"), "input_length"), blocks);
}

}  // namespace

RequestTrace read_line_trace(std::string const& path, std::uint64_t most_requests) {
    auto const file = map_file(path);
    auto rest = without_byte_order_mark({reinterpret_cast<char const*>(file.bytes.get()), file.size});
    std::optional<LineFormat> format;
    TraceBuilder<std::uint64_t> builder(mooncake.block_tokens);
    for (int number = 1; !rest.empty() && (most_requests == 0 || builder.requests() < most_requests); ++number) {
        auto const end = std::min(rest.find('\n'), rest.size());
        auto const text = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
        try {
            auto const line = object_of(text);
            if (!format) {
                format = format_of(line);
                builder = TraceBuilder<std::uint64_t>(format->block_tokens);
            }
            if (format->block_tokens != format_of(line).block_tokens)
                throw ConfigError("a request of another format than the first");
            add_line(line, *format, builder);
        } catch (ConfigError const& error) {
            throw error.at({path, number, 0});
        }
    }
    if (builder.requests() == 0) throw ConfigError("a trace without requests", path);
    return builder.take();
}

RequestTrace read_yaml_trace(std::string const& path, std::uint64_t most_requests) {
    constexpr std::uint64_t most_tokens = std::uint64_t{1} << 32;
    auto const root = read_yaml_file(path);
    YamlMap const map(root, {"block_tokens", "requests"});
    TraceBuilder<std::uint64_t> builder(whole_number_of(map.at("block_tokens"), 1, most_tokens));
    std::int64_t time_ns = 0;
    for (auto const& item : items_of(map.at("requests"))) {
        if (most_requests != 0 && builder.requests() == most_requests) break;
        YamlMap const request(item, {"time", "tokens", "blocks"});
        if (auto const* time = request.find("time")) time_ns = std::llround(duration_s_of(*time) * 1e9);
        std::vector<std::uint64_t> blocks;
        for (auto const* id : one_or_more(request.at("blocks"))) blocks.push_back(whole_number_of(*id, 0, UINT64_MAX));
        auto const tokens = whole_number_of(request.at("tokens"), 1, most_tokens);
        try {
            builder.add(time_ns, tokens, blocks);
        } catch (ConfigError const& error) {
            throw error.at(item.place);
        }
    }
    return builder.take();
}

RequestTrace read_trace(std::string const& path, std::uint64_t most_requests) {
    auto const ending = std::filesystem::path(path).extension();
    return ending == ".yaml" || ending == ".yml" ? read_yaml_trace(path, most_requests)
                                                 : read_line_trace(path, most_requests);
}

}  // namespace kvstone
