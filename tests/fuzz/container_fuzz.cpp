// Decoding below the checksum: a good container of some codec, overwritten with fuzzed bytes and sealed again, decodes or
// is refused as CorruptData.
//
// Input: one byte that picks an example of the registry, two that say where the overwriting starts, one that says
// whether the container ends where the input does; the rest overwrites.

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "codecs/container/container.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::vector<std::vector<std::byte>> const& good_containers() {
    static std::vector<std::vector<std::byte>> const containers = [] {
        std::vector<std::vector<std::byte>> made;
        KvShape const shape{1, 2, 9, 16};
        std::vector<float> values(shape.values());
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7919 % 256) / 64 - 2;
        for (auto const& [name, entry] : stage_registry()) {
            if (entry.kind == StageKind::selector) continue;  // of K and V together
            for (auto const& example : entry.info.examples) {
                TensorCodec codec(Codec::parse(example), Component::k, shape, ElementType::f32, BackendKind::openmp);
                codec.encode({values.data(), ElementType::f32, shape, KvStrides::packed(shape)});
                made.push_back(codec.seal());
            }
        }
        return made;
    }();
    return containers;
}

/// Small enough to decode thousands of times a second.
bool is_small(KvShape const& shape) {
    for (auto const size : {shape.layers, shape.heads, shape.tokens, shape.dim}) {
        if (size > 4096) return false;
    }
    return shape.values() <= (1U << 20);
}

}  // namespace
}  // namespace kvstone

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace kvstone;
    static BackendRuntime const runtime(1);
    if (size < 4) return 0;
    auto const& containers = good_containers();
    auto container = containers[data[0] % containers.size()];
    auto const first = (data[1] | static_cast<std::size_t>(data[2]) << 8) % container.size();
    auto const end = std::min(container.size(), first + size - 4);
    for (auto i = first; i < end; ++i) container[i] = static_cast<std::byte>(data[4 + i - first]);
    if (data[3] % 2 == 1) container.resize(end);
    reseal_container(container);
    try {
        if (!is_small(inspect_container(container).shape)) return 0;
        decode_container(container);
    } catch (CorruptData const&) {
    }
    return 0;
}
