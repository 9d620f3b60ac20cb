#pragma once
// Tensors for the codec tests: K-like values with outlier channels, in any layout and element type.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "backends/backend.hpp"
#include "backends/kernels/floats.hpp"
#include "backends/kv_view.hpp"
#include "codecs/container/tensor_codec.hpp"

namespace kvstone {

/// Normal values, every 16th channel ten times as large. Deterministic.
inline std::vector<float> test_values(KvShape const& shape, unsigned seed = 1) {
    std::mt19937 random(seed);
    std::vector<float> values(shape.values());
    for (std::size_t i = 0; i < values.size(); ++i) {
        // Irwin-Hall: the same on every standard library.
        float sum = -6;
        for (int n = 0; n < 12; ++n) sum += static_cast<float>(random() >> 8) * 0x1p-24F;
        values[i] = sum * (i % shape.dim % 16 == 3 ? 10.0F : 1.0F);
    }
    return values;
}

/// A tensor in memory of its own.
class TestTensor {
  public:
    /// Strided: heads beside each other within a token, and a gap behind each layer.
    TestTensor(KvShape const& shape, ElementType type, bool strided = false) : shape_(shape), type_(type) {
        strides_ = strided ? KvStrides{(shape.tokens * shape.heads + 3) * shape.dim, shape.dim, shape.heads * shape.dim}
                           : KvStrides::packed(shape);
        memory_.resize((shape.layers * (shape.heads * shape.tokens + 3) * shape.dim + 1) * element_bytes(type));
    }
    TestTensor(KvShape const& shape, ElementType type, std::vector<float> const& values, bool strided = false)
        : TestTensor(shape, type, strided) {
        std::size_t next = 0;
        each([&](auto& place) { place = from_float<std::remove_reference_t<decltype(place)>>(values[next++]); });
    }

    KvView view() const { return {const_cast<std::byte*>(memory_.data()), type_, shape_, strides_}; }
    std::size_t bytes() const { return memory_.size(); }

    /// Values in packed order, widened.
    std::vector<float> values() const {
        std::vector<float> packed;
        each([&](auto& place) { packed.push_back(to_float(place)); });
        return packed;
    }
    /// The same as bytes of the element type.
    std::vector<std::byte> packed_bytes() const {
        std::vector<std::byte> packed;
        each([&](auto& place) {
            auto const* const bytes = reinterpret_cast<std::byte const*>(&place);
            packed.insert(packed.end(), bytes, bytes + sizeof(place));
        });
        return packed;
    }

  private:
    template <class Visit>
    void each(Visit const& visit) const {
        with_elements(view(), [&](auto span) {
            for (std::uint64_t l = 0; l < shape_.layers; ++l)
                for (std::uint64_t h = 0; h < shape_.heads; ++h)
                    for (std::uint64_t t = 0; t < shape_.tokens; ++t)
                        for (std::uint64_t c = 0; c < shape_.dim; ++c) visit(span(l, h, t, c));
        });
    }

    KvShape shape_;
    ElementType type_;
    KvStrides strides_;
    std::vector<std::byte> memory_;
};

/// Where encoded() and decoded() work: on the host, or on what KVSTONE_TEST_BACKEND names.
inline BackendKind tested_backend() {
    static auto const kind = [] {
        char const* const name = std::getenv("KVSTONE_TEST_BACKEND");
        return backend_named(name == nullptr ? "openmp" : name);
    }();
    return kind;
}

/// A tensor's copy in that backend's memory.
class PlacedTensor {
  public:
    explicit PlacedTensor(TestTensor const& tensor) : view_(tensor.view()), memory_(tested_backend(), tensor.bytes()) {
        copy_to_backend(memory_.kind(), memory_.data(), static_cast<std::byte const*>(view_.data), memory_.size());
        view_.data = memory_.data();
    }
    KvView const& view() const { return view_; }
    void copy_to(TestTensor const& tensor) const {
        copy_to_host(memory_.kind(), static_cast<std::byte*>(tensor.view().data), memory_.data(), memory_.size());
    }

  private:
    KvView view_;
    Buffer memory_;
};

inline void encode(TensorCodec& codec, TestTensor const& tensor) {
    PlacedTensor const placed(tensor);
    codec.encode(placed.view());
    placed.copy_to(tensor);  // where it was written to, tests must see it
}

/// An encoded codec, and what it decodes to.
inline TensorCodec encoded(std::string const& text, TestTensor const& tensor, Component component = Component::k) {
    TensorCodec codec(Codec::parse(text), component, tensor.view().shape, tensor.view().type, tested_backend());
    encode(codec, tensor);
    return codec;
}
inline TestTensor decoded(TensorCodec const& codec, KvShape const& shape, ElementType type, bool strided = false) {
    TestTensor out(shape, type, strided);
    PlacedTensor const placed(out);
    codec.decode(placed.view());
    placed.copy_to(out);
    return out;
}

inline std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
    std::vector<std::byte> bytes;
    for (auto const value : values) bytes.push_back(static_cast<std::byte>(value));
    return bytes;
}

}  // namespace kvstone
