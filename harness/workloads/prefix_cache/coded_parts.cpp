#include "harness/workloads/prefix_cache/coded_parts.hpp"

namespace kvstone {

CodedParts::CodedParts(Codec const& codec, Component component, KvShape const& shape, ElementType type,
                       BackendKind kind, Rope const* rope, bool by_layer)
    : shape_(shape), part_shape_(shape) {
    if (by_layer) part_shape_.layers = 1;
    for (std::uint64_t layer = 0; layer < shape_.layers; layer += part_shape_.layers)
        coders_.emplace_back(by_layer ? codec.of_layer(layer, shape_.layers) : codec, component, part_shape_, type,
                             kind, rope);
}

void CodedParts::encode(KvView const& block) {
    for (std::size_t i = 0; i < coders_.size(); ++i) coders_[i].encode(part_of(block, i));
}

void CodedParts::decode(KvView const& block, DecodeFor purpose) const {
    for (std::size_t i = 0; i < coders_.size(); ++i) decode_part(i, block, purpose);
}

void CodedParts::decode_part(std::size_t part, KvView const& block, DecodeFor purpose) const {
    coders_[part].decode(part_of(block, part), purpose);
}

}  // namespace kvstone
