#include "codecs/pipeline/pipeline.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "backends/kernels/casts.hpp"
#include "backends/kernels/map_values.hpp"
#include "backends/kernels/nearest_element.hpp"
#include "backends/spaces.hpp"
#include "codecs/access.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

struct AsFloat {
    template <class T>
    KOKKOS_INLINE_FUNCTION float operator()(T value) const {
        return to_float(value);
    }
    template <class T>
    static void block(T const* values, float* floats, std::uint64_t count, bool streaming)
        requires(!std::is_same_v<T, float>)
    {
        cast_values(values, floats, count, {streaming, true});
    }
};

template <class T>
struct FromDecoded {
    KOKKOS_INLINE_FUNCTION T operator()(float value) const { return nearest_element<T>(value); }
    static void block(float const* floats, T* values, std::uint64_t count, bool streaming)
        requires(!std::is_same_v<T, float>)
    {
        cast_to_nearest(floats, values, count, {streaming, true});
    }
};

namespace {

/// The content of scratch memory without values before a decode that is judged.
constexpr std::byte meaningless{0xA5};
/// Of each buffer: compressors have workspaces of many megabytes.
constexpr std::size_t most_corrupted_bytes = std::size_t{1} << 20;

Options options_of(StageText const& text, StageInfo const& info) {
    return {info.name, info.options, {text.options.begin(), text.options.end()}};
}

KvView packed_floats(Buffer const& memory, KvShape const& shape) {
    return {memory.data(), ElementType::f32, shape, KvStrides::packed(shape)};
}

void widen(BackendKind kind, KvView const& from, float* to) {
    with_space(kind, [&](auto const& space) {
        with_elements(from, [&](auto span) { map_to_packed(space, read_only(span), to, AsFloat{}); });
    });
}

void narrow(BackendKind kind, float const* from, KvView const& to) {
    with_space(kind, [&](auto const& space) {
        with_elements(to, [&]<class T>(KvSpan<T> span) { map_from_packed(space, from, span, FromDecoded<T>{}); });
    });
}

}  // namespace

Pipeline::Pipeline(PipelineText const& text) {
    for (auto const& stage : text) {
        auto const& entry = stage_registry().at(stage.name);
        auto const options = options_of(stage, entry.info);
        switch (entry.kind) {
            case StageKind::selector:
                throw drops_tokens(stage);
            case StageKind::transform:
                transforms.push_back(entry.make_transform(options));
                break;
            case StageKind::quantiser:
                quantiser = entry.make_quantiser(options);
                plain = entry.info.plain;
                break;
            case StageKind::entropy:
                entropy.push_back(entry.make_entropy(options));
                break;
        }
    }
}

std::uint64_t Pipeline::page_tokens(Section const& section) const {
    if (!entropy.empty()) return 0;
    std::uint64_t tokens = 1;
    auto seen = section;
    for (auto const& transform : transforms) {
        auto const own = transform->page_tokens(seen);
        if (own == 0) return 0;
        tokens = std::lcm(tokens, own);
        seen.shape = transform->coded_shape(seen);
    }
    return std::lcm(tokens, quantiser->page_tokens(seen));
}

std::vector<Pipeline> pipelines_of(Codec const& codec) {
    if (codec.selection()) throw drops_tokens(*codec.selection());
    std::vector<Pipeline> pipelines;
    for (auto const& rule : codec.rules()) pipelines.emplace_back(rule.pipeline);
    return pipelines;
}

KvView SectionCodec::at(Place place, std::size_t stage, SectionPart const& part, KvView const& tensor,
                        Scratch const& scratch) const {
    return place == Place::tensor
               ? tensor
               : packed_floats(scratch.values[static_cast<std::size_t>(place)], seen_part(stage, part).shape);
}

bool SectionCodec::converts() const {
    return !pipeline_->quantiser->takes(section_.type) ||
           (!pipeline_->transforms.empty() && section_.type != ElementType::f32);
}

void SectionCodec::reserve_scratch(Scratch& scratch) const {
    for (std::size_t turn = 0; turn < 2; ++turn) {
        scratch.planes[turn].reserve_discard(turn_bytes_[turn]);
        scratch.values[turn].reserve_discard(values_bytes_[turn]);
    }
    scratch.workspace.reserve_discard(workspace_bytes_);
}

std::byte* SectionCodec::memory(Slot const& slot, Scratch& scratch) const {
    if (slot.placed != nullptr) return slot.placed;
    return slot.stored ? slot.buffer.data() : scratch.planes[slot.turn].data() + slot.offset;
}

Planes SectionCodec::writable(std::size_t first, std::size_t last, Scratch& scratch) {
    planes_.clear();
    for (auto i = first; i < last; ++i) {
        auto& slot = slots_[i];
        if (slot.stored && slot.placed == nullptr) slot.buffer.reserve_discard(slot.spec.bytes);
        planes_.push_back({memory(slot, scratch), slot.spec.bytes});
    }
    return planes_;
}

ConstPlanes SectionCodec::readable(std::size_t first, std::size_t last, Scratch& scratch) {
    const_planes_.clear();
    for (auto i = first; i < last; ++i) const_planes_.push_back({memory(slots_[i], scratch), slots_[i].bytes});
    return const_planes_;
}

SectionParts::Range SectionCodec::range(std::size_t slot, SectionPart const& part) const {
    auto const& spec = slots_[slot].spec;
    if (parts_.whole() || spec.once) return {0, spec.bytes};
    return parts_.range(part, spec.bytes, slots_[slot].page_bytes);
}

Planes SectionCodec::writable(std::size_t stage, SectionPart const& part, Scratch& scratch) {
    auto const first = stage_first_[stage];
    auto const planes = writable(first, stage_first_[stage + 1], scratch);
    for (std::size_t i = 0; i < planes.size(); ++i) {
        auto const of_part = range(first + i, part);
        planes[i] = {planes[i].data + of_part.offset, of_part.bytes};
    }
    return planes;
}

ConstPlanes SectionCodec::readable(std::size_t stage, SectionPart const& part, Scratch& scratch) {
    auto const first = stage_first_[stage];
    readable(first, stage_first_[stage + 1], scratch);
    if (parts_.whole()) return const_planes_;
    for (std::size_t i = 0; i < const_planes_.size(); ++i) {
        auto const of_part = range(first + i, part);
        const_planes_[i] = {const_planes_[i].data + of_part.offset, of_part.bytes};
    }
    return const_planes_;
}

void SectionCodec::written(std::size_t first, Planes planes) {
    for (std::size_t i = 0; i < planes.size(); ++i) slots_[first + i].bytes = planes[i].bytes;
}

void SectionCodec::encode(KvView const& view, Scratch& scratch) {
    reserve_scratch(scratch);
    parts_.each([&](SectionPart const& part) { encode_part(part, view, scratch); });
    for (std::size_t slot = 0; slot < stage_first_.back() && !parts_.whole(); ++slot)
        slots_[slot].bytes = slots_[slot].spec.bytes;
    auto* const workspace = scratch.workspace.data();
    for (auto const& step : steps_) {
        auto const& input = slots_[step.input];
        auto const outputs = writable(step.first_output, step.first_output + step.outputs, scratch);
        pipeline_->entropy[step.stage]->encode(kind_, input.spec, {memory(input, scratch), input.bytes}, outputs,
                                               workspace);
        written(step.first_output, outputs);
    }
}

void SectionCodec::encode_part(SectionPart const& part, KvView const& view, Scratch& scratch) {
    auto* const workspace = scratch.workspace.data();
    auto const& transforms = pipeline_->transforms;
    auto const tensor = view.box(part.layer, part.head, part.token, part.shape);
    auto values = at(encode_from_[0], 0, part, tensor, scratch);
    if (converts()) widen(kind_, tensor, static_cast<float*>(values.data));
    for (std::size_t i = 0; i < transforms.size(); ++i) {
        auto const planes = writable(i, part, scratch);
        auto const coded = at(encode_from_[i + 1], i + 1, part, tensor, scratch);
        transforms[i]->encode(kind_, seen_part(i, part), values.as<float const>(), coded.as<float>(), planes,
                              workspace);
        written(stage_first_[i], planes);
        values = coded;
    }
    auto const planes = writable(transforms.size(), part, scratch);
    pipeline_->quantiser->encode(kind_, seen_part(transforms.size(), part), values, planes, workspace);
    written(stage_first_[transforms.size()], planes);
}

void Scratch::corrupt() const {
    for (auto const* buffer : {&planes[0], &planes[1], &workspace})
        fill_bytes(buffer->kind(), buffer->data(), std::min(buffer->size(), most_corrupted_bytes), meaningless);
}

void SectionCodec::decode(KvView const& view, Scratch& scratch) {
    if (scratch.purpose == DecodeFor::timing) {
        decode_stages(view, scratch);
    } else {
        decode_onto_poison(view, kind_, section_.component, [&] { decode_stages(view, scratch); });
    }
}

void SectionCodec::decode_stages(KvView const& view, Scratch& scratch) {
    reserve_scratch(scratch);
    if (scratch.purpose == DecodeFor::checking) {
        CheckingTime const time;
        scratch.corrupt();
    }
    decode_entropy(scratch);
    // A stage that decodes into the tensor itself writes past the cache, and the next one reads ahead of time: on the whole
    // section both go at the memory's speed, which parts do not gain on.
    if (!converts()) return decode_part({0, 0, 0, section_.shape}, view, scratch);
    parts_.each([&](SectionPart const& part) { decode_part(part, view, scratch); });
}

void SectionCodec::decode_entropy(Scratch& scratch) {
    auto* const workspace = scratch.workspace.data();
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
        auto& input = slots_[step->input];
        Plane plane{memory(input, scratch), input.spec.bytes};
        auto const outputs = readable(step->first_output, step->first_output + step->outputs, scratch);
        pipeline_->entropy[step->stage]->decode(kind_, input.spec, outputs, plane, workspace);
        if (plane.bytes > input.spec.bytes || (!input.spec.variable && plane.bytes != input.spec.bytes)) {
            throw CorruptData("a coded plane does not have the size that its stage promises");
        }
        input.bytes = plane.bytes;
    }
}

void SectionCodec::decode_part(SectionPart const& part, KvView const& view, Scratch& scratch) {
    bool const judged = scratch.purpose == DecodeFor::checking;
    auto* const workspace = scratch.workspace.data();
    auto const& transforms = pipeline_->transforms;
    auto const tensor = view.box(part.layer, part.head, part.token, part.shape);
    // Later stages compute with a stage's values: after them, the bits would no longer show the unwritten ones.
    auto const poisoned = [&](std::size_t stage) {
        auto const values = at(decode_to_[stage], stage, part, tensor, scratch);
        if (judged && decode_to_[stage] != Place::tensor) {
            CheckingTime const time;
            poison(values, kind_);
        }
        return values;
    };
    auto const check_written = [&](KvView const& values) {
        if (!judged) return;
        CheckingTime const time;
        if (auto const unwritten = poisoned_values(values, kind_); unwritten > 0)
            throw UnwrittenValues(section_.component, unwritten, values.shape.values());
    };
    auto values = poisoned(transforms.size());
    pipeline_->quantiser->decode(kind_, seen_part(transforms.size(), part), readable(transforms.size(), part, scratch),
                                 values, workspace);
    if (converts() || !transforms.empty()) check_written(values);
    for (auto i = transforms.size(); i-- > 0;) {
        auto const side = readable(i, part, scratch);
        bool const apart = !transforms[i]->keeps_shape();
        auto const target = apart ? poisoned(i) : values;
        transforms[i]->decode(kind_, seen_part(i, part), side, values.as<float const>(), target.as<float>(), workspace);
        if (apart && decode_to_[i] != Place::tensor) check_written(target);
        values = target;
    }
    if (converts()) narrow(kind_, values.as<float const>().data, tensor);
}

ConstPlane SectionCodec::plane(std::size_t index) const {
    auto const& slot = slots_[stored_[index]];
    return {slot.placed != nullptr ? slot.placed : slot.buffer.data(), slot.bytes};
}

void SectionCodec::place_plane(std::size_t index, std::byte* memory) {
    auto& slot = slots_[stored_[index]];
    slot.placed = memory;
    slot.bytes = slot.spec.bytes;
}

Plane SectionCodec::open_plane(std::size_t index) {
    auto& slot = slots_[stored_[index]];
    slot.buffer.reserve_discard(slot.spec.bytes);
    slot.bytes = slot.spec.bytes;
    return {slot.buffer.data(), slot.bytes};
}

void SectionCodec::load_plane(std::size_t index, std::byte const* host_bytes, std::uint64_t bytes) {
    auto& slot = slots_[stored_[index]];
    if (slot.spec.variable ? bytes > slot.spec.bytes : bytes != slot.spec.bytes) {
        throw CorruptData(fmt::format("a {} plane has {} bytes where its stage writes {}{}", name_of(slot.spec.line),
                                      bytes, slot.spec.variable ? "at most " : "", slot.spec.bytes));
    }
    slot.buffer.reserve_discard(bytes);
    copy_to_backend(kind_, slot.buffer.data(), host_bytes, bytes);
    slot.bytes = bytes;
}

}  // namespace kvstone
