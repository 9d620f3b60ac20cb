#pragma once

#include <vector>

#include "backends/backend.hpp"
#include "backends/kv_view.hpp"

namespace kvstone {

/// An f32 tensor, packed, for the host and for a backend: one memory where they share theirs.
class StagedTensor {
  public:
    explicit StagedTensor(BackendKind kind) : kind_(kind), placed_(kind) {}
    /// Its contents are lost.
    void resize(KvShape const& shape) {
        shape_ = shape;
        host_.resize(shape.values());
        if (!on_host()) placed_.reserve_discard(host_.size() * sizeof(float));
    }
    KvShape const& shape() const { return shape_; }
    KvView host() { return view(host_.data()); }
    KvView backend() { return view(on_host() ? static_cast<void*>(host_.data()) : placed_.data()); }
    void to_backend() {
        if (!on_host())
            copy_to_backend(kind_, placed_.data(), reinterpret_cast<std::byte const*>(host_.data()),
                            host_.size() * sizeof(float));
    }
    void to_host() {
        fence(kind_);
        if (!on_host())
            copy_to_host(kind_, reinterpret_cast<std::byte*>(host_.data()), placed_.data(),
                         host_.size() * sizeof(float));
    }

  private:
    bool on_host() const { return kind_ == BackendKind::openmp; }
    KvView view(void* data) const { return {data, ElementType::f32, shape_, KvStrides::packed(shape_)}; }

    BackendKind kind_;
    KvShape shape_;
    std::vector<float> host_;
    Buffer placed_;
};

}  // namespace kvstone
