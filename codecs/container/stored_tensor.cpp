#include "codecs/container/stored_tensor.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "codecs/container/container.hpp"
#include "codecs/kernels/attention_lanes.hpp"
#include "codecs/kernels/ggml_blocks.hpp"
#include "codecs/kernels/nf4_kernels.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/not_applicable.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t plane_alignment = 256;

/// The pipeline of a component whose tokens all have the same one; null where they have not.
PipelineText const* only_pipeline(Codec const& codec, Component component) {
    for (auto const& rule : codec.rules()) {
        auto const& of = rule.selector;
        if (of.component && *of.component != component) continue;
        if (of.layers || of.last_layers || of.heads || of.sink_tokens || of.window_tokens) return nullptr;
        return &rule.pipeline;
    }
    return nullptr;
}

std::uint64_t number_of(StageText const& stage, std::string const& option) {
    auto const& text = stage.options.at(option);
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

/// int and int8: codes of 4 or 8 bits.
StoredRows integers(StageText const& stage) {
    bool const whole = stage.name == "int8";
    auto const bits = whole ? 8 : number_of(stage, "bits");
    bool const symmetric = stage.options.at("scheme") == "symmetric";
    auto const axis = whole ? "tensor" : stage.options.at("axis");
    StoredRows rows;
    if (bits == 8) {
        rows.format = symmetric ? RowFormat::signed_bytes : RowFormat::bytes;
    } else {
        rows.format = symmetric ? RowFormat::signed_nibbles : RowFormat::nibbles;
    }
    rows.scale = axis == "token" ? RowScale::token : axis == "channel" ? RowScale::page : RowScale::head;
    rows.scale_format = whole ? ScaleFormat::fp32 : scale_format_named(stage.options.at("scale"));
    rows.group = whole ? 0 : number_of(stage, "group");
    rows.per_layer = axis == "layer" ? 1 : 0;
    rows.per_head = axis == "head" ? 1 : 0;
    return rows;
}

StoredRows fp8(StageText const& stage) {
    StoredRows rows;
    rows.format = stage.options.at("format") == "e4m3" ? RowFormat::e4m3 : RowFormat::e5m2;
    auto const& scale = stage.options.at("scale");
    if (scale == "none") return rows;
    rows.scale = RowScale::head;
    rows.scale_format = ScaleFormat::fp32;
    rows.per_head = scale == "head" ? 1 : 0;
    return rows;
}

StoredRows nf4(StageText const& stage) {
    StoredRows rows;
    rows.format = RowFormat::nf4;
    rows.scale = RowScale::token;
    rows.group = number_of(stage, "block");
    auto const& scale = stage.options.at("scale");
    rows.scale_format = scale == "double" ? ScaleFormat::log8 : scale_format_named(scale);  // a byte each
    return rows;
}

/// Format and scales of a stage's planes; why there is no kernel is left in `lacks`.
StoredRows format_of(StageText const& stage, std::string& lacks) {
    StoredRows rows;
    if (stage.name == "fp16") return rows;
    if (stage.name == "bf16") {
        rows.format = RowFormat::bf16;
    } else if (stage.name == "q8_0") {
        rows.format = RowFormat::q8_0;
    } else if (stage.name == "q4_0") {
        rows.format = RowFormat::q4_0;
    } else if (stage.name == "fp8") {
        return fp8(stage);
    } else if (stage.name == "nf4") {
        return nf4(stage);
    } else if (stage.name == "int8") {
        return integers(stage);
    } else if (stage.name == "int") {
        auto const& bits = stage.options.at("bits");
        if (bits == "4" || bits == "8") return integers(stage);
        lacks = fmt::format("no kernel attends to codes of {} bits; accepted: bits=4, bits=8", bits);
    } else if (stage.name == "external") {
        lacks = fmt::format(
            "attention_decode times kernels that read stored bytes where they lie, and there is none for {}, a codec "
            "from "
            "outside; accepted: workload attention for its error, roundtrip for its times",
            stage.options.at("name"));
    } else {
        lacks = fmt::format(
            "no kernel of attention reads the bytes of stage {}; accepted: fp16, bf16, fp8, q8_0, q4_0, nf4, int8, "
            "int:bits=4, int:bits=8",
            stage.name);
    }
    return rows;
}

std::uint64_t row_bytes(StoredRows const& rows) {
    auto const dim = rows.shape.dim;
    switch (rows.format) {
        case RowFormat::fp16:
        case RowFormat::bf16:
            return 2 * dim;
        case RowFormat::q8_0:
            return GgmlBlocks<8, false>::of_vector(dim) * GgmlBlocks<8, false>::bytes;
        case RowFormat::q4_0:
            return GgmlBlocks<4, false>::of_vector(dim) * GgmlBlocks<4, false>::bytes;
        case RowFormat::signed_nibbles:
        case RowFormat::nibbles:
        case RowFormat::nf4:
            return packed_bytes(dim, 4);
        default:
            return dim;
    }
}

/// Fills in the members that follow from the shape.
void fit_shape(StoredRows& rows, KvShape const& shape) {
    rows.shape = shape;
    rows.row_bytes = row_bytes(rows);
    if (rows.group == 0) rows.group = rows.scale == RowScale::page ? shape.tokens : shape.dim;
    // A head's scales follow those of the heads of the layers before it.
    if (rows.scale == RowScale::head && rows.per_head != 0) rows.per_layer = shape.heads;
}

}  // namespace

std::string attention_kernel_lacks(Codec const& codec, Component component) {
    auto const* const pipeline = only_pipeline(codec, component);
    if (pipeline == nullptr)
        return fmt::format(
            "attention kernels read one format from the first token to the last: '{}' has other rules for some layers, "
            "heads or tokens of {}",
            codec.text(), name_of(component));
    if (pipeline->size() != 1)
        return fmt::format("attention kernels read the bytes of a single quantiser: '{}' has {} stages for {}",
                           codec.text(), pipeline->size(), name_of(component));
    std::string lacks;
    format_of(pipeline->front(), lacks);
    return lacks;
}

StoredTensor::StoredTensor(Codec const& codec, Component component, KvView const& values, BackendKind kind)
    : planes_(kind) {
    if (auto const lacks = attention_kernel_lacks(codec, component); !lacks.empty()) throw NotApplicable(lacks);
    TensorCodec encoder(codec, component, values.shape, ElementType::f32, kind);
    encoder.encode(values);
    container_ = encoder.seal();
    container_bytes_ = container_.size();
    auto const planes = read_container(container_).planes;

    std::uint64_t bytes = 0;
    std::vector<std::uint64_t> places;
    for (auto const& plane : planes) {
        places.push_back(bytes);
        plane_bytes_ += plane.bytes;
        bytes += (plane.bytes + attention_slack_bytes + plane_alignment - 1) / plane_alignment * plane_alignment;
    }
    planes_.reserve_discard(bytes);
    for (std::size_t i = 0; i < planes.size(); ++i)
        copy_to_backend(kind, planes_.data() + places[i], planes[i].data, planes[i].bytes);

    std::string lacks;
    auto const& stage = only_pipeline(codec, component)->front();
    rows_ = format_of(stage, lacks);
    fit_shape(rows_, values.shape);
    auto const at = [&](std::size_t plane) -> std::byte const* { return planes_.data() + places[plane]; };
    rows_.payload = at(0);
    if (planes.size() > 1) rows_.scales = at(1);
    if (planes.size() < 3) return;
    if (rows_.format == RowFormat::nf4) {
        Superblocks const superblocks(values.shape, rows_.group);
        rows_.superblock_steps = reinterpret_cast<float const*>(at(2));
        rows_.superblock_tokens = superblocks.tokens;
        rows_.superblocks_of_page = superblocks.of_page;
    } else {
        rows_.zeros = at(2);
    }
}

}  // namespace kvstone
