#pragma once
// The stages of a pipeline take a section in parts, one part through all of them before the next: the values between two
// stages then stay in the cache.
//
// That needs stages that code pages of tokens by themselves, whose planes lie as [layer, head, page, ...] (codecs/stage.hpp).

#include <algorithm>
#include <cstdint>

#include "backends/kv_view.hpp"

namespace kvstone {

/// A box of a section: some layers, some heads of one layer, or some pages of one head.
struct SectionPart {
    std::uint64_t layer = 0;
    std::uint64_t head = 0;
    std::uint64_t token = 0;
    KvShape shape;
};

class SectionParts {
  public:
    /// The whole section as one part.
    explicit SectionParts(KvShape const& shape)
        : shape_(shape), tokens_(shape.tokens), heads_(shape.heads), layers_(shape.layers) {}
    /// Parts of about `values` values, and of whole pages.
    SectionParts(KvShape const& shape, std::uint64_t page_tokens, std::uint64_t values) : SectionParts(shape) {
        auto const pages = values / std::max<std::uint64_t>(1, page_tokens * shape.dim);
        tokens_ = std::min(shape.tokens, std::max<std::uint64_t>(1, pages) * page_tokens);
        auto const left = [&](std::uint64_t of, std::uint64_t each, bool whole) {
            return whole ? std::clamp<std::uint64_t>(values / std::max<std::uint64_t>(1, each), 1,
                                                     std::max<std::uint64_t>(1, of))
                         : 1;
        };
        auto const of_head = shape.tokens * shape.dim;
        heads_ = left(shape.heads, of_head, tokens_ == shape.tokens);
        layers_ = left(shape.layers, of_head * shape.heads, heads_ == shape.heads && tokens_ == shape.tokens);
        page_tokens_ = page_tokens;
    }

    KvShape largest() const { return {layers_, heads_, tokens_, shape_.dim}; }
    bool whole() const { return largest() == shape_; }

    /// work(part) for all of them, in the order of the section's values.
    template <class Work>
    void each(Work const& work) const {
        if (whole()) return work(SectionPart{0, 0, 0, shape_});  // of no values as well
        for (std::uint64_t layer = 0; layer < shape_.layers; layer += layers_) {
            for (std::uint64_t head = 0; head < shape_.heads; head += heads_) {
                for (std::uint64_t token = 0; token < shape_.tokens; token += tokens_) {
                    work(SectionPart{layer,
                                     head,
                                     token,
                                     {std::min(layers_, shape_.layers - layer), std::min(heads_, shape_.heads - head),
                                      std::min(tokens_, shape_.tokens - token), shape_.dim}});
                }
            }
        }
    }

    struct Range {
        std::uint64_t offset;
        std::uint64_t bytes;
    };
    /// Where a part stands in a plane of `bytes` bytes, in which a full page has `page_bytes`.
    Range range(SectionPart const& part, std::uint64_t bytes, std::uint64_t page_bytes) const {
        auto const of_head = bytes / (shape_.layers * shape_.heads);
        auto const first = (part.layer * shape_.heads + part.head) * of_head;
        auto const heads = part.shape.layers * part.shape.heads;
        if (part.shape.tokens == shape_.tokens) return {first, heads * of_head};
        auto const before = part.token / page_tokens_ * page_bytes;
        bool const last = part.token + part.shape.tokens == shape_.tokens;
        return {first + before, last ? of_head - before : part.shape.tokens / page_tokens_ * page_bytes};
    }

  private:
    KvShape shape_;
    std::uint64_t tokens_;
    std::uint64_t heads_;
    std::uint64_t layers_;
    std::uint64_t page_tokens_ = 1;
};

}  // namespace kvstone
