// Where the values and planes of a section lie between its stages: all that is known before the first value is.

#include <algorithm>
#include <numeric>

#include "backends/kernels/runs.hpp"
#include "backends/spaces.hpp"
#include "codecs/pipeline/pipeline.hpp"

namespace kvstone {
namespace {

constexpr std::size_t slot_alignment = 256;

/// As many values as the threads of a host take at a time, so few that each one's stay in its second-level cache as they came
/// and as a stage has made them. 0 on devices.
std::uint64_t values_in_caches(BackendKind kind) {
    return with_space(kind, [](auto const& space) -> std::uint64_t {
        if constexpr (runs_on_host<std::decay_t<decltype(space)>>) {
            return block_values * 4 * static_cast<std::uint64_t>(space.concurrency());
        } else {
            return 0;
        }
    });
}

}  // namespace

SectionCodec::SectionCodec(Pipeline const& pipeline, Section const& section, BackendKind kind)
    : pipeline_(&pipeline), section_(section), kind_(kind), parts_(section.shape) {
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
    plan_parts();
    plan_places();
    plan_entropy();
    planes_.reserve(slots_.size());
    const_planes_.reserve(slots_.size());
}

void SectionCodec::add_slots(std::vector<PlaneSpec> const& specs) {
    for (auto const& spec : specs) slots_.push_back({spec, 0, Buffer(kind_), true, 0, 0, nullptr, 0});
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

/// Parts of as many values as all threads together have in their caches, where transforms take parts.
void SectionCodec::plan_parts() {
    auto const& transforms = pipeline_->transforms;
    if (transforms.empty() || section_.shape.values() == 0) return;
    std::uint64_t tokens = pipeline_->quantiser->page_tokens(seen_.back());
    for (std::size_t i = 0; i < transforms.size(); ++i) {
        if (!transforms[i]->in_parts()) return;
        tokens = std::lcm(tokens, transforms[i]->page_tokens(seen_[i]));
    }
    auto const values = values_in_caches(kind_);
    if (tokens == 0 || values == 0) return;
    for (auto const& slot : slots_) {
        if (slot.spec.variable) return;
    }
    SectionParts const parts(section_.shape, tokens, values);
    if (parts.whole()) return;
    parts_ = parts;
    auto slot = slots_.begin();
    auto const add_pages = [&](std::vector<PlaneSpec> const& specs) {
        for (auto const& spec : specs) slot++->page_bytes = spec.bytes;
    };
    SectionPart const page{0, 0, 0, {1, 1, std::min(tokens, section_.shape.tokens), section_.shape.dim}};
    for (std::size_t i = 0; i < transforms.size(); ++i) add_pages(transforms[i]->planes(seen_part(i, page)));
    add_pages(pipeline_->quantiser->planes(seen_part(transforms.size(), page)));
}

/// A part as a stage sees it.
Section SectionCodec::seen_part(std::size_t stage, SectionPart const& part) const {
    auto section = seen_[stage];
    section.layer += part.layer;
    section.head += part.head;
    section.token += part.token;
    if (!parts_.whole()) section.shape = {part.shape.layers, part.shape.heads, part.shape.tokens, section.shape.dim};
    return section;
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
            auto const largest = seen_part(i, {0, 0, 0, parts_.largest()}).shape.values();
            bytes = std::max<std::size_t>(bytes, largest * sizeof(float));
        }
        if (i == pipeline_->transforms.size()) break;
        bool const keeps = pipeline_->transforms[i]->keeps_shape();
        // Encoding never writes to the tensor; decoding may work in it.
        if (!keeps || encodes == Place::tensor) encodes = other(encodes);
        if (!keeps) decodes = other(decodes);
    }
}

}  // namespace kvstone
