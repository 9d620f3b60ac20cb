#include <utility>

#include <fmt/format.h>

#include "harness/inspection/inspect.hpp"
#include "results/record/text_table.hpp"
#include "results/record/wrapped.hpp"

namespace kvstone {
namespace {

std::string layout_text(Json const& layout) {
    auto const sum = [](Json const& structure) {
        return structure["mean_share"].get<double>() + structure["size_share"].get<double>() +
               structure["correlation"].get<double>();
    };
    auto text = fmt::format("layout {}: structure {:.3f} as read", layout["verdict"].get<std::string>(),
                            sum(layout["as_read"]));
    if (layout.contains("best_other")) {
        text += fmt::format(", {:.3f} as '{}'", sum(layout["as_best_other"]), layout["best_other"].get<std::string>());
    }
    if (layout.contains("axes"))
        text += fmt::format("; the axes read as head, token and dim are rather {}", layout["axes"].get<std::string>());
    auto const& read = layout["as_read"];
    return text + fmt::format(
                      "\n    (as read, channels' means make {:.0f}% of the variance and their sizes {:.0f}%; "
                      "neighbouring tokens correlate by {:.2f})",
                      100 * read["mean_share"].get<double>(), 100 * read["size_share"].get<double>(),
                      read["correlation"].get<double>());
}

std::string type_text(Json const& facts) {
    auto const& check = facts["type_check"];
    if (check.contains("likely"))
        return fmt::format("  type suspect: rather {}: {}\n", check["likely"].get<std::string>(),
                           check["evidence"].get<std::string>());
    if (check["spread"].is_null()) return {};
    return fmt::format(
        "  type plausible: sizes spread over {:.1f} binades between their quartiles (normal values: 1.9)\n",
        check["spread"].get<double>());
}

std::string padding_text(Json const& facts) {
    if (!facts.contains("padding")) return "  packed: no channel, token or head at the end is 0 throughout\n";
    auto const& padding = facts["padding"];
    std::string text;
    std::string advice;
    for (auto const& [axis, length] : {std::pair{"channels", "dim"}, {"tokens", "tokens"}}) {
        auto const zeros = padding[axis].get<std::uint64_t>();
        auto const all = facts[length].get<std::uint64_t>();
        if (zeros == 0) continue;
        text += fmt::format("{}the last {} of {} {}", text.empty() ? "" : ", ", zeros, all, axis);
        if (zeros < all) advice += fmt::format("{}{}: {}", advice.empty() ? "" : ", ", length, all - zeros);
    }
    if (auto const heads = padding["heads"].get<std::uint64_t>(); heads > 0)
        text += fmt::format("{}{} heads of all layers", text.empty() ? "" : ", ", heads);
    return fmt::format("  padded: 0 throughout are {}{}\n", text,
                       advice.empty() ? "" : fmt::format(" (of a dump, `{}` leaves them out)", advice));
}

std::string tensor_text(std::string const& name, Json const& facts) {
    auto const type = facts["type"].get<std::string>();
    auto const holds = facts["holds"].get<std::string>();
    auto const bits =
        type == "f32" ? fmt::format(": the lowest {} bits are 0", facts["low_zero_bits"].get<std::uint64_t>()) : "";
    auto text = fmt::format("{}: {} layers x {} heads x {} tokens x {} channels, {}{}, {} bytes\n", name,
                            facts["layers"].dump(), facts["heads"].dump(), facts["tokens"].dump(), facts["dim"].dump(),
                            type, holds == type ? "" : fmt::format(" (every value is exact in {}{})", holds, bits),
                            facts["bytes"].dump());
    text += fmt::format("  min {:.4g}, max {:.4g}, mean {:.4g}, rms {:.4g}, zeros {:.2f}%\n",
                        facts["min"].get<double>(), facts["max"].get<double>(), facts["mean"].get<double>(),
                        facts["rms"].get<double>(), 100 * facts["zeros"].get<double>());
    text += type_text(facts) + "  " + layout_text(facts["layout"]) + "\n" + padding_text(facts);
    return text;
}

std::string ratio_text(Json const& value) {
    return value.is_null() ? std::string("-") : fmt::format("{:.2f}", value.get<double>());
}
std::string number_text(Json const& value) { return fmt::format("{:.4g}", value.get<double>()); }
std::string percent_text(Json const& value, int digits) {
    return fmt::format("{:.{}f}%", 100 * value.get<double>(), digits);
}

/// A line a layer: the size of values, and facts about its tokens.
std::string sizes_text(Json const& layers, Screen const& screen) {
    TextTable table({{"layer", true},
                     {"rms", true},
                     {"min", true},
                     {"max", true},
                     {"first token", true},
                     {"sinks", true},
                     {"repeated", true},
                     {"rms by head"}},
                    1);
    std::size_t number = 0;
    for (auto const& layer : layers) {
        std::string heads;
        for (auto const& rms : layer["head_rms"])
            heads += fmt::format("{}{:.3g}", heads.empty() ? "" : " ", rms.get<double>());
        table.add({std::to_string(number++), number_text(layer["rms"]), number_text(layer["min"]),
                   number_text(layer["max"]), ratio_text(layer["first_token"]), layer["sink_tokens"].dump(),
                   percent_text(layer["duplicate_rows"], 2), heads});
    }
    return table.text(screen);
}

/// A line a layer: how unequal its channels and directions are.
std::string channels_text(Json const& layers, Screen const& screen) {
    TextTable table({{"layer", true},
                     {"channel max/median", true},
                     {"outliers", true},
                     {"variance max/min", true},
                     {"2nd moment max/min", true},
                     {"PCA first/last", true},
                     {"rank 90%", true},
                     {"in means", true}},
                    1);
    std::size_t number = 0;
    for (auto const& layer : layers)
        table.add({std::to_string(number++), ratio_text(layer["channel_ratio"]), layer["outlier_channels"].dump(),
                   ratio_text(layer["variance_ratio"]), ratio_text(layer["second_moment_ratio"]),
                   ratio_text(layer["pca_ratio"]),
                   layer["rank_90"].is_null() ? "-" : fmt::format("{:.0f}", layer["rank_90"].get<double>()),
                   percent_text(layer["mean_energy"], 1)});
    return table.text(screen);
}

}  // namespace

std::string inspection_text(Json const& inspection, Screen const& screen) {
    std::string text;
    for (auto const* name : {"k", "v", "k_prerope", "q"}) {
        if (!inspection.contains(name)) continue;
        auto const& facts = inspection[name];
        text += fmt::format("{}\n{}\n{}\n", wrapped(tensor_text(name, facts), screen.columns, 4),
                            sizes_text(facts["by_layer"], screen), channels_text(facts["by_layer"], screen));
    }
    auto const tables = std::exchange(text, {});
    if (inspection.contains("attention")) {
        text += "share of attention on the first token, by layer:";
        for (auto const& share : inspection["attention"]["first_token"])
            text += fmt::format(" {:.1f}%", 100 * share.get<double>());
        text += "\n";
    }
    if (inspection.contains("rope")) {
        auto const& rope = inspection["rope"];
        text +=
            fmt::format("rope: base {:g}, {} channels, {} pairs, positions x {:g}{}\n", rope["base"].get<double>(),
                        rope["dims"].dump(), rope["interleaved"].get<bool>() ? "interleaved" : "half-split",
                        rope["scale"].get<double>(), rope.contains("frequency_factors") ? ", frequency factors" : "");
        if (rope.contains("mean_share_rotated")) {
            text += fmt::format("  variance between channel means of K: {:.1f}% as it is, {:.1f}% with RoPE undone\n",
                                100 * rope["mean_share_rotated"].get<double>(),
                                100 * rope["mean_share_unrotated"].get<double>());
        }
        if (rope.contains("error")) {
            text += fmt::format("  RoPE applied to K before it differs from K after it by {:.1e}\n",
                                rope["error"].get<double>());
        }
    } else {
        text += "rope: not stated\n";
    }
    if (inspection.contains("latent"))
        text += fmt::format(
            "latent attention: K's first {} channels are those of RoPE, its last {} the latent of K and V of all "
            "heads; "
            "there is no V\n",
            inspection["latent"]["other_channels"].dump(), inspection["latent"]["channels"].dump());
    auto const metadata = inspection.value("metadata", Json::object());
    for (auto const& [key, value] : metadata.items()) {
        text += fmt::format("{}: {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
    text.erase(text.find_last_not_of('\n') + 1);
    return tables + wrapped(text, screen.columns, 4) + "\n";
}

}  // namespace kvstone
