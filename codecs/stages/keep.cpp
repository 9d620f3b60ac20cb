// keep: some of the tokens, and no others.
//
// Purpose    attention goes to few tokens: a cache without the others is smaller, whatever codes the tokens that stay. The
//            stage stands in front of a whole codec, because K and V lose the same tokens. It looks at the prompt once, as a
//            whole; tokens that come later all stay.
// Source     kvpress 0.5.5 (NVIDIA) and the papers of the policies (selection/policies.cpp)
// Options    policy  how a token's score is found in each KV head; the highest scores stay:
//              streaming           the first `sink` tokens and the last ones, up to the share
//              random              uniform in [0, 1): Philox4x32-10, key `seed`, counter (token, head, layer)
//              knorm               -|k|
//              h2o                 sum over queries of attention p to the token / number of queries that see it; mean over the
//                                  query heads of the KV head
//              snapkv              mean of p over the last `window` queries, then over `kernel` neighbours (places beyond the
//                                  ends count as 0), then over the query heads
//              tova                p of the last query, mean over all query heads of the layer
//              expected_attention  softmax over tokens behind the sinks of (m.k / sqrt(d) + k'Ck / 2d), mean over the query
//                                  heads, plus `epsilon`, times |v|; m and C are mean and covariance of the queries behind the
//                                  sinks, before RoPE, turned by the mean rotation of the next `future` positions
//              pyramid             as snapkv; the number of tokens falls from layer to layer in equal steps, by `beta`
//            share   of the prompt's tokens that stays in each layer, on average for pyramid. The number is
//                    tokens * (1 - (1 - share)), in binary64, without its fraction, as kvpress counts: at least 1
//            sink, window  the first and the last tokens always stay; they count as part of the share
//            over    heads or layers over which scores are averaged, so that they keep the same tokens
// Planes     mask: a bit for each token of the prompt, 1 where it stays, the lowest bit of a byte first, zeros behind the
//            last: ceil(tokens / 8) bytes for each list of tokens. over=all has one list, over=layer one for each layer,
//            over=head one for each [layer, head]. (selection/selected_codec.hpp has the bytes around it.)
// Example    policy=streaming, share=.5, sink=1 of 10 tokens: 0, 6, 7, 8 and 9 stay: c1 03
// Error      of tokens that stay, that of the codec behind; nothing is promised of others.
// NaN, Inf, denormals: a score that is NaN is the lowest.

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "codecs/registry.hpp"
#include "codecs/selection/policies.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::int64_t most_tokens = 1 << 24;

StageInfo keep_info() {
    StageInfo info;
    info.name = "keep";
    info.summary = "drops tokens of K and V by a policy; in front of a whole codec";
    info.source = "kvpress (NVIDIA) and its policies' papers";
    info.engines = {{.differs = "no engine drops tokens of a prompt by such a policy"}};
    std::vector<std::string> names;
    for (auto const& policy : policies()) names.emplace_back(policy.name);
    info.options = {
        choice_option("policy", std::nullopt, names, "which tokens stay"),
        number_option("share", std::nullopt, 0, 1, true, "of the prompt's tokens that stays"),
        integer_option("sink", 4, 0, most_tokens, "first tokens that always stay"),
        integer_option("window", 64, 0, most_tokens, "last tokens that always stay, whose queries snapkv looks at"),
        choice_option("over", "head", {"head", "layer", "all"},
                      "the same tokens stay in a head alone, in a layer's heads, in all layers"),
        integer_option("kernel", 5, 1, 65535, "neighbours that snapkv averages over, an odd number"),
        integer_option("beta", 20, 1, 1000000, "pyramid: the mean share / that of the last layer"),
        integer_option("future", 512, 1, 1 << 20, "expected_attention: positions of queries to come"),
        choice_option("covariance", "on", {"on", "off"}, "expected_attention: that of queries"),
        choice_option("value_norm", "on", {"on", "off"}, "expected_attention: scores times the norm of V"),
        number_option("epsilon", 0, 0, 1e6, false, "expected_attention: added to scores before that"),
        integer_option("seed", 0, 0, 0xFFFFFFFF, "of random"),
    };
    info.examples = {"keep:policy=streaming,share=0.5 | int:bits=4", "keep:policy=knorm,share=0.25,over=all | raw"};
    return info;
}

void check_options(Options const& options, std::vector<std::string> const& given) {
    auto const& name = options.choice("policy");
    auto const& policy = policy_named(name);
    for (auto const& option : given) {
        if (option == "policy" || option == "share" || option == "sink") continue;
        if (std::ranges::find(policy.options, option) != policy.options.end()) continue;
        std::vector<std::string> accepted{"policy", "share", "sink"};
        accepted.insert(accepted.end(), policy.options.begin(), policy.options.end());
        throw ConfigError(fmt::format("policy {} does not use this option of keep", name), option, accepted);
    }
    auto const uses = [&](char const* option) {
        return std::ranges::find(policy.options, option) != policy.options.end();
    };
    if (uses("kernel") && options.integer("kernel") % 2 == 0)
        throw ConfigError("a token stands in the middle of its neighbours: kernel is odd",
                          std::to_string(options.integer("kernel")), {"1", "3", "5"});
    if ((uses("kernel") || name == "tova") && options.integer("window") == 0)
        throw ConfigError(
            fmt::format("policy {} looks at the last queries, whose tokens stay: window is at least 1", name), "0",
            {"1.."});
    if (policy.budgets != nullptr && options.choice("over") == "all")
        throw ConfigError(fmt::format("policy {} keeps fewer tokens in higher layers", name), "all", {"head", "layer"});
}

struct RegisterKeep {
    RegisterKeep() {
        StageEntry entry;
        entry.info = keep_info();
        entry.kind = StageKind::selector;
        entry.check_selector = check_options;
        register_stage(std::move(entry));
    }
};
RegisterKeep const registered;

}  // namespace
}  // namespace kvstone
