#pragma once
// Entropy stages that run on the host only, on the other backends: their planes are copied there and back.

#include <algorithm>
#include <vector>

#include "codecs/stage.hpp"

namespace kvstone {

/// Host memory for one stage's planes and workspace. Grows to the largest seen and is kept: later calls allocate
/// nothing.
class HostStaging {
  public:
    /// `work(ConstPlane input, Planes, Workspace)` encodes copies; its output is copied to `planes`, sizes included.
    template <class Work>
    void encode(BackendKind kind, ConstPlane input, Planes planes, std::size_t workspace_bytes, Work const& work) {
        arrange(kind, input.bytes, planes, workspace_bytes);
        copy_to_host(kind, input_, input.data, input.bytes);
        work(ConstPlane{input_, input.bytes}, Planes(planes_), workspace_);
        for (std::size_t i = 0; i < planes.size(); ++i) {
            planes[i].bytes = planes_[i].bytes;
            copy_to_backend(kind, planes[i].data, planes_[i].data, planes_[i].bytes);
        }
    }

    /// `work(ConstPlanes, Plane& input, Workspace)` decodes copies; its output is copied to `input`, size included.
    template <class Work>
    void decode(BackendKind kind, ConstPlanes planes, Plane& input, std::size_t workspace_bytes, Work const& work) {
        auto const room = input.bytes;
        arrange(kind, room, planes, workspace_bytes);
        const_planes_.clear();
        for (std::size_t i = 0; i < planes.size(); ++i) {
            copy_to_host(kind, planes_[i].data, planes[i].data, planes[i].bytes);
            const_planes_.push_back({planes_[i].data, planes_[i].bytes});
        }
        Plane rebuilt{input_, room};
        work(ConstPlanes(const_planes_), rebuilt, workspace_);
        input.bytes = rebuilt.bytes;
        copy_to_backend(kind, input.data, rebuilt.data, std::min(room, rebuilt.bytes));
    }

  private:
    static constexpr std::size_t aligned(std::size_t bytes) { return (bytes + 255) / 256 * 256; }

    template <class P>
    void arrange(BackendKind kind, std::uint64_t input_bytes, std::span<P> planes, std::size_t workspace_bytes) {
        auto needed = aligned(input_bytes) + workspace_bytes;
        for (auto const& plane : planes) needed += aligned(plane.bytes);
        if (kind != kind_) memory_ = Buffer::staging(kind);
        kind_ = kind;
        memory_.reserve_discard(needed);
        input_ = memory_.data();
        auto* end = input_ + aligned(input_bytes);
        planes_.clear();
        for (auto const& plane : planes) {
            planes_.push_back({end, plane.bytes});
            end += aligned(plane.bytes);
        }
        workspace_ = end;
    }

    BackendKind kind_ = BackendKind::openmp;  ///< whose planes were staged last
    Buffer memory_{BackendKind::openmp};
    std::byte* input_ = nullptr;
    Workspace workspace_ = nullptr;
    std::vector<Plane> planes_;
    std::vector<ConstPlane> const_planes_;
};

}  // namespace kvstone
