#include "scenarios/cell.hpp"

#include <fmt/format.h>

#include "scenarios/canonical_text.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

/// A JSON string. Names here rarely need escapes, so that asking first is several times faster than dump().
void append_quoted(std::string& text, std::string const& value) {
    for (char const character : value) {
        auto const byte = static_cast<unsigned char>(character);
        if (byte < 0x20 || byte >= 0x7f || byte == '"' || byte == '\\') {
            text += Json(value).dump();
            return;
        }
    }
    text += '"';
    text += value;
    text += '"';
}

Cell identity_from_json(Json const& json) {
    Cell cell;
    cell.workload = json.at("workload").get<std::string>();
    cell.options = json.value("options", Json::object());
    cell.source = json.at("source");
    cell.context = json.value("context", std::uint64_t{0});
    cell.batch = json.value("batch", std::uint64_t{1});
    cell.page = json.value("page", default_page_tokens);
    cell.codec = json.at("codec").get<std::string>();
    cell.backend = json.at("backend").get<std::string>();
    cell.threads = json.value("threads", 0);
    cell.source.at("kind").get<std::string>();
    identify(cell);
    return cell;
}

}  // namespace

std::string workload_text(Cell const& cell) {
    return cell.options.empty() ? cell.workload : cell.workload + " " + cell.options.dump();
}

void identify_with_source_text(Cell& cell, std::string const& source_text) {
    auto& text = cell.canonical;
    text.clear();
    text.reserve(96 + cell.codec.size() + source_text.size());
    text += R"({"backend":)";
    append_quoted(text, cell.backend);
    if (cell.batch != 1) text += R"(,"batch":)" + std::to_string(cell.batch);
    text += R"(,"codec":)";
    append_quoted(text, cell.codec);
    if (cell.context != 0) text += R"(,"context":)" + std::to_string(cell.context);
    if (!cell.options.empty()) text += R"(,"options":)" + cell.options.dump();
    if (cell.page != default_page_tokens) text += R"(,"page":)" + std::to_string(cell.page);
    text += R"(,"source":)";
    text += source_text;
    if (cell.threads != 0) text += R"(,"threads":)" + std::to_string(cell.threads);
    text += R"(,"workload":)";
    append_quoted(text, cell.workload);
    text += '}';
    cell.id = short_hash(text);
}

void identify(Cell& cell) { identify_with_source_text(cell, cell.source.dump()); }

Cell cell_from_canonical(std::string const& canonical) {
    try {
        auto cell = identity_from_json(parse_json(canonical));
        cell.codec_name = cell.codec;
        cell.source_name = cell.source.at("kind").get<std::string>();
        if (cell.canonical == canonical) return cell;
    } catch (Json::exception const&) {
        // Told below, like every text that is not canonical.
    }
    throw ConfigError("not the canonical text of a cell", excerpt(canonical));
}

Json to_json(Cell const& cell) {
    return {{"id", cell.id},
            {"canonical", cell.canonical},
            {"workload", cell.workload},
            {"options", cell.options},
            {"source", cell.source},
            {"context", cell.context},
            {"batch", cell.batch},
            {"page", cell.page},
            {"codec", cell.codec},
            {"backend", cell.backend},
            {"threads", cell.threads},
            {"codec_name", cell.codec_name},
            {"source_name", cell.source_name},
            {"locator", cell.locator}};
}

Cell cell_from_json(Json const& json) {
    try {
        auto cell = identity_from_json(json);
        cell.codec_name = json.at("codec_name").get<std::string>();
        cell.source_name = json.at("source_name").get<std::string>();
        cell.locator = json.at("locator");
        if (cell.id != json.at("id").get<std::string>())
            throw ConfigError("a cell whose id does not belong to it", excerpt(json.at("id").get<std::string>()));
        return cell;
    } catch (Json::exception const& error) {
        throw ConfigError(std::string("not a cell: ") + error.what());
    }
}

}  // namespace kvstone
