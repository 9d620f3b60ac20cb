#include "harness/sources/layout_check.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <sstream>
#include <vector>

#include "harness/sources/elements.hpp"
#include "harness/sources/padding.hpp"
#include "harness/sources/sources.hpp"

namespace kvstone {
namespace {

constexpr double clear_difference = 0.05;
constexpr double alike = 0.02;
constexpr double far_difference = 0.3;
constexpr double far_ratio = 2;
// Runs of neighbouring tokens, spread over the context: enough for shares of a few per cent.
constexpr std::uint64_t run_tokens = 32;
constexpr std::uint64_t runs = 16;
constexpr std::uint64_t sampled_layers = 4;
constexpr std::uint64_t sampled_heads = 32;
constexpr std::uint64_t least_tokens = 64;  // of a reading that overrules the stated one

/// Where value (head, token, channel) of a layer lies, in elements from the layer's first; `shape` as it was read.
using Place = std::uint64_t (*)(KvShape const& shape, std::uint64_t head, std::uint64_t token, std::uint64_t channel);

struct Reading {
    char const* name;
    Place place;
};

constexpr Reading readings[] = {
    {"head token dim", [](KvShape const& s, std::uint64_t h, std::uint64_t t,
                          std::uint64_t c) { return (h * s.tokens + t) * s.dim + c; }},
    {"token head dim",
     [](KvShape const& s, std::uint64_t h, std::uint64_t t, std::uint64_t c) { return (t * s.heads + h) * s.dim + c; }},
    {"head dim token", [](KvShape const& s, std::uint64_t h, std::uint64_t t,
                          std::uint64_t c) { return (h * s.dim + c) * s.tokens + t; }},
    {"token dim head",
     [](KvShape const& s, std::uint64_t h, std::uint64_t t, std::uint64_t c) { return (t * s.dim + c) * s.heads + h; }},
    {"dim head token", [](KvShape const& s, std::uint64_t h, std::uint64_t t,
                          std::uint64_t c) { return (c * s.heads + h) * s.tokens + t; }},
    {"dim token head", [](KvShape const& s, std::uint64_t h, std::uint64_t t,
                          std::uint64_t c) { return (c * s.tokens + t) * s.heads + h; }},
    // Read as "token head dim", though it lay as "head token dim".
    {"head token dim, before head and token were swapped",
     [](KvShape const& s, std::uint64_t h, std::uint64_t t, std::uint64_t c) {
         auto const vector = h * s.tokens + t;
         return (vector % s.heads * s.tokens + vector / s.heads) * s.dim + c;
     }},
};

/// The same axes by each other's names: those read as head, token and dim are...
struct Naming {
    char const* name;
    KvShape (*shape)(KvShape const& as_read);
    Place place;
};
constexpr Naming namings[] = {
    {"token head dim", [](KvShape const& s) { return KvShape{s.layers, s.tokens, s.heads, s.dim}; },
     [](KvShape const& s, std::uint64_t h, std::uint64_t t, std::uint64_t c) {
         return (t * s.tokens + h) * s.dim + c;
     }},
    {"head dim token", [](KvShape const& s) { return KvShape{s.layers, s.heads, s.dim, s.tokens}; },
     [](KvShape const& s, std::uint64_t h, std::uint64_t t, std::uint64_t c) {
         return (h * s.tokens + c) * s.dim + t;
     }},
    {"token dim head", [](KvShape const& s) { return KvShape{s.layers, s.dim, s.heads, s.tokens}; },
     [](KvShape const& s, std::uint64_t h, std::uint64_t t, std::uint64_t c) {
         return (t * s.tokens + c) * s.dim + h;
     }},
    {"dim head token", [](KvShape const& s) { return KvShape{s.layers, s.tokens, s.dim, s.heads}; },
     [](KvShape const& s, std::uint64_t h, std::uint64_t t, std::uint64_t c) {
         return (c * s.tokens + h) * s.dim + t;
     }},
    {"dim token head", [](KvShape const& s) { return KvShape{s.layers, s.dim, s.tokens, s.heads}; },
     [](KvShape const& s, std::uint64_t h, std::uint64_t t, std::uint64_t c) {
         return (c * s.tokens + t) * s.dim + h;
     }},
};

/// Sums over the sampled tokens of one channel.
struct ChannelSums {
    double count = 0;
    double x = 0;
    double x2 = 0;
    double size = 0;
    double products = 0;  ///< of neighbours
    double pairs = 0;
};

std::vector<std::uint64_t> run_starts(std::uint64_t tokens) {
    auto const length = std::min(run_tokens, tokens);
    auto const count = std::clamp<std::uint64_t>(tokens / length, 1, runs);
    std::vector<std::uint64_t> starts(count);
    for (std::uint64_t i = 0; i < count; ++i) starts[i] = count == 1 ? 0 : i * (tokens - length) / (count - 1);
    return starts;
}

/// Variance within and between the channels of every head, over the sampled layers.
struct Variances {
    double mean_between = 0;
    double mean_total = 0;
    double size_between = 0;
    double size_total = 0;
    double neighbours = 0;
    double within = 0;

    void add_head(std::vector<ChannelSums> const& channels) {
        double count = 0;
        double x = 0;
        double x2 = 0;
        double size = 0;
        for (auto const& channel : channels) {
            count += channel.count;
            x += channel.x;
            x2 += channel.x2;
            size += channel.size;
        }
        mean_total += x2 - x * x / count;
        size_total += x2 - size * size / count;
        for (auto const& channel : channels) {
            double const mean = channel.x / channel.count;
            mean_between += channel.count * (mean - x / count) * (mean - x / count);
            auto const size_difference = channel.size / channel.count - size / count;
            size_between += channel.count * size_difference * size_difference;
            if (channel.pairs == 0) continue;
            neighbours += channel.products / channel.pairs - mean * mean;
            within += channel.x2 / channel.count - mean * mean;
        }
    }
    Structure structure() const {
        auto const share = [](double part, double whole) {
            return whole > 0 ? std::clamp(part / whole, 0.0, 1.0) : 0.0;
        };
        return {share(mean_between, mean_total), share(size_between, size_total), share(neighbours, within)};
    }
};

/// Sizes above this count as this: a few huge values (attention sinks, massive activations) would otherwise be all that
/// the variances see, and they look like structure in some order.
double largest_counted(HostTensor const& tensor) {
    constexpr std::uint64_t most_samples = 65'536;
    constexpr double above_median = 10;  // 6.7 standard deviations of normal values
    auto const values = tensor.shape.values();
    auto const stride = values / most_samples | 1;  // odd, so that it meets all channels
    std::vector<double> sizes;
    for (std::uint64_t i = 0; i < values; i += stride)
        sizes.push_back(std::abs(double{element_value(tensor.type, tensor.bytes.get(), i)}));
    auto const middle = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() / 2);
    std::nth_element(sizes.begin(), middle, sizes.end());
    return *middle > 0 ? above_median * *middle : std::numeric_limits<double>::infinity();
}

/// `shape`: as it would be in this order.
Structure structure_as(HostTensor const& tensor, KvShape const& shape, Place place, double limit) {
    auto const layer_values = shape.values() / shape.layers;
    auto const layers = std::min(shape.layers, sampled_layers);
    auto const heads = std::min(shape.heads, sampled_heads);
    auto const starts = run_starts(shape.tokens);
    auto const length = std::min(run_tokens, shape.tokens);
    Variances variances;
    std::vector<ChannelSums> channels(shape.dim);
    for (std::uint64_t sample = 0; sample < layers; ++sample) {
        auto const layer = layers == 1 ? 0 : sample * (shape.layers - 1) / (layers - 1);
        for (std::uint64_t i = 0; i < heads; ++i) {
            auto const head = i * shape.heads / heads;
            std::fill(channels.begin(), channels.end(), ChannelSums{});
            for (auto const start : starts) {
                for (std::uint64_t c = 0; c < shape.dim; ++c) {
                    double before = 0;
                    for (std::uint64_t token = start; token < start + length; ++token) {
                        double const x = std::clamp(
                            double{element_value(tensor.type, tensor.bytes.get(),
                                                 layer * layer_values + place(tensor.shape, head, token, c))},
                            -limit, limit);
                        auto& sums = channels[c];
                        sums.count += 1;
                        sums.x += x;
                        sums.x2 += x * x;
                        sums.size += std::abs(x);
                        if (token > start) {
                            sums.products += x * before;
                            sums.pairs += 1;
                        }
                        before = x;
                    }
                }
            }
            variances.add_head(channels);
        }
    }
    return variances.structure();
}

/// A sum without the part due to chance: shares of one over the tokens of a channel, which differ between namings.
double beyond_chance(Structure const& structure, KvShape const& shape) {
    auto const length = std::min(run_tokens, shape.tokens);
    auto const count = static_cast<double>(length * run_starts(shape.tokens).size());
    auto const beyond = [count](double share) { return std::max(0.0, (share * count - 1) / (count - 1)); };
    return beyond(structure.mean_share) + beyond(structure.size_share) + structure.correlation;
}

std::vector<std::uint64_t> spread_over(std::uint64_t length, std::uint64_t most) {
    auto const count = std::min(length, most);
    std::vector<std::uint64_t> places(count);
    for (std::uint64_t i = 0; i < count; ++i) places[i] = count == 1 ? 0 : i * (length - 1) / (count - 1);
    return places;
}

/// The part that tells how a tensor lies: without tokens and channels that it has room for alone, and without heads that repeat
/// the one before, as keys do that were repeated for each query. Zeros and repeats are structure in some order, whatever
/// the values are. The tensor itself where it has neither, else those layers that are looked at.
HostTensor telling_part(HostTensor const& tensor) {
    auto const& shape = tensor.shape;
    auto const used = used_part(tensor);
    auto const layers = spread_over(shape.layers, sampled_layers);
    auto const head_bytes = shape.tokens * shape.dim * element_bytes(tensor.type);
    auto const* const bytes = tensor.bytes.get();
    std::vector<std::uint64_t> heads;
    for (std::uint64_t head = 0; head < shape.heads; ++head) {
        auto const differs = [&](std::uint64_t layer) {
            auto const* const own = bytes + (layer * shape.heads + head) * head_bytes;
            return std::memcmp(own, own - head_bytes, head_bytes) != 0;
        };
        if (head == 0 || std::ranges::any_of(layers, differs)) heads.push_back(head);
    }
    bool const whole = used.tokens == shape.tokens && used.dim == shape.dim && heads.size() == shape.heads;
    if (whole || used.tokens == 0) return tensor;
    HostTensor part{tensor.type, {layers.size(), heads.size(), used.tokens, used.dim}, {}};
    auto const row_bytes = used.dim * element_bytes(tensor.type);
    auto const packed = allocate_bytes(part.shape.vectors() * row_bytes);
    auto* to = packed.get();
    for (auto const layer : layers)
        for (auto const head : heads)
            for (std::uint64_t token = 0; token < used.tokens; ++token, to += row_bytes)
                std::memcpy(
                    to,
                    bytes + (layer * shape.heads + head) * head_bytes + token * shape.dim * element_bytes(tensor.type),
                    row_bytes);
    part.bytes = packed;
    return part;
}

/// How far two orders of values without structure are apart by chance, at most: of n tokens in g channels of all heads, a share
/// is 1 / n with a deviation of sqrt(2 / g) / n, and a correlation deviates by 1 / sqrt(n g).
double difference_by_chance(KvShape const& shape) {
    constexpr double deviations = 3;
    auto const tokens = static_cast<double>(std::min(run_tokens, shape.tokens) * run_starts(shape.tokens).size());
    auto const channels =
        static_cast<double>(shape.dim * std::min(shape.heads, sampled_heads) * std::min(shape.layers, sampled_layers));
    // Two shares and a correlation on each side; the two shares of one side go together.
    return deviations * std::sqrt(2 * (4 * 2 / (channels * tokens * tokens) + 1 / (channels * tokens)));
}

bool far_above(double other, double ours) { return other > ours + far_difference && other > far_ratio * ours; }

/// The best other names of the axes, where they are far better than the ones it was read by.
void check_names(HostTensor const& tensor, double limit, LayoutCheck& check) {
    auto const& shape = tensor.shape;
    auto const ours = shape.tokens > 1 ? beyond_chance(check.as_read, shape) : 0;
    bool const enough = shape.tokens >= least_tokens;
    auto best = check.best_other.empty() || !enough ? 0 : beyond_chance(check.as_best_other, shape);
    for (auto const& naming : namings) {
        auto const named = naming.shape(shape);
        if (named.tokens < least_tokens) continue;
        auto const structure = structure_as(tensor, named, naming.place, limit);
        auto const sum = beyond_chance(structure, named);
        if (sum <= best + alike || !far_above(sum, ours)) continue;
        best = sum;
        check.verdict = "suspect";
        check.axes = check.best_other = naming.name;
        check.as_best_other = structure;
    }
    check.contradicted = far_above(best, ours);
}

/// Heads and channels that are called by each other's names look the same. Models have as many channels in a head as they have
/// heads, or more.
void check_heads(HostTensor const& tensor, double limit, LayoutCheck& check) {
    auto const& shape = tensor.shape;
    if (check.verdict == "suspect" || shape.heads <= shape.dim || shape.tokens == 1) return;
    auto const& swapped = namings[std::size(namings) - 1];
    auto const named = swapped.shape(shape);
    auto const structure = structure_as(tensor, named, swapped.place, limit);
    auto const theirs = beyond_chance(structure, named);
    if (theirs <= clear_difference || theirs < beyond_chance(check.as_read, shape) - clear_difference) return;
    check.verdict = "suspect";
    check.axes = check.best_other = swapped.name;
    check.as_best_other = structure;
    check.more_heads_than_channels = true;
}

LayoutCheck check_part(HostTensor const& tensor) {
    auto const limit = largest_counted(tensor);
    LayoutCheck check{"undecided", structure_as(tensor, tensor.shape, readings[0].place, limit), {}, {}};
    for (auto const& reading : readings) {
        // With one head, or one token, this order is another's equal.
        bool const same =
            reading.place == readings[0].place || (tensor.shape.heads == 1 && reading.place != readings[2].place);
        if (same || tensor.shape.tokens == 1) continue;
        auto const structure = structure_as(tensor, tensor.shape, reading.place, limit);
        // Orders that only permute heads and channels look alike where channels do not differ: the likelier one comes first.
        if (!check.best_other.empty() && structure.sum() <= check.as_best_other.sum() + alike) continue;
        check.best_other = reading.name;
        check.as_best_other = structure;
    }
    if (!check.best_other.empty()) {
        auto const difference = check.as_read.sum() - check.as_best_other.sum();
        auto const clear = std::max(clear_difference, difference_by_chance(tensor.shape));
        if (difference > clear) check.verdict = "confirmed";
        if (difference < -clear) check.verdict = "suspect";
    }
    check_names(tensor, limit, check);
    check_heads(tensor, limit, check);
    return check;
}

}  // namespace

Structure structure_of(HostTensor const& tensor) {
    return structure_as(tensor, tensor.shape, readings[0].place, largest_counted(tensor));
}

LayoutCheck check_layout(HostTensor const& tensor) { return check_part(telling_part(tensor)); }

std::string renamed_layout(std::string const& layout, std::string const& axes) {
    std::istringstream right(axes);
    std::map<std::string, std::string> names;
    for (auto const* const read : {"head", "token", "dim"}) right >> names[read];
    std::istringstream words(layout);
    std::string renamed;
    for (std::string word; words >> word;)
        renamed += (renamed.empty() ? "" : " ") + (names.contains(word) ? names[word] : word);
    bool const whole = renamed.find("token") != std::string::npos && renamed.find("dim") != std::string::npos;
    return whole && !axes.empty() ? renamed : std::string();
}

}  // namespace kvstone
