#include "harness/sources/synthetic.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "backends/normal.hpp"
#include "backends/philox.hpp"
#include "backends/portable_math.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr float k_correlation = 0.9F;
constexpr float v_correlation = 0.5F;
constexpr float q_correlation = 0.5F;
constexpr float v_deviation = 0.5F;
constexpr float k_mean_deviation = 0.5F;
constexpr float outlier_mean_least = 8;
constexpr float outlier_mean_range = 4;

/// The differences between formats of `llama`; synthetic.hpp describes each. The first token's numbers multiply those
/// of every other token.
struct LlamaFormat {
    float k_log_deviation;
    float k_first_mean;
    float k_first_deviation;
    float v_log_deviation;
    float v_mean_deviation;                ///< means and outliers of V are multiples of v_deviation
    std::uint64_t channels_per_v_outlier;  ///< 0: V has none
    float v_first;
    float sink_logit;  ///< 0: queries have no mean
};
constexpr std::uint64_t channels_per_k_outlier = 32;
constexpr float v_outlier_least = 2.75F;
constexpr float v_outlier_range = 0.5F;
constexpr LlamaFormat llama_formats[] = {{0.4F, 1, 1, 0, 0, 0, 1, 0},
                                         {0.315F, 0, 0.5F, 0.158F, 0.14F, 64, 0.23F, 7.5F}};

constexpr float biased_mean = 4;
constexpr float uniform_half_width = 1.7320508075688772F;  // variance 1

/// The purpose of a stream of random words; part of the counter, so that no two streams share a word.
enum Stream : std::uint32_t {
    k_noise = 0,
    v_noise = 1,
    q_noise = 2,
    k_channels = 3,
    k_outliers = 4,
    v_channels = 5,
    v_outliers = 6
};

/// Random words of one head of one layer.
struct Words {
    PhiloxKey key;
    std::uint32_t layer = 0;
    std::uint32_t head = 0;

    PhiloxCounter at(Stream stream, std::uint32_t token, std::uint32_t block) const {
        // Heads are fewer than 2^16 (read_shape), so the stream fits above them.
        return philox({token, layer, head | (static_cast<std::uint32_t>(stream) << 28), block}, key);
    }
};

/// Distributions of independent values; all have variance 1.
enum class Law : std::uint8_t { normal, uniform, heavy };

/// `dim` independent N(0,1) values; block b of the counter gives channels b, b + n, b + 2n and b + 3n of n =
/// ceil(dim/4).
void normals(Words const& words, Stream stream, std::uint32_t token, std::uint64_t dim, std::vector<float>& padded) {
    auto const blocks = static_cast<std::uint32_t>((dim + 3) / 4);
    padded.resize(std::size_t{4} * blocks);
    float* const values = padded.data();
#pragma omp simd
    for (std::uint32_t block = 0; block < blocks; ++block) {
        auto const word = words.at(stream, token, block);
        auto const low = normal_pair(word[0], word[1]);
        auto const high = normal_pair(word[2], word[3]);
        values[block] = low.first;
        values[block + blocks] = low.second;
        values[block + 2 * blocks] = high.first;
        values[block + 3 * blocks] = high.second;
    }
}

/// `dim` independent values of a law other than the normal one: channel c has a block of the counter to itself.
void draw(Law law, Words const& words, Stream stream, std::uint32_t token, std::uint64_t dim,
          std::vector<float>& values) {
    values.resize(dim);
    for (std::uint32_t c = 0; c < dim; ++c) {
        auto const word = words.at(stream, token, c);
        values[c] = law == Law::uniform ? uniform_half_width * (2 * unit_uniform(word[0]) - 1)
                                        : heavy_tailed(word[0], word[1], word[2], word[3]);
    }
}

/// A head's process: value = mean + deviation * z, z AR(1) over tokens, rotated by RoPE.
struct Head {
    Words words;
    Stream noise = k_noise;
    float correlation = 0;
    std::vector<float> mean;
    std::vector<float> deviation;
    Law law = Law::normal;
    float first_mean = 1;  ///< of the first token, times its mean and deviation
    float first_deviation = 1;
};

/// Turns pairs (i, i + dim/2) on by one position a step. Angles are multiplied up in double: after 2^20 steps they are
/// right to 1e-10, and no position costs a sine.
class Rotation {
  public:
    explicit Rotation(std::vector<double> const& frequencies)
        : cosine_(frequencies.size(), 1.0), sine_(frequencies.size(), 0.0) {
        for (auto const frequency : frequencies) {
            step_cosine_.push_back(portable::cos(frequency));
            step_sine_.push_back(portable::sin(frequency));
        }
    }
    void apply(float* vector) const {
        auto const half = cosine_.size();
        for (std::size_t i = 0; i < half; ++i) {
            auto const c = static_cast<float>(cosine_[i]);
            auto const s = static_cast<float>(sine_[i]);
            float const x = vector[i];
            float const y = vector[i + half];
            vector[i] = x * c - y * s;
            vector[i + half] = x * s + y * c;
        }
    }
    void advance() {
        for (std::size_t i = 0; i < cosine_.size(); ++i) {
            double const c = cosine_[i] * step_cosine_[i] - sine_[i] * step_sine_[i];
            sine_[i] = sine_[i] * step_cosine_[i] + cosine_[i] * step_sine_[i];
            cosine_[i] = c;
        }
    }

  private:
    std::vector<double> cosine_;
    std::vector<double> sine_;
    std::vector<double> step_cosine_;
    std::vector<double> step_sine_;
};

/// Writes the values of every token, or of those in `wanted` alone: dim values each.
void fill(Head const& head, std::vector<double> const& frequencies, std::uint64_t tokens,
          std::vector<std::uint64_t> const& wanted, float* values) {
    auto const dim = head.mean.size();
    float const fresh = std::sqrt(1 - head.correlation * head.correlation);
    std::vector<float> noise;
    std::vector<float> process(dim);
    Rotation rotation(frequencies);
    auto next = wanted.begin();
    for (std::uint64_t token = 0; token < tokens && (wanted.empty() || next != wanted.end()); ++token) {
        auto const place = static_cast<std::uint32_t>(token);
        if (!wanted.empty() && head.correlation == 0 && token != *next) {
            if (!frequencies.empty()) rotation.advance();
            continue;  // nothing is remembered from here
        }
        if (head.law == Law::normal)
            normals(head.words, head.noise, place, dim, noise);
        else
            draw(head.law, head.words, head.noise, place, dim, noise);
        // The first token starts the process in its stationary state.
        float const kept = token == 0 ? 0 : head.correlation;
        float const added = token == 0 ? 1 : fresh;
        float const of_mean = token == 0 ? head.first_mean : 1;
        float const of_deviation = token == 0 ? head.first_deviation : 1;
        for (std::size_t c = 0; c < dim; ++c) {
            process[c] = kept * process[c] + added * noise[c];
            values[c] = of_mean * head.mean[c] + of_deviation * head.deviation[c] * process[c];
        }
        if (!frequencies.empty()) {
            rotation.apply(values);
            rotation.advance();
        }
        if (!wanted.empty() && token != *next) continue;  // written over by the next one
        if (!wanted.empty()) ++next;
        values += dim;
    }
}

Head plain_head(Words const& words, Stream noise, float correlation, float deviation, std::uint64_t dim) {
    return {words, noise, correlation, std::vector<float>(dim, 0.0F), std::vector<float>(dim, deviation), Law::normal};
}

/// Means and deviations of a head's channels: N(0, `of_means`^2), and log-normal around `around` (`of_deviations`).
void draw_channels(Head& head, Stream channels, float of_means, float around, float of_deviations) {
    auto const dim = head.mean.size();
    std::vector<float> draws;
    normals(head.words, channels, 0, dim, draws);
    for (std::size_t c = 0; c < dim; ++c) head.mean[c] = of_means * draws[c];
    normals(head.words, channels, 1, dim, draws);
    for (std::size_t c = 0; c < dim; ++c) head.deviation[c] = around * std::exp(of_deviations * draws[c]);
}

/// Channels of K with a large mean, and that mean.
std::vector<std::pair<std::size_t, float>> k_outliers_of(Words const& words, std::uint64_t dim) {
    // The slowest quarter of the pairs; each outlier takes another one (the words shuffle them), on either side of it.
    auto const half = std::max<std::uint64_t>(1, dim / 2);
    auto const slow = std::max<std::uint64_t>(1, half / 4);
    std::vector<std::uint64_t> pairs(slow);
    for (std::uint64_t i = 0; i < slow; ++i) pairs[i] = half - 1 - i;
    auto const outliers = std::min(slow, std::max<std::uint64_t>(1, dim / channels_per_k_outlier));
    std::vector<std::pair<std::size_t, float>> found;
    for (std::uint64_t i = 0; i < outliers; ++i) {
        auto const word = words.at(k_outliers, 0, static_cast<std::uint32_t>(i));
        std::swap(pairs[i], pairs[i + word[0] % (slow - i)]);
        auto const channel = std::min(dim - 1, pairs[i] + (word[1] & 1U) * half);
        float const size = outlier_mean_least + outlier_mean_range * static_cast<float>(word[2] >> 8) * 0x1p-24F;
        found.emplace_back(channel, (word[1] & 2U) != 0 ? -size : size);
    }
    return found;
}

/// Outliers are among the channels in front of the latent, if there is one.
Head llama_k_head(LlamaFormat const& format, Words const& words, std::uint64_t dim, std::uint64_t latent) {
    auto head = plain_head(words, k_noise, k_correlation, 1, dim);
    draw_channels(head, k_channels, k_mean_deviation, 1, format.k_log_deviation);
    for (auto const& [channel, mean] : k_outliers_of(words, dim - latent)) head.mean[channel] = mean;
    head.first_mean = format.k_first_mean;
    head.first_deviation = format.k_first_deviation;
    return head;
}

Head llama_v_head(LlamaFormat const& format, Words const& words, std::uint64_t dim) {
    auto head = plain_head(words, v_noise, v_correlation, v_deviation, dim);
    head.first_mean = head.first_deviation = format.v_first;
    if (format.channels_per_v_outlier == 0) return head;
    draw_channels(head, v_channels, format.v_mean_deviation * v_deviation, v_deviation, format.v_log_deviation);
    for (std::uint32_t i = 0; i < std::max<std::uint64_t>(1, dim / format.channels_per_v_outlier); ++i) {
        auto const word = words.at(v_outliers, 0, i);
        float const size = v_outlier_least + v_outlier_range * static_cast<float>(word[2] >> 8) * 0x1p-24F;
        head.mean[word[0] % dim] = v_deviation * ((word[1] & 2U) != 0 ? -size : size);
    }
    return head;
}

/// `kv_words`: those of the head's KV head, against whose outlier channels the queries point: the logits of all tokens but
/// the first are then about sink_logit lower than that one's.
Head llama_q_head(LlamaFormat const& format, Words const& words, Words const& kv_words, std::uint64_t dim,
                  std::uint64_t latent) {
    auto head = plain_head(words, q_noise, q_correlation, 1, dim);
    if (format.sink_logit == 0) return head;
    auto const outliers = k_outliers_of(kv_words, dim - latent);
    float sizes = 0;
    for (auto const& [channel, mean] : outliers) sizes += std::abs(mean);
    float const against = format.sink_logit * std::sqrt(static_cast<float>(dim)) / sizes;
    for (auto const& [channel, mean] : outliers) head.mean[channel] = mean > 0 ? -against : against;
    return head;
}

/// A distribution whose values are all independent.
struct Plain {
    char const* name;
    Law law;
    float mean;

    Head head(Words const& words, Stream noise, std::uint64_t dim) const {
        return {words, noise, 0, std::vector<float>(dim, mean), std::vector<float>(dim, 1.0F), law};
    }
};
constexpr std::array plain_distributions{Plain{"normal", Law::normal, 0}, Plain{"biased", Law::normal, biased_mean},
                                         Plain{"uniform", Law::uniform, 0}, Plain{"heavy", Law::heavy, 0}};

struct Shape {
    KvShape kv;
    std::uint64_t heads = 0;
    std::uint64_t latent = 0;
    PhiloxKey key;
    Plain const* plain = nullptr;         ///< null: llama
    LlamaFormat const* format = nullptr;  ///< of llama
    Rope rope;                            ///< dims 0: none
};

/// `wanted`: as fill() takes it.
template <class MakeHead>
HostTensor make_tensor(Shape const& source, std::uint64_t heads, bool rotated, MakeHead&& make_head,
                       std::vector<std::uint64_t> const& wanted = {}) {
    KvShape const shape{source.kv.layers, heads, wanted.empty() ? source.kv.tokens : wanted.size(), source.kv.dim};
    auto const bytes = allocate_bytes(shape.values() * sizeof(float));
    auto* const values = reinterpret_cast<float*>(bytes.get());
    auto const frequencies = rotated ? rope_frequencies(source.rope) : std::vector<double>{};
#pragma omp parallel for schedule(dynamic)
    for (std::uint64_t group = 0; group < shape.layers * heads; ++group) {
        Words const words{source.key, static_cast<std::uint32_t>(group / heads),
                          static_cast<std::uint32_t>(group % heads)};
        fill(make_head(words), frequencies, source.kv.tokens, wanted, values + group * shape.tokens * shape.dim);
    }
    return {ElementType::f32, shape, bytes};
}

std::uint64_t size_member(Json const& source, char const* name) {
    constexpr std::int64_t limit = 1 << 16;
    auto const found = source.find(name);
    if (found == source.end() || !found->is_number_integer() || *found < 1 || *found > limit) {
        throw ConfigError(fmt::format("synthetic source: {} is a whole number from 1 to {}", name, limit),
                          found != source.end() ? found->dump() : std::string());
    }
    return found->get<std::uint64_t>();
}

Shape read_shape(Json const& source, std::uint64_t context) {
    if (context == 0) throw ConfigError("a synthetic source has no length of its own: give it a context");
    if (context > std::numeric_limits<std::uint32_t>::max()) {
        throw ConfigError("synthetic source: at most 2^32 - 1 tokens", std::to_string(context));
    }
    Shape shape;
    shape.kv = {size_member(source, "layers"), size_member(source, "kv_heads"), context,
                size_member(source, "head_dim")};
    shape.heads = source.contains("heads") ? size_member(source, "heads") : shape.kv.heads;
    if (source.contains("latent")) shape.latent = size_member(source, "latent");
    if (shape.latent >= shape.kv.dim || (shape.latent > 0 && shape.kv.heads != 1))
        throw ConfigError("a latent has fewer channels than the one KV head that holds it",
                          std::to_string(shape.latent));
    auto const seed = source.value("seed", std::uint64_t{0});
    shape.key = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
    auto const& names = synthetic_distributions();
    auto const distribution = source.value("distribution", names.front());
    if (std::find(names.begin(), names.end(), distribution) == names.end()) {
        throw ConfigError("unknown distribution", distribution, names);
    }
    for (auto const& plain : plain_distributions)
        if (distribution == plain.name) shape.plain = &plain;
    auto const format = source.value("format", std::uint64_t{1});
    if (format < 1 || format > std::size(llama_formats))
        throw ConfigError("unknown format of the llama distribution", std::to_string(format), {"1", "2"});
    shape.format = &llama_formats[format - 1];
    shape.rope.base = source.value("rope_base", shape.rope.base);
    shape.rope.interleaved = false;
    if (shape.plain == nullptr && shape.rope.base > 0) {
        shape.rope.dims = shape.kv.dim - shape.latent;
        if (shape.rope.dims % 2 != 0)
            throw ConfigError("RoPE turns pairs of channels: head_dim, a latent left out, must be even",
                              std::to_string(shape.rope.dims));
    }
    return shape;
}

}  // namespace

std::vector<std::string> const& synthetic_distributions() {
    static std::vector<std::string> const names = [] {
        std::vector<std::string> all{"llama"};
        for (auto const& plain : plain_distributions) all.emplace_back(plain.name);
        return all;
    }();
    return names;
}

KvTensors make_synthetic(Json const& source, std::uint64_t context, Needs needs) {
    auto const shape = read_shape(source, context);
    auto const dim = shape.kv.dim;
    bool const rotated = shape.rope.dims != 0;
    auto const k_head = [&](Words const& words) {
        return shape.plain != nullptr ? shape.plain->head(words, k_noise, dim)
                                      : llama_k_head(*shape.format, words, dim, shape.latent);
    };
    auto const v_head = [&](Words const& words) {
        return shape.plain != nullptr ? shape.plain->head(words, v_noise, dim)
                                      : llama_v_head(*shape.format, words, dim);
    };
    auto const q_head = [&](Words const& words) {
        if (shape.plain != nullptr) return plain_head(words, q_noise, 0, 1, dim);
        auto kv_words = words;
        kv_words.head = static_cast<std::uint32_t>(words.head * shape.kv.heads / shape.heads);
        return llama_q_head(*shape.format, words, kv_words, dim, shape.latent);
    };
    KvTensors tensors;
    if (needs.k) tensors.k = make_tensor(shape, shape.kv.heads, rotated, k_head);
    if (needs.v && shape.latent == 0) tensors.v = make_tensor(shape, shape.kv.heads, false, v_head);
    if (needs.q && needs.q_sample.queries > 0) tensors.q_positions = needs.q_sample.positions(context);
    if (needs.q) tensors.q = make_tensor(shape, shape.heads, rotated, q_head, tensors.q_positions);
    if (needs.k_prerope && rotated) tensors.k_prerope = make_tensor(shape, shape.kv.heads, false, k_head);
    if (rotated) tensors.rope = shape.rope;
    tensors.latent = shape.latent;
    tensors.metadata = {{"source", source.dump()}};
    return tensors;
}

}  // namespace kvstone
