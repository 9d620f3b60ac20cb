#include "harness/sizing/size.hpp"

#include <algorithm>
#include <limits>

#include "codecs/not_applicable.hpp"
#include "codecs/pipeline/sections.hpp"
#include "codecs/selection/selected_codec.hpp"
#include "harness/sizing/layer_bytes.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// A codec over all layers of a model, layers alike measured once. Where it drops tokens, the context is the prompt.
class CacheBytes {
  public:
    CacheBytes(Codec const& codec, SizeQuestion const& question, ModelCache const& cache)
        : codec_(codec), cache_(cache), state_bytes_(cache.state_values() * question.state_value_bytes) {
        auto const behind = codec.without_selection();
        // A layer alone would not miss rules about layers that there are none of.
        for (auto const component : {Component::k, Component::v})
            cut_columns(behind, component, {cache.cached.size(), std::numeric_limits<std::uint32_t>::max(), 1, 1});
        if (codec.selection()) check_kept_alone(codec);
        for (std::uint64_t i = 0; i < cache.cached.size(); ++i)
            add(behind.of_layer(i, cache.cached.size()), i, question.elements);
    }

    /// Throws ConfigError where the codec cannot have this context.
    SequenceBytes of(std::uint64_t context) {
        SequenceBytes bytes{0, 0, state_bytes_};
        auto const kept = kept_of(context);
        for (auto& group : groups_)
            for (auto const layer : group.layers) {
                auto const all = group.bytes.of(kept.empty() ? group.layer.tokens_of(context) : kept[layer]).all;
                (group.layer.most_tokens == 0 ? bytes.growing : bytes.window) += all;
            }
        if (codec_.selection()) bytes.growing += selection_bytes(codec_, lists(), context);
        return bytes;
    }
    double growth_bytes() const {
        // The share of so many tokens has as many digits as are printed.
        auto const& keep = codec_.selection();
        auto const kept =
            keep ? kept_counts(*keep, cache_.cached.size(), longest_context_asked) : std::vector<std::uint64_t>();
        double bytes = keep ? static_cast<double>(lists()) / 8 : 0;
        for (auto const& group : groups_)
            for (auto const layer : group.layers)
                if (group.layer.most_tokens == 0)
                    bytes +=
                        group.bytes.growth_bytes() *
                        (kept.empty() ? 1
                                      : static_cast<double>(kept[layer]) / static_cast<double>(longest_context_asked));
        return bytes;
    }
    bool fixed_rate() const {
        return std::ranges::all_of(groups_, [](auto const& group) { return group.bytes.fixed_rate(); });
    }
    std::uint64_t measured_tokens() const {
        std::uint64_t tokens = 0;
        for (auto const& group : groups_) tokens = std::max(tokens, group.bytes.measured_tokens());
        return tokens;
    }
    /// The most tokens with which a batch stays within a budget; 0: not even one. Bytes grow from step to step, but may fall
    /// within one, where a page is filled and coded.
    std::optional<std::uint64_t> longest_within(std::uint64_t budget, std::uint64_t batch) {
        auto const fits = [&](std::uint64_t tokens) {
            if (codec_.selection() && slides(tokens)) return false;
            try {
                auto const all = of(tokens).all();
                return all == 0 || all <= budget / batch;
            } catch (NotApplicable const&) {
                return true;  // of so few a share is too small
            }
        };
        if (fits(longest_context_asked)) return {};
        std::uint64_t most = 0;
        std::uint64_t too_many = longest_context_asked;
        while (too_many - most > 1) {
            auto const middle = most + (too_many - most) / 2;
            (fits(middle) ? most : too_many) = middle;
        }
        std::uint64_t step = 0;
        for (auto const& group : groups_)
            if (group.bytes.fixed_rate()) step = std::max(step, group.bytes.step_tokens());
        // A page of kept tokens is one of more tokens of the context.
        if (auto const& keep = codec_.selection()) {
            auto const least = std::ranges::min(kept_counts(*keep, cache_.cached.size(), longest_context_asked));
            step *= (longest_context_asked + least - 1) / least;
        }
        for (auto tokens = most + 1; tokens <= most + step; ++tokens)
            if (fits(tokens)) most = tokens;
        return most > 0 && codec_.selection() && !can_drop_of(most) ? 0 : most;
    }

  private:
    struct Group {
        Codec codec;
        CachedLayer layer;
        std::vector<std::uint64_t> layers;  ///< by their places among those that keep K and V
        LayerBytes bytes;
    };
    void add(Codec const& codec, std::uint64_t place, ElementType type) {
        auto const& layer = cache_.cached[place];
        auto const alike = std::ranges::find_if(
            groups_, [&](auto const& group) { return group.codec == codec && group.layer == layer; });
        if (alike != groups_.end())
            alike->layers.push_back(place);
        else
            groups_.push_back({codec, layer, {place}, LayerBytes(codec, layer, type)});
    }
    /// Tokens that stay in each layer; empty where none are dropped.
    std::vector<std::uint64_t> kept_of(std::uint64_t context) const {
        auto const& keep = codec_.selection();
        if (!keep) return {};
        if (slides(context))
            throw ConfigError(
                "layers of this model keep the last tokens alone, and its stage drops tokens of a whole prompt",
                keep->name, {"a context within the window"});
        return kept_counts(*keep, cache_.cached.size(), context);
    }
    /// Whether a layer keeps fewer tokens than the context has.
    bool slides(std::uint64_t context) const {
        return std::ranges::any_of(cache_.cached,
                                   [&](auto const& layer) { return layer.tokens_of(context) < context; });
    }
    bool can_drop_of(std::uint64_t context) const {
        try {
            kept_of(context);
            return true;
        } catch (NotApplicable const&) {
            return false;
        }
    }
    /// Of the bits that say which tokens stay.
    std::uint64_t lists() const {
        auto const same = same_tokens(*codec_.selection());
        if (same == SameTokens::all) return 1;
        std::uint64_t lists = 0;
        for (auto const& layer : cache_.cached) lists += same == SameTokens::head ? layer.kv_heads : 1;
        return lists;
    }

    Codec codec_;
    ModelCache cache_;
    std::uint64_t state_bytes_;
    std::vector<Group> groups_;
};

void add_rows(SizeAnswer& answer, ModelCache const& share, std::string const& name) {
    auto const& question = answer.question;
    auto const codec = Codec::parse(name);
    SizeRow row;
    row.codec_name = name;
    row.codec = codec.text();
    auto const refused = [&](std::string why, std::uint64_t context) {
        row.context = context;
        row.why_not = std::move(why);
        answer.rows.push_back(row);
        row.why_not.clear();
    };
    std::optional<CacheBytes> whole;
    std::optional<CacheBytes> of_device;
    try {
        whole.emplace(codec, question, question.cache);
        if (question.devices > 1) of_device.emplace(codec, question, share);
        row.growth_bytes_a_token = whole->growth_bytes();
    } catch (ConfigError const& error) {
        for (auto const context : question.contexts) refused(error.what(), context);
        return;
    }
    row.depends_on_values = !whole->fixed_rate();
    row.measured_tokens = whole->measured_tokens();
    auto& device = of_device ? *of_device : *whole;
    // The same for every context.
    std::optional<std::optional<std::uint64_t>> longest;
    for (auto const context : question.contexts) {
        try {
            row.context = context;
            row.sequence = whole->of(context);
            row.batch_bytes = question.batch * row.sequence.all();
            auto const own = device.of(context).all();
            row.device_bytes = question.batch * own;
            if (question.budget_bytes && own > 0) {
                if (!longest) longest = device.longest_within(*question.budget_bytes, question.batch);
                row.models = *question.budget_bytes / row.device_bytes;
                row.sequences = *question.budget_bytes / own;
                row.longest_context = *longest;
            }
            answer.rows.push_back(row);
        } catch (ConfigError const& error) {
            refused(error.what(), context);
        }
    }
}

}  // namespace

SizeAnswer size_of(SizeQuestion question) {
    if (question.codecs.empty() || question.contexts.empty())
        throw ConfigError("a size needs at least one codec and one context");
    if (question.batch == 0 || question.devices == 0) throw ConfigError("a batch and devices are at least one");
    auto const share = share_of(question.cache, question.devices);
    SizeAnswer answer{std::move(question), {}};
    for (auto const& name : answer.question.codecs) add_rows(answer, share, name);
    return answer;
}

}  // namespace kvstone
