#include "codecs/pipeline/pipeline.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "backends/kernels/map_values.hpp"
#include "backends/kernels/nearest_element.hpp"
#include "backends/spaces.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

struct AsFloat {
    template <class T>
    KOKKOS_INLINE_FUNCTION float operator()(T value) const {
        return to_float(value);
    }
};

template <class T>
struct FromDecoded {
    KOKKOS_INLINE_FUNCTION T operator()(float value) const { return nearest_element<T>(value); }
};

namespace {

constexpr std::size_t slot_alignment = 256;
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
    std::vector<Pipeline> pipelines;
    for (auto const& rule : codec.rules()) pipelines.emplace_back(rule.pipeline);
    return pipelines;
}

SectionCodec::SectionCodec(Pipeline const& pipeline, Section const& section, BackendKind kind)
    : pipeline_(&pipeline), section_(section), kind_(kind) {
    auto seen = section;
    if (converts()) seen.type = ElementType::f32;
    for (auto const& transform : pipeline.transforms) {
        seen_.push_back(seen);
        stage_first_.push_back(slots_.size());
        add_slots(transform->planes(seen));
        workspace_bytes_ = std::max(workspace_bytes_, transform->workspace_bytes(seen));
        seen.shape = transform->coded_shape(seen);
    }
    seen_.push_back(seen);
    stage_first_.push_back(slots_.size());
    auto specs = pipeline.quantiser->planes(seen);
    for (auto& spec : specs) {
        if (spec.row_elements == 0) continue;
        spec.head_rows = seen.shape.tokens;
        spec.layer_heads = seen.shape.heads;
    }
    add_slots(specs);
    stage_first_.push_back(slots_.size());
    workspace_bytes_ = std::max(workspace_bytes_, pipeline.quantiser->workspace_bytes(seen));
    plan_places();
    plan_entropy();
    planes_.reserve(slots_.size());
    const_planes_.reserve(slots_.size());
}

void SectionCodec::add_slots(std::vector<PlaneSpec> const& specs) {
    for (auto const& spec : specs) slots_.push_back({spec, 0, Buffer(kind_), true, 0, 0, nullptr});
}

void SectionCodec::plan_entropy() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) stored_.push_back(slot);
    for (std::size_t stage = 0; stage < pipeline_->entropy.size(); ++stage) {
        std::vector<std::size_t> next;
        std::size_t offset = 0;
        for (auto const input : stored_) {
            auto const spec = slots_[input].spec;
            if (spec.line != LedgerLine::payload) {
                next.push_back(input);
                continue;
            }
            auto const& coder = *pipeline_->entropy[stage];
            auto const first = slots_.size();
            add_slots(coder.planes(spec));
            for (auto output = first; output < slots_.size(); ++output) next.push_back(output);
            steps_.push_back({stage, input, first, slots_.size() - first});
            workspace_bytes_ = std::max(workspace_bytes_, coder.workspace_bytes(spec));
            slots_[input].stored = false;
            slots_[input].turn = stage % 2;
            slots_[input].offset = offset;
            offset += (spec.bytes + slot_alignment - 1) / slot_alignment * slot_alignment;
        }
        turn_bytes_[stage % 2] = std::max(turn_bytes_[stage % 2], offset);
        stored_ = std::move(next);
    }
}

void SectionCodec::plan_places() {
    auto encodes = converts() ? Place::first : Place::tensor;
    auto decodes = encodes;
    auto const other = [](Place place) { return place == Place::first ? Place::second : Place::first; };
    for (std::size_t i = 0; i < seen_.size(); ++i) {
        encode_from_.push_back(encodes);
        decode_to_.push_back(decodes);
        for (auto const place : {encodes, decodes}) {
            if (place == Place::tensor) continue;
            auto& bytes = values_bytes_[static_cast<std::size_t>(place)];
            bytes = std::max<std::size_t>(bytes, seen_[i].shape.values() * sizeof(float));
        }
        if (i == pipeline_->transforms.size()) break;
        bool const keeps = pipeline_->transforms[i]->keeps_shape();
        // Encoding never writes to the tensor; decoding may work in it.
        if (!keeps || encodes == Place::tensor) encodes = other(encodes);
        if (!keeps) decodes = other(decodes);
    }
}

KvView SectionCodec::at(Place place, std::size_t stage, KvView const& tensor, Scratch const& scratch) const {
    return place == Place::tensor ? tensor
                                  : packed_floats(scratch.values[static_cast<std::size_t>(place)], seen_[stage].shape);
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

void SectionCodec::written(std::size_t first, Planes planes) {
    for (std::size_t i = 0; i < planes.size(); ++i) slots_[first + i].bytes = planes[i].bytes;
}

void SectionCodec::encode(KvView const& view, Scratch& scratch) {
    reserve_scratch(scratch);
    auto* const workspace = scratch.workspace.data();
    auto const& transforms = pipeline_->transforms;
    auto values = at(encode_from_[0], 0, view, scratch);
    if (converts()) widen(kind_, view, static_cast<float*>(values.data));
    for (std::size_t i = 0; i < transforms.size(); ++i) {
        auto const planes = writable(stage_first_[i], stage_first_[i + 1], scratch);
        auto const coded = at(encode_from_[i + 1], i + 1, view, scratch);
        transforms[i]->encode(kind_, seen_[i], values.as<float const>(), coded.as<float>(), planes, workspace);
        written(stage_first_[i], planes);
        values = coded;
    }
    auto const first = stage_first_[transforms.size()];
    auto const planes = writable(first, stage_first_.back(), scratch);
    pipeline_->quantiser->encode(kind_, seen_.back(), values, planes, workspace);
    written(first, planes);
    for (auto const& step : steps_) {
        auto const& input = slots_[step.input];
        auto const outputs = writable(step.first_output, step.first_output + step.outputs, scratch);
        pipeline_->entropy[step.stage]->encode(kind_, input.spec, {memory(input, scratch), input.bytes}, outputs,
                                               workspace);
        written(step.first_output, outputs);
    }
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
    bool const judged = scratch.purpose == DecodeFor::checking;
    reserve_scratch(scratch);
    if (judged) {
        CheckingTime const time;
        scratch.corrupt();
    }
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
    auto const& transforms = pipeline_->transforms;
    // Later stages compute with a stage's values: after them, the bits would no longer show the unwritten ones.
    auto const poisoned = [&](std::size_t stage) {
        auto const values = at(decode_to_[stage], stage, view, scratch);
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
    auto const planes = readable(stage_first_[transforms.size()], stage_first_.back(), scratch);
    pipeline_->quantiser->decode(kind_, seen_.back(), planes, values, workspace);
    if (converts() || !transforms.empty()) check_written(values);
    for (auto i = transforms.size(); i-- > 0;) {
        auto const side = readable(stage_first_[i], stage_first_[i + 1], scratch);
        bool const apart = !transforms[i]->keeps_shape();
        auto const target = apart ? poisoned(i) : values;
        transforms[i]->decode(kind_, seen_[i], side, values.as<float const>(), target.as<float>(), workspace);
        if (apart && decode_to_[i] != Place::tensor) check_written(target);
        values = target;
    }
    if (converts()) narrow(kind_, values.as<float const>().data, view);
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
