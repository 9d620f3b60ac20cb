#pragma once
// Keys of which stage `unrope` took the rotation away, for tests of it.

#include <cmath>
#include <cstring>
#include <vector>

#include "codecs/container/container.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "harness/sources/tensor_source.hpp"

namespace kvstone {

inline constexpr Needs keys{.k = true, .v = false, .k_prerope = true, .q = false};

inline KvView view_of(HostTensor const& tensor) {
    return {const_cast<std::byte*>(tensor.bytes.get()), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)};
}

/// Keys as `unrope` hands them on.
inline std::vector<float> unroped(HostTensor const& k, Rope const& rope) {
    TensorCodec codec(Codec::parse("k{unrope | raw} v{raw}"), Component::k, k.shape, k.type, BackendKind::openmp,
                      &rope);
    codec.encode(view_of(k));
    auto const container = codec.seal();
    auto const plane = read_container(container).planes.back();
    std::vector<float> values(plane.bytes / sizeof(float));
    std::memcpy(values.data(), plane.data, plane.bytes);
    return values;
}

/// |ours - theirs| / |theirs|.
inline double relative_error(std::vector<float> const& ours, std::vector<float> const& theirs) {
    double error = 0;
    double norm = 0;
    for (std::size_t i = 0; i < theirs.size(); ++i) {
        error += (double{ours.at(i)} - theirs[i]) * (double{ours[i]} - theirs[i]);
        norm += double{theirs[i]} * theirs[i];
    }
    return std::sqrt(error / norm);
}

}  // namespace kvstone
