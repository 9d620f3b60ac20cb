#include "harness/workloads/model/piece_coder.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "codecs/access.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "codecs/external/external_failure.hpp"
#include "codecs/from_outside.hpp"
#include "harness/workloads/model/staged_tensor.hpp"
#include "scenarios/external_definition.hpp"

namespace kvstone {
namespace {

bool is_of(Rule const& rule, Component component) {
    return !rule.selector.component || *rule.selector.component == component;
}

void require_single_tokens(Codec const& codec) {
    for (auto const& rule : codec.rules()) {
        if (rule.selector.window_tokens) continue;
        for (auto const& stage : rule.pipeline)
            if (!codes_by_token(stage))
                throw NotApplicable(
                    fmt::format(
                        "stage {} codes several tokens together, beside a codec from outside, which codes pieces "
                        "as they come",
                        stage.name),
                    with_plain_names(codec.text()), {"protocol context", "stages of access token"});
    }
}

std::uint64_t window_of(Codec const& codec, Component component) {
    std::uint64_t window = 0;
    for (auto const& rule : codec.rules()) {
        auto const& where = rule.selector;
        if (!where.window_tokens || !is_of(rule, component)) continue;
        if (window != 0 || where.layers || where.last_layers || where.heads)
            throw NotApplicable(
                fmt::format("{} has several windows, or one of some layers or heads, beside a codec from "
                            "outside",
                            name_of(component)),
                with_plain_names(codec.text()), {"one window(n) for all layers and heads"});
        window = *where.window_tokens;
    }
    return window;
}

/// Tokens [first, first + count) of a packed or strided tensor.
KvView tokens_of(KvView const& values, std::uint64_t first, std::uint64_t count) {
    auto shape = values.shape;
    shape.tokens = count;
    return values.box(0, 0, first, shape);
}

}  // namespace

bool has_stage_from_outside(Codec const& codec) {
    return std::ranges::any_of(codec.rules(), [](Rule const& rule) {
        return std::ranges::any_of(rule.pipeline, [](StageText const& stage) { return is_from_outside(stage.name); });
    });
}

PieceCoder::PieceCoder(Codec const& codec, EngineSequence const& sequence, PathSettings const& settings)
    : codec_(codec), settings_(settings), pipelines_(pipelines_of(codec)), scratch_(settings.backend) {
    require_single_tokens(codec);
    for (auto const component : {Component::k, Component::v}) {
        windows_[index(component)] = window_of(codec, component);
        auto const shape = sequence.shape(component, sequence.capacity() + windows_[index(component)]);
        auto& sections = sections_[index(component)];
        sections = cut_sections(codec_, pipelines_, component, shape, ElementType::f32);
        for (auto& cut : sections) cut.section.rope = settings_.rope ? &*settings_.rope : nullptr;
    }
}

void PieceCoder::pass(Component component, std::uint64_t layer, std::uint64_t token, KvView const& values) {
    auto const& shape = values.shape;
    bool const check = shape.tokens > 1 && !checked_[index(component)];
    auto const chosen = shape.tokens / 2;
    auto one_shape = shape;
    one_shape.tokens = 1;
    std::vector<float> alone(check ? one_shape.values() : 0);
    KvView const one{alone.data(), ElementType::f32, one_shape, KvStrides::packed(one_shape)};
    auto const copy = [&](auto const& to_place) {
        auto const from = tokens_of(values, chosen, 1).as<float>();
        auto const to = one.as<float>();
        for (std::uint64_t l = 0; l < shape.layers; ++l)
            for (std::uint64_t h = 0; h < shape.heads; ++h)
                for (std::uint64_t c = 0; c < shape.dim; ++c) to_place(from(l, h, 0, c), to(l, h, 0, c));
    };
    if (check) {
        copy([](float from, float& to) { to = from; });
        code(component, layer, token + chosen, one);
    }
    code(component, layer, token, values);
    if (!check) return;
    bool same = true;
    copy([&](float together, float& by_itself) {
        same = same && std::memcmp(&together, &by_itself, sizeof(float)) == 0;
    });
    if (!same)
        throw ExternalFailure(
            ExternalFailure::How::wrong,
            fmt::format("{}: token {} is decoded to other values when it is coded alone than among {} others, and its "
                        "definition says `by_token: true`",
                        name_of(component), token + chosen, shape.tokens - 1));
    checked_[index(component)] = true;
}

void PieceCoder::code(Component component, std::uint64_t layer, std::uint64_t token, KvView const& values) {
    for (auto const& cut : sections_[index(component)]) {
        auto section = cut.section;
        section.layer = std::max(section.layer, layer);
        section.token = std::max(section.token, token);
        auto const layers = std::min(cut.section.layer + cut.section.shape.layers, layer + values.shape.layers);
        auto const tokens = std::min(cut.section.token + cut.section.shape.tokens, token + values.shape.tokens);
        if (section.layer >= layers || section.token >= tokens) continue;
        section.shape.layers = layers - section.layer;
        section.shape.tokens = tokens - section.token;
        auto const box = values.box(section.layer - layer, section.head, section.token - token, section.shape);
        SectionCodec coded(pipelines_[cut.rule], section, settings_.backend);
        coded.encode(box, scratch_);
        coded.decode(box, scratch_);
    }
    fence(settings_.backend);
}

CacheBytes bytes_of_whole(EngineSequence& sequence, Codec const& codec, Component component,
                          PathSettings const& settings) {
    auto const shape = sequence.shape(component, sequence.tokens());
    StagedTensor values(settings.backend);
    values.resize(shape);
    sequence.read(component, 0, 0, values.host());
    values.to_backend();
    TensorCodec coded(codec, component, shape, ElementType::f32, settings.backend,
                      settings.rope ? &*settings.rope : nullptr);
    coded.encode(values.backend());
    return {shape, coded.ledger(), coded.nominal_bits_per_value(), {}};
}

}  // namespace kvstone
