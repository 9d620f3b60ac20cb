#include "harness/workloads/attention_decode/decode_cache.hpp"

#include <algorithm>
#include <cstring>

#include "codecs/container/tensor_codec.hpp"
#include "harness/sources/elements.hpp"

namespace kvstone {
namespace {

/// The tensor with its tokens turned round: token `first` comes first.
std::vector<float> turned(std::vector<float> const& values, KvShape const& shape, std::uint64_t first) {
    std::vector<float> result(values.size());
    auto const of_head = shape.tokens * shape.dim;
    for (std::uint64_t at = 0; at < values.size(); at += of_head) {
        auto const begin = values.begin() + static_cast<std::ptrdiff_t>(at);
        std::rotate_copy(begin, begin + static_cast<std::ptrdiff_t>(first * shape.dim),
                         begin + static_cast<std::ptrdiff_t>(of_head),
                         result.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return result;
}

std::vector<float> decoded(std::vector<std::byte> const& container) {
    auto const bytes = decode_container(container);
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

}  // namespace

std::vector<float> floats_of(HostTensor const& tensor) {
    std::vector<float> values(tensor.shape.values());
    for (std::uint64_t i = 0; i < values.size(); ++i) values[i] = element_value(tensor.type, tensor.bytes.get(), i);
    return values;
}

DecodeCache::DecodeCache(Codec const& codec, DecodeTensors const& tensors, std::uint64_t sequences, BackendKind kind) {
    stored_.reserve(2 * sequences);
    for (std::uint64_t s = 0; s < sequences; ++s) {
        auto const first = s * tensors.k_shape.tokens / sequences;
        auto const add = [&](Component component, std::vector<float> const& values, KvShape const& shape) {
            auto const own = turned(values, shape, first);
            Buffer const placed(kind, own.size() * sizeof(float));
            copy_to_backend(kind, placed.data(), reinterpret_cast<std::byte const*>(own.data()),
                            own.size() * sizeof(float));
            auto& stored = stored_.emplace_back(
                codec, component, KvView{placed.data(), ElementType::f32, shape, KvStrides::packed(shape)}, kind);
            plane_bytes_ += stored.plane_bytes();
            container_bytes_ += stored.container_bytes();
            auto container = stored.take_container();
            if (s == 0 || s + 1 == sequences) kept_.emplace_back(s, std::move(container));
        };
        add(Component::k, tensors.k, tensors.k_shape);
        add(Component::v, tensors.v, tensors.v_shape);
        caches_.push_back({stored_[2 * s].rows(), stored_[2 * s + 1].rows()});
    }
}

std::vector<std::pair<std::uint64_t, DecodedCache>> DecodeCache::decode_ends() {
    std::vector<std::pair<std::uint64_t, DecodedCache>> all;
    for (std::size_t i = 0; i + 1 < kept_.size(); i += 2)
        all.emplace_back(kept_[i].first, DecodedCache{decoded(kept_[i].second), decoded(kept_[i + 1].second)});
    kept_.clear();
    return all;
}

}  // namespace kvstone
