#pragma once

#include <utility>
#include <vector>

#include <xxhash.h>

#include "backends/backend.hpp"
#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// The original, and memory for decoding it, in the backend's memory. On the host the original is not copied.
class Workbench {
  public:
    Workbench(HostTensor tensor, BackendKind kind)
        : tensor_(std::move(tensor)), kind_(kind), placed_(kind), decoded_(kind, bytes()) {
        if (on_host()) return;
        placed_ = Buffer(kind, bytes());
        copy_to_backend(kind, placed_.data(), tensor_.bytes.get(), bytes());
    }

    std::size_t bytes() const { return tensor_.span().size(); }
    HostTensor const& tensor() const { return tensor_; }
    /// Never written to.
    KvView original() const { return view(on_host() ? const_cast<std::byte*>(tensor_.bytes.get()) : placed_.data()); }
    KvView decoded() const { return view(decoded_.data()); }

    /// The decoded values in host memory, valid during the call.
    template <class Action>
    decltype(auto) with_decoded(Action&& action) const {
        if (on_host()) return action(decoded_.data());
        std::vector<std::byte> host(bytes());
        copy_to_host(kind_, host.data(), decoded_.data(), bytes());
        return action(host.data());
    }

    std::uint64_t decoded_hash() const {
        return with_decoded([&](std::byte const* data) -> std::uint64_t { return XXH3_64bits(data, bytes()); });
    }

  private:
    bool on_host() const { return kind_ == BackendKind::openmp; }
    KvView view(std::byte* data) const { return {data, tensor_.type, tensor_.shape, KvStrides::packed(tensor_.shape)}; }

    HostTensor tensor_;
    BackendKind kind_;
    Buffer placed_;
    Buffer decoded_;
};

}  // namespace kvstone
