#include "harness/inspection/inspection_page.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "harness/inspection/layer_facts.hpp"

namespace kvstone {
namespace {

struct Figure {
    char const* key;  ///< as in by_layer of inspect.hpp
    char const* title;
};
constexpr Figure figures[] = {
    {"rms", "RMS"},
    {"channel_ratio", "largest over median channel RMS"},
    {"outlier_channels", "channels above 4x the median"},
    {"variance_ratio", "largest over least channel variance in a head"},
    {"second_moment_ratio", "largest over least channel mean square in a head"},
    {"pca_ratio", "first over last principal variance in a head"},
    {"rank_90", "rank that holds 90% of a head's variance"},
    {"mean_energy", "share of energy in channel means"},
    {"first_token", "RMS of the first token over the median token's"},
    {"sink_tokens", "tokens beyond 4x or below 1/4 of the median"},
    {"duplicate_rows", "share of vectors that repeat an earlier one"},
};
struct Tensor {
    char const* key;
    char const* title;
};
constexpr Tensor tensors[] = {{"k", "K after RoPE"}, {"k_prerope", "K before RoPE"}, {"v", "V"}};

std::string text(Json const& value) { return value.is_null() ? "-" : fmt::format("{:.3g}", value.get<double>()); }

/// Of the layers that have the figure.
Json median_of(Json const& values) {
    std::vector<double> known;
    for (auto const& value : values)
        if (!value.is_null()) known.push_back(value.get<double>());
    return known.empty() ? Json() : Json(upper_median(std::move(known)));
}

Json figure_of_layers(Json const& tensor, char const* key) {
    auto values = Json::array();
    for (auto const& layer : tensor["by_layer"]) values.push_back(layer[key]);
    return values;
}

std::string compared(std::string const& what, std::vector<Json> const& medians) {
    auto line = fmt::format("| {} | {} |", what, text(medians.front()));
    for (auto median = medians.begin() + 1; median != medians.end(); ++median) {
        bool const comparable = !medians.front().is_null() && !median->is_null() && medians.front().get<double>() != 0;
        line += fmt::format(
            " {} | {} |", text(*median),
            comparable ? fmt::format("{:.2f}", median->get<double>() / medians.front().get<double>()) : "-");
    }
    return line + "\n";
}

std::string summary(std::vector<std::pair<std::string, Json>> const& inspections) {
    auto page = fmt::format("## Medians over layers\n\n| figure | {} |", inspections.front().first);
    std::string rule = "|---|---:|";
    for (auto other = inspections.begin() + 1; other != inspections.end(); ++other) {
        page += fmt::format(" {} | ratio |", other->first);
        rule += "---:|---:|";
    }
    page += "\n" + rule + "\n";
    auto const everywhere = [&](char const* key) {
        return std::ranges::all_of(inspections, [&](auto const& one) { return one.second.contains(key); });
    };
    auto const add = [&](std::string const& what, auto const& median) {
        std::vector<Json> medians;
        for (auto const& [name, inspection] : inspections) medians.push_back(median(inspection));
        page += compared(what, medians);
    };
    for (auto const& tensor : tensors) {
        if (!everywhere(tensor.key)) continue;
        for (auto const& figure : figures)
            add(fmt::format("{}: {}", tensor.title, figure.title), [&](Json const& inspection) {
                return median_of(figure_of_layers(inspection[tensor.key], figure.key));
            });
    }
    if (everywhere("k") && everywhere("v"))
        add("RMS of K over RMS of V", [](Json const& inspection) {
            auto ratios = Json::array();
            for (std::size_t layer = 0; layer < inspection["k"]["by_layer"].size(); ++layer) {
                auto const v = inspection["v"]["by_layer"][layer]["rms"].get<double>();
                auto const k = inspection["k"]["by_layer"][layer]["rms"].get<double>();
                ratios.push_back(v > 0 ? Json(k / v) : Json());
            }
            return median_of(ratios);
        });
    if (everywhere("attention"))
        add("share of attention on the first token",
            [](Json const& inspection) { return median_of(inspection["attention"]["first_token"]); });
    return page;
}

std::string by_layer(std::string const& title, Json const& tensor, Json const& attention) {
    auto page = fmt::format("\n## {}: by layer\n\n| layer |", title);
    std::string rule = "|---:|";
    for (auto const& figure : figures) {
        page += fmt::format(" {} |", figure.title);
        rule += "---:|";
    }
    if (!attention.is_null()) {
        page += " share of attention on the first token |";
        rule += "---:|";
    }
    page += "\n" + rule + "\n";
    std::size_t layer = 0;
    for (auto const& facts : tensor["by_layer"]) {
        page += fmt::format("| {} |", layer);
        for (auto const& figure : figures) page += fmt::format(" {} |", text(facts[figure.key]));
        if (!attention.is_null()) page += fmt::format(" {} |", text(attention[layer]));
        page += "\n";
        ++layer;
    }
    return page;
}

}  // namespace

std::string inspection_page(std::vector<std::pair<std::string, Json>> const& inspections) {
    auto page = summary(inspections);
    auto const& first = inspections.front().second;
    for (auto const& tensor : tensors) {
        if (!first.contains(tensor.key)) continue;
        bool const of_k = std::string_view(tensor.key) == "k";
        page += by_layer(fmt::format("{} of {}", tensor.title, inspections.front().first), first[tensor.key],
                         of_k && first.contains("attention") ? first["attention"]["first_token"] : Json());
    }
    return page;
}

}  // namespace kvstone
