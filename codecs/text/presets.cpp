#include "codecs/text/presets.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

OptionSpec bases_option(std::optional<std::string> default_value = std::nullopt) {
    return text_option("bases", std::move(default_value), "a file of `kvstone calibrate`");
}
OptionSpec own_text_option() {
    return choice_option("own_text", "no", {"yes", "no"}, "whether the bases may be of the text that is run");
}
OptionSpec bits_option(std::int64_t default_value, std::int64_t most) {
    return integer_option("bits", default_value, 1, most, "of a code");
}

/// Of principal axes: those of the prompt, or of a file. Of K before RoPE.
std::string axes(Options const& options, bool keys) {
    auto const& bases = options.text("bases");
    if (bases == "none") return "basis=prompt";
    return fmt::format("basis=pca{},own_text={},bases={}", keys ? ",rope=before" : "", options.choice("own_text"),
                       bases);
}

/// A group that has any bits at all takes 2 a component: where the budget is 8 / ratio of that, no more components can have
/// some, and the last ones need not be computed.
std::string write_kvtc(Options const& options) {
    auto const ratio = options.number("ratio");
    auto const share = std::min(8 / ratio, 0.9999);
    auto const pipeline = [&](bool keys) {
        return fmt::format("{}lowrank:rank={},{},over=heads,mean=yes | bitalloc:bits={},singles=yes | zstd",
                           keys ? "unrope | " : "", share, axes(options, keys), ratio > 8 ? 2 : 16 / ratio);
    };
    return fmt::format("sink(4){{fp16}} window(128){{fp16}} k{{{}}} v{{{}}}", pipeline(true), pipeline(false));
}

/// For each layer the least rank that keeps so much of the energy in each of its heads.
std::vector<std::uint64_t> ranks_by_layer(TensorBases const& bases, double energy) {
    std::vector<std::uint64_t> ranks;
    auto const n = bases.shape.dim;
    for (std::uint64_t layer = 0; layer < bases.shape.layers; ++layer) {
        std::uint64_t rank = 1;
        for (std::uint64_t head = 0; head < bases.shape.heads; ++head) {
            auto const* const values = bases.variance.data() + (layer * bases.shape.heads + head) * n;
            double all = 0;
            for (std::uint64_t i = 0; i < n; ++i) all += static_cast<double>(values[i]);
            double kept = 0;
            std::uint64_t own = 0;
            while (own < n && kept < energy * all) kept += static_cast<double>(values[own++]);
            rank = std::max(rank, own);
        }
        ranks.push_back(rank);
    }
    return ranks;
}

/// Rules for the layers of each rank; those of the largest come last, and take the other layers.
std::string write_eigen(Options const& options) {
    auto const file = read_calibration(options.text("bases"));
    std::string text;
    for (auto const* const component : {"k", "v"}) {
        bool const keys = std::string_view(component) == "k";
        auto const bases = file->tensors.find(keys ? "k_prerope" : "v");
        if (bases == file->tensors.end())
            throw ConfigError("the file has no bases of keys before RoPE, or none of V", file->path,
                              {"bases of a model, or of a dump that says how its keys were rotated"});
        std::map<std::uint64_t, std::vector<std::uint64_t>> layers;
        auto const ranks = ranks_by_layer(bases->second, options.number("energy"));
        for (std::uint64_t layer = 0; layer < ranks.size(); ++layer) layers[ranks[layer]].push_back(layer);
        for (auto const& [rank, of_rank] : layers) {
            auto const where =
                rank == layers.rbegin()->first ? "" : fmt::format(",layers({})", fmt::join(of_rank, ","));
            text += fmt::format("{}{}{}{{{}lowrank:rank={},{} | fp16}}", text.empty() ? "" : " ", component, where,
                                keys ? "unrope | " : "", rank, axes(options, keys));
        }
    }
    return text;
}

/// The command that makes a preset's file.
std::string command(Preset const& preset, std::string const& path) {
    auto const& groups = preset.groups;
    std::string flags;
    if (groups.over != "head") flags += " --over " + groups.over;
    if (groups.heads > 0) flags += fmt::format(" --heads {}", groups.heads);
    if (groups.mean) flags += " --mean yes";
    if (preset.queries) flags += " --queries yes";
    return fmt::format("kvstone calibrate MODEL --text OTHER.txt{} -o {}", flags, path);
}

void check_bases(Preset const& preset, std::string const& path) {
    std::shared_ptr<Calibration const> file;
    try {
        file = read_calibration(path);
    } catch (ConfigError const& error) {
        throw ConfigError(error.message(), error.offending(), {command(preset, path)});
    }
    if (file->groups != preset.groups || file->queries != preset.queries)
        throw ConfigError(fmt::format("{} has other bases than this file's, which are of {}{}", preset.name,
                                      text_of(file->groups), file->queries ? " with queries" : ""),
                          path, {command(preset, path)});
}

// Attention sinks (Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024) and the recent
// window stay fp16 in the first three. balanced and aggressive are the settings of Liu et al., "KIVI", ICML 2024. The texts
// are frozen: cells are identified by a preset's text, and a better choice is a preset of another name. Ranks are
// shares of a vector's values, so that they fit every model.
std::vector<Preset> make_presets() {
    std::vector<Preset> table{
        {"conservative", "sink(4){fp16} window(128){fp16} rest{int:bits=8,axis=token,group=64}",
         "8 bits in groups of 64 channels of a token, about half of fp16", "common practice"},
        {"balanced",
         "sink(4){fp16} window(128){fp16} k{int:bits=4,scheme=asymmetric,axis=channel,group=32} "
         "v{int:bits=4,scheme=asymmetric,axis=token,group=32}",
         "4 bits, K per channel and V per token, about a third of fp16", "KIVI (2024)"},
        {"aggressive",
         "sink(4){fp16} window(128){fp16} k{int:bits=2,scheme=asymmetric,axis=channel,group=32} "
         "v{int:bits=2,scheme=asymmetric,axis=token,group=32}",
         "2 bits, K per channel and V per token, about a fifth of fp16", "KIVI (2024)"},
    };
    auto const with_rank = [](std::vector<OptionSpec> more) {
        std::vector<OptionSpec> all{bits_option(2, 8), integer_option("group", 64, 8, 4096, "tokens or channels"),
                                    integer_option("rank", 4, 1, 64, "components kept of the quantiser's error")};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    table.push_back({"gear-l",
                     "window(64){fp16} k{int_lowrank:bits=$bits,axis=channel,group=$group,rank=$rank} "
                     "v{int_lowrank:bits=$bits,axis=token,group=$group,rank=$rank}",
                     "integers and a low-rank part of their error, K per channel and V per token",
                     "GEAR-L of Kang et al., GEAR (2024); shipped as gearlkivi", with_rank({})});
    table.push_back({"gear-sl",
                     "window(64){fp16} k{outliers:fraction=$outliers,axis=channel | "
                     "int_lowrank:bits=$bits,axis=channel,group=$group,rank=$rank} v{outliers:fraction=$outliers | "
                     "int_lowrank:bits=$bits,axis=token,group=$group,rank=$rank}",
                     "the same with the largest and smallest values stored by themselves",
                     "GEAR of Kang et al. (2024); shipped as gearslkivi, whose outliers are of all heads together",
                     with_rank({number_option("outliers", 0.02, 0, 0.5, true, "share of the values")})});
    table.push_back(
        {"kvtc",
         "sink(4){fp16} window(128){fp16} k{unrope | lowrank:rank=0.5,basis=prompt,over=heads,mean=yes | "
         "bitalloc:bits=2,singles=yes | zstd} v{lowrank:rank=0.5,basis=prompt,over=heads,mean=yes | "
         "bitalloc:bits=2,singles=yes | zstd}",
         "principal axes of a layer's heads (of this prompt, or with bases=FILE of another text), bits where they "
         "gain most, sinks and window kept; bits are 16 / ratio a value, before the last coder",
         "KVTC (ICLR 2026), whose axes are of all layers together, and whose last coder is DEFLATE",
         {bases_option("none"), own_text_option(),
          number_option("ratio", 16, 2, 64, false, "over fp16, before the last coder")},
         {.over = "heads", .mean = true},
         false,
         write_kvtc});
    table.push_back(
        {"cachegen-shipped",
         "k,layers(0-9){cachegen:bins=32 | rans:context=channel,tables=layer} "
         "v,layers(0-1){cachegen:bins=32 | rans:context=channel,tables=layer} "
         "rest{cachegen:bins=16 | rans:context=channel,tables=layer}",
         "32 bins in the first layers, 16 in the others, coded with tables by channel that are billed",
         "CacheGen (SIGCOMM 2024) as shipped, in LMCache: no anchors and no differences, which the paper has; the "
         "coder is ours"});
    table.push_back(
        {"palu",
         "k{unrope | lowrank:rank=$rank,basis=pca,over=heads,heads=4,rope=before,own_text=$own_text,bases=$bases | "
         "fp16} "
         "v{lowrank:rank=$rank,basis=pca,over=heads,heads=4,own_text=$own_text,bases=$bases | fp16}",
         "coefficients of four heads together on axes of another text",
         "Palu (2024), G-LRD at one rank for all layers",
         {bases_option(), own_text_option(),
          number_option("rank", 0.5, 0, 0.9999, true, "share of the vector's values")},
         {.over = "heads", .heads = 4}});
    table.push_back({"shadowkv", "k{unrope | lowrank:rank=0.15625,basis=prompt,over=heads | fp16} v{fp16}",
                     "K of a layer's heads together on 160 of 1,024 axes of the prompt; V as it is",
                     "ShadowKV (2024), without its landmarks"});
    table.push_back(
        {"xkv",
         "k{unrope | lowrank:rank=0.125,basis=prompt,over=layers | fp16} "
         "v{lowrank:rank=0.1875,basis=prompt,over=layers | fp16}",
         "four layers together on axes of the prompt, 512 of 4,096 for K and 768 for V; the last layers are fewer "
         "where four do not go into them",
         "xKV (2025)"});
    table.push_back(
        {"eigen",
         "k{unrope | lowrank:rank=R,basis=pca,rope=before,own_text=$own_text,bases=$bases | fp16} "
         "v{lowrank:rank=R,basis=pca,own_text=$own_text,bases=$bases | fp16}",
         "each head on axes of K and the queries that meet it, of another text; R by layer, the least that keeps "
         "$energy of the energy",
         "Eigen Attention (2024); as shipped for Llama axes are of K alone, one basis for all heads",
         {bases_option(), own_text_option(), number_option("energy", 0.98, 0, 1, true, "kept in each head of a layer")},
         {},
         true,
         write_eigen});
    table.push_back(
        {"qjl-kv",
         "window(128){fp16} k,layers(0-14){qjl:sketch=4,matrix=$matrix} k{qjl:sketch=2,matrix=$matrix} "
         "v{int:bits=2,scheme=asymmetric,axis=token,group=32}",
         "signs of a sketch for K, more of them in the first 15 layers, 2 bits for V",
         "QJL (2024) as shipped, without its second sketch of outlier channels; matrix=gaussian is the paper's",
         {choice_option("matrix", "orthogonal", {"orthogonal", "gaussian"}, "rows of the sketch")}});
    table.push_back({"turboquant-mse",
                     "hadamard | lloydmax:bits=$bits",
                     "rotated vectors in Lloyd-Max levels: the least squared error",
                     "TurboQuant (2025), algorithm 1",
                     {bits_option(4, 8)}});
    table.push_back({"turboquant-prod",
                     "hadamard | turboquant_prod:bits=$bits",
                     "the same with one bit for a sketch of the rest: scores without bias",
                     "TurboQuant (2025), algorithm 2",
                     {integer_option("bits", 4, 2, 8, "of a value, one of them the sketch's")}});
    table.push_back({"higgs-hadamard",
                     "hadamard | higgs:bits=$bits",
                     "rotated vectors in pairs on the plane's best grid",
                     "HIGGS (2024); for caches AQUA-KV (2025), without its predictors",
                     {integer_option("bits", 4, 2, 4, "a value")}});
    return table;
}

std::vector<Preset> const& table() {
    static std::vector<Preset> const all = make_presets();
    return all;
}

}  // namespace

bool Preset::needs_bases() const {
    return std::ranges::any_of(options,
                               [](OptionSpec const& one) { return one.name == "bases" && !one.default_value; });
}

std::string Preset::usage() const { return std::string(name) + (needs_bases() ? ":bases=FILE.safetensors" : ""); }

std::string Preset::codec_text(std::vector<std::pair<std::string, std::string>> const& given) const {
    if (needs_bases() && std::ranges::find(given, "bases", &std::pair<std::string, std::string>::first) == given.end())
        throw ConfigError(fmt::format("{} needs a file of axes that were fitted to another text; make it: {}", name,
                                      command(*this, "FILE.safetensors")),
                          std::string(name), {usage()});
    Options const values(std::string(name), options, given);
    if (auto const bases = values.values().find("bases"); bases != values.values().end() && bases->second != "none")
        check_bases(*this, bases->second);
    if (write != nullptr) return write(values);
    std::string filled(text);
    for (auto const& [option, value] : values.values()) {
        auto const place = "$" + option;
        for (auto at = filled.find(place); at != std::string::npos; at = filled.find(place, at + value.size()))
            filled.replace(at, place.size(), value);
    }
    return filled;
}

std::span<Preset const> presets() { return table(); }

Preset const* find_preset(std::string_view name) {
    auto const found = std::ranges::find(table(), name, &Preset::name);
    return found == table().end() ? nullptr : &*found;
}

}  // namespace kvstone
