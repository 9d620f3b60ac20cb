// Sealed selections: any damage below the checksum is refused, or decodes to a selection of the same cache.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "backends/backend.hpp"
#include "codecs/container/container.hpp"
#include "codecs/selection/selected_codec.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr KvShape shape{2, 2, 12, 8};

struct Cache {
    std::vector<float> k = std::vector<float>(shape.values());
    std::vector<float> v = std::vector<float>(shape.values());

    CacheViews views() {
        auto const view = [](std::vector<float>& values) -> KvView {
            return {values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
        };
        return {view(k), view(v)};
    }
};

struct Good {
    SelectedCodec codec;
    std::vector<std::byte> bytes;
};

/// One of each kind of lists; the last has layers that keep different numbers.
std::vector<Good> make_good() {
    Cache cache;
    for (std::size_t i = 0; i < cache.k.size(); ++i) {
        cache.k[i] = static_cast<float>(i * 7919 % 256) / 64 - 2;
        cache.v[i] = static_cast<float>(i * 6007 % 256) / 64 - 2;
    }
    using Lists = std::vector<std::vector<std::uint32_t>>;
    std::vector<Good> all;
    auto const add = [&](char const* text, SameTokens same, Lists lists) {
        SelectedCodec codec(Codec::parse(text), BackendKind::openmp);
        auto bytes = codec.encode(cache.views(), Selection(same, 2, 2, 10, std::move(lists))).bytes;
        all.push_back({std::move(codec), std::move(bytes)});
    };
    add("keep:policy=knorm,share=.5 | int:bits=4,axis=token,group=8", SameTokens::head,
        {{0, 9}, {1, 8}, {2, 7}, {3, 6}});
    add("keep:policy=knorm,share=.5,over=all | fp16", SameTokens::all, {{0, 4, 9}});
    add("keep:policy=pyramid,share=.5,over=layer | raw", SameTokens::layer, {{0, 1, 2, 3}, {9}});
    return all;
}

}  // namespace
}  // namespace kvstone

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace kvstone;
    static BackendRuntime const runtime(1);
    if (size < 4) return 0;
    static auto const good = make_good();
    auto const& [codec, bytes] = good[data[0] % good.size()];
    auto sealed = bytes;
    auto const first = (data[1] | static_cast<std::size_t>(data[2]) << 8) % sealed.size();
    auto const end = std::min(sealed.size(), first + size - 4);
    for (auto i = first; i < end; ++i) sealed[i] = static_cast<std::byte>(data[4 + i - first]);
    if (data[3] % 2 == 1) sealed.resize(end);
    reseal_container(sealed);
    try {
        Cache cache;
        auto const selection = codec.decode(sealed, cache.views());
        if (selection.layers() != 2 || selection.heads() != 2 || selection.tokens() > shape.tokens) std::abort();
    } catch (CorruptData const&) {
    }
    return 0;
}
