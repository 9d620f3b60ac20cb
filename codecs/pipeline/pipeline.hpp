#pragma once
// A pipeline of stages, and how it runs one section down to stored planes and back up.

#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "codecs/dynamic_stage.hpp"
#include "codecs/pipeline/checked_decode.hpp"
#include "codecs/pipeline/section_parts.hpp"

namespace kvstone {

/// The stages of one rule.
struct Pipeline {
    std::vector<std::unique_ptr<DynamicTransform>> transforms;
    std::unique_ptr<DynamicQuantiser> quantiser;
    std::vector<std::unique_ptr<DynamicEntropy>> entropy;
    bool plain = false;  ///< the quantiser stores each value as a floating-point number

    explicit Pipeline(PipelineText const& text);
    /// The least number of tokens that every stage can code by itself, as Quantiser::page_tokens(). 0 with an entropy
    /// stage.
    std::uint64_t page_tokens(Section const& section) const;
};
/// One for each rule, in their order.
std::vector<Pipeline> pipelines_of(Codec const& codec);

/// Memory that sections of one tensor use in turn.
struct Scratch {
    explicit Scratch(BackendKind kind)
        : values{Buffer(kind), Buffer(kind)}, planes{Buffer(kind), Buffer(kind)}, workspace(kind) {}
    /// One section as f32, where stages cannot take the tensor's own values; two where a transform changes the shape.
    Buffer values[2];
    Buffer planes[2];  ///< output of one entropy stage and input of the next, in turn
    Buffer workspace;
    /// The purpose of decode(); `timing` leaves the memory as it is.
    DecodeFor purpose = DecodeFor::checking;

    /// Fills the first megabyte of all but `values` with meaningless bytes.
    void corrupt() const;
    std::size_t bytes() const {
        return values[0].size() + values[1].size() + planes[0].size() + planes[1].size() + workspace.size();
    }
};

/// A pipeline bound to one section. Holds the stored planes.
class SectionCodec {
  public:
    SectionCodec(Pipeline const& pipeline, Section const& section, BackendKind kind);

    Section const& section() const { return section_; }
    /// `view` is the section's box of the tensor.
    void encode(KvView const& view, Scratch& scratch);
    /// Throws CorruptData; where scratch.purpose is checking, UnwrittenValues too.
    void decode(KvView const& view, Scratch& scratch);

    std::size_t plane_count() const { return stored_.size(); }
    PlaneSpec const& plane_spec(std::size_t index) const { return slots_[stored_[index]].spec; }
    ConstPlane plane(std::size_t index) const;
    /// Takes one stored plane from host memory. Throws CorruptData where it cannot have that size.
    void load_plane(std::size_t index, std::byte const* host_bytes, std::uint64_t bytes);
    /// From now on a stored plane lies in the caller's memory, which already holds the plane or will be written.
    void place_plane(std::size_t index, std::byte* memory);
    /// A stored plane of fixed size, to be filled by the caller.
    Plane open_plane(std::size_t index);
    /// Moves to the section of the same shape that starts at `token`.
    void move_to(std::uint64_t token) {
        section_.token = token;
        for (auto& section : seen_) section.token = token;
    }
    /// Per value of the section, not of the shape that transforms hand on.
    double nominal_bits() const {
        return pipeline_->quantiser->nominal_bits(seen_.back()) * static_cast<double>(seen_.back().shape.values()) /
               static_cast<double>(section_.shape.values());
    }
    double encode_reads() const { return pipeline_->quantiser->encode_reads(seen_.back()); }

  private:
    /// A plane between two stages: in a buffer of its own where it is stored, else in scratch.planes[turn].
    struct Slot {
        PlaneSpec spec;
        std::uint64_t bytes = 0;
        Buffer buffer;
        bool stored = true;
        std::size_t turn = 0;
        std::size_t offset = 0;
        std::byte* placed = nullptr;   ///< the caller's memory instead of `buffer`
        std::uint64_t page_bytes = 0;  ///< of the pages that parts are cut at
    };
    /// One entropy stage over one payload plane.
    struct Step {
        std::size_t stage;
        std::size_t input;
        std::size_t first_output;
        std::size_t outputs;
    };

    /// Where values lie between two stages: in one of scratch.values, or in the tensor itself.
    enum class Place : std::uint8_t { first, second, tensor };

    void add_slots(std::vector<PlaneSpec> const& specs);
    void plan_parts();
    void plan_places();
    KvView at(Place place, std::size_t stage, SectionPart const& part, KvView const& tensor,
              Scratch const& scratch) const;
    Section seen_part(std::size_t stage, SectionPart const& part) const;
    void plan_entropy();
    void encode_part(SectionPart const& part, KvView const& view, Scratch& scratch);
    void decode_entropy(Scratch& scratch);
    void decode_stages(KvView const& view, Scratch& scratch);
    void decode_part(SectionPart const& part, KvView const& view, Scratch& scratch);
    bool converts() const;
    void reserve_scratch(Scratch& scratch) const;
    std::byte* memory(Slot const& slot, Scratch& scratch) const;
    /// The slots [first, last) as planes to write, at full size, and to read, at their present size.
    Planes writable(std::size_t first, std::size_t last, Scratch& scratch);
    ConstPlanes readable(std::size_t first, std::size_t last, Scratch& scratch);
    /// The planes of a stage of the tensor's values, as far as they belong to a part.
    Planes writable(std::size_t stage, SectionPart const& part, Scratch& scratch);
    ConstPlanes readable(std::size_t stage, SectionPart const& part, Scratch& scratch);
    SectionParts::Range range(std::size_t slot, SectionPart const& part) const;
    /// Takes over the sizes of planes that a stage wrote.
    void written(std::size_t first, Planes planes);

    Pipeline const* pipeline_;
    Section section_;
    /// The section as each transform sees it, and last the quantiser: f32 where they cannot take the tensor's own type.
    std::vector<Section> seen_;
    /// The place of each stage's input in encode(), and of its output in decode().
    std::vector<Place> encode_from_;
    std::vector<Place> decode_to_;
    std::size_t values_bytes_[2] = {0, 0};
    BackendKind kind_;
    SectionParts parts_;
    std::vector<Slot> slots_;
    std::vector<std::size_t> stage_first_;  ///< first slot of each transform, quantiser, entropy stage
    std::vector<Step> steps_;
    std::vector<std::size_t> stored_;  ///< slots that are stored, in their order
    std::size_t turn_bytes_[2] = {0, 0};
    std::size_t workspace_bytes_ = 0;
    // Kept, so that no call allocates.
    std::vector<Plane> planes_;
    std::vector<ConstPlane> const_planes_;
};

}  // namespace kvstone
