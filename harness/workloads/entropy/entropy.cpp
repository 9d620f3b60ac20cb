#include "harness/workloads/entropy/entropy.hpp"

#include <algorithm>

#include "codecs/pipeline/pipeline.hpp"
#include "codecs/pipeline/sections.hpp"
#include "harness/inspection/head_sums.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/entropy/plane_entropy.hpp"
#include "harness/workloads/figure_writer.hpp"

namespace kvstone {
namespace {

/// In the order of EntropyOf.
constexpr std::array<char const*, entropy_kinds> metric_names{"entropy_word_bits",
                                                              "entropy_high_byte_bits",
                                                              "entropy_low_byte_bits",
                                                              "entropy_high6_bits",
                                                              "entropy_exponent_bits",
                                                              "entropy_per_channel_bits",
                                                              "entropy_given_previous_token_bits",
                                                              "huffman_best_high_byte_bits"};

/// Bits of parts of a tensor, added up.
struct BitSums {
    std::uint64_t values = 0;
    std::array<double, entropy_kinds> bits{};
    std::array<std::uint64_t, entropy_kinds> covered{};  ///< values of the parts that have such bits
    std::uint64_t vectors = 0;
    std::uint64_t duplicates = 0;
    double bound_bits = 0;
    std::uint64_t tokens = 0;  ///< the fewest behind a table of a channel

    void add(EntropyBits const& part, std::uint64_t part_values) {
        for (std::size_t kind = 0; kind < entropy_kinds; ++kind) {
            if (!part[kind]) continue;
            bits[kind] += *part[kind];
            covered[kind] += part_values;
        }
    }
    BitSums& operator+=(BitSums const& other) {
        tokens = values == 0 ? other.tokens : std::min(tokens, other.tokens);
        values += other.values;
        for (std::size_t kind = 0; kind < entropy_kinds; ++kind) {
            bits[kind] += other.bits[kind];
            covered[kind] += other.covered[kind];
        }
        vectors += other.vectors;
        duplicates += other.duplicates;
        bound_bits += other.bound_bits;
        return *this;
    }
    std::optional<double> bits_per_value(std::size_t kind) const {
        if (values == 0 || covered[kind] != values) return std::nullopt;
        return bits[kind] / static_cast<double>(values);
    }
    double duplicate_rows() const { return static_cast<double>(duplicates) / static_cast<double>(vectors); }
};

struct TensorEntropy {
    BitSums all;
    std::vector<BitSums> layers;
};

/// Adds the bits of a section's planes; a kind that one of them lacks is left out.
void add_together(EntropyBits& sum, EntropyBits const& plane, bool first) {
    for (std::size_t kind = 0; kind < entropy_kinds; ++kind) {
        if (first)
            sum[kind] = plane[kind];
        else if (sum[kind] && plane[kind])
            *sum[kind] += *plane[kind];
        else
            sum[kind].reset();
    }
}

void add_section(SectionCodec const& section, bool coded, TensorEntropy& sums) {
    auto const& box = section.section();
    EntropyBits bits{};
    std::vector<EntropyBits> layers(box.shape.layers);
    bool first = true;
    for (std::size_t i = 0; i < section.plane_count(); ++i) {
        auto const& spec = section.plane_spec(i);
        auto const plane = section.plane(i);
        if (spec.line != LedgerLine::payload) {
            sums.all.bound_bits += 8 * static_cast<double>(plane.bytes);
            continue;
        }
        auto measured = measure_plane(spec, plane);
        sums.all.bound_bits += coded ? measured.bound_bits : 8 * static_cast<double>(plane.bytes);
        measured.layers.resize(layers.size());
        add_together(bits, measured.bits, first);
        for (std::size_t layer = 0; layer < layers.size(); ++layer)
            add_together(layers[layer], measured.layers[layer], first);
        first = false;
    }
    sums.all.add(bits, box.shape.values());
    sums.all.tokens = std::min(sums.all.tokens, box.shape.tokens);
    for (std::size_t layer = 0; layer < layers.size(); ++layer)
        sums.layers[box.layer + layer].add(layers[layer], box.shape.values() / box.shape.layers);
}

TensorEntropy measure_tensor(Codec const& codec, Component component, HostTensor const& tensor, Rope const* rope) {
    auto const& shape = tensor.shape;
    if (shape.values() == 0) throw CorruptData("entropy of a tensor without values");
    TensorEntropy sums;
    sums.layers.resize(shape.layers);
    sums.all.values = shape.values();
    sums.all.tokens = shape.tokens;
    std::vector<std::uint64_t> duplicates(shape.layers * shape.heads);
#pragma omp parallel for schedule(dynamic)
    for (std::uint64_t group = 0; group < duplicates.size(); ++group) duplicates[group] = duplicate_rows(tensor, group);
    for (std::uint64_t group = 0; group < duplicates.size(); ++group) {
        auto& layer = sums.layers[group / shape.heads];
        layer.values = shape.values() / shape.layers;
        layer.vectors = shape.heads * shape.tokens;
        layer.duplicates += duplicates[group];
        sums.all.duplicates += duplicates[group];
    }
    sums.all.vectors = shape.vectors();

    // Entropy stages decide how tokens are cut, so they go afterwards.
    auto pipelines = pipelines_of(codec);
    auto const sections = cut_sections(codec, pipelines, component, shape, tensor.type);
    std::vector<bool> coded;
    for (auto& pipeline : pipelines) {
        coded.push_back(!pipeline.entropy.empty());
        pipeline.entropy.clear();
    }
    bool const none_coded = std::ranges::none_of(sections, [&](RuledSection const& one) { return coded[one.rule]; });
    KvView const view{const_cast<std::byte*>(tensor.bytes.get()), tensor.type, shape, KvStrides::packed(shape)};
    Scratch scratch(BackendKind::openmp);
    for (auto [section, rule, kept_plain] : sections) {
        section.rope = rope;
        SectionCodec stored(pipelines[rule], section, BackendKind::openmp);
        stored.encode(view.box(section.layer, section.head, section.token, section.shape), scratch);
        add_section(stored, coded[rule] || none_coded, sums);
    }
    return sums;
}

void add_figures(std::string const& component, BitSums const& sums, Measurement& measurement) {
    FigureWriter figures(measurement, component);
    for (std::size_t kind = 0; kind < entropy_kinds; ++kind) {
        auto const bits = sums.bits_per_value(kind);
        bool const of_channels = kind == static_cast<std::size_t>(EntropyOf::high_byte_by_channel);
        if (bits) figures.add(metric_names[kind], *bits, of_channels ? sums.tokens : sums.values, {});
    }
    figures.add("duplicate_rows", sums.duplicate_rows(), sums.vectors, {});
    if (sums.bound_bits > 0)
        figures.add("entropy_ratio_bound_vs_fp16", 16 * static_cast<double>(sums.values) / sums.bound_bits);
}

void add_profiles(std::string const& component, std::vector<BitSums> const& layers, Measurement& measurement) {
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
        auto const add = [&](char const* metric, double value) {
            measurement.profiles.push_back({component, metric, static_cast<int>(layer), -1, -1, value});
        };
        for (std::size_t kind = 0; kind < entropy_kinds; ++kind)
            if (auto const bits = layers[layer].bits_per_value(kind)) add(metric_names[kind], *bits);
        add("duplicate_rows", layers[layer].duplicate_rows());
    }
}

}  // namespace

std::string coded_values(std::string const& text) try {
    auto const codec = Codec::parse(text);
    auto const bare = codec.without_entropy_stages();
    std::string coded;
    std::size_t count = 0;
    bool windows = false;
    for (std::size_t rule = 0; rule < codec.rules().size(); ++rule) {
        windows = windows || codec.rules()[rule].selector.window_tokens.has_value();
        if (codec.rules()[rule].pipeline.size() == bare.rules()[rule].pipeline.size()) continue;
        coded += ' ' + std::to_string(rule);
        ++count;
    }
    // Where a window begins depends on whether the pipeline of older tokens has pages, which entropy stages do not
    // have.
    bool const same_for_all = (count == 0 || count == codec.rules().size()) && !windows;
    return bare.text() + (same_for_all ? "" : " coded:" + coded);
} catch (ConfigError const&) {
    return text;
}

void run_entropy(AttemptRequest const& request, Measurement& measurement) {
    auto const codec = Codec::parse(request.cell.codec);
    auto tensors = load_cell_tensors(request, {}, measurement);
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    std::vector<BitSums> all;
    take_k_and_v(tensors, [&](Component component, HostTensor const& tensor) {
        auto const sums = measure_tensor(codec, component, tensor, rope);
        auto const name = std::string(name_of(component));
        add_figures(name, sums.all, measurement);
        add_profiles(name, sums.layers, measurement);
        all.push_back(sums.all);
    });
    if (all.size() == 2) add_figures("kv", BitSums(all[0]) += all[1], measurement);
    add_memory_peaks(measurement);
}

}  // namespace kvstone
