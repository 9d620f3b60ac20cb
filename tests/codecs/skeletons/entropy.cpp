// example-xor: the skeleton of an entropy stage. It stores how each byte differs from the one before it; your coder takes
// its place.

#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

struct ExampleXor : Entropy {
    static constexpr bool host_only = true;  // it runs on the host, whatever the backend

    static StageInfo info() {
        StageInfo info;
        info.name = "example-xor";
        info.summary = "differences of neighbouring bytes";
        info.examples = {"fp16 | example-xor", "fp16 | example-xor | zstd"};
        return info;
    }
    explicit ExampleXor(Options const&) {}

    // As many bytes as it is given. A coder whose output depends on the values says `true` in place of input.variable.
    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        return {{LedgerLine::payload, input.bytes, input.variable}};
    }
    template <class Space>
    void encode(Space const&, PlaneSpec const&, ConstPlane input, Planes planes, Workspace) const {
        auto before = std::byte{0};
        for (std::uint64_t i = 0; i < input.bytes; before = input.data[i++]) planes[0].data[i] = input.data[i] ^ before;
        planes[0].bytes = input.bytes;
    }
    template <class Space>
    void decode(Space const&, PlaneSpec const&, ConstPlanes planes, Plane& input, Workspace) const {
        if (planes[0].bytes > input.bytes) throw CorruptData("example-xor: more bytes than its input can have");
        input.bytes = planes[0].bytes;
        auto before = std::byte{0};
        for (std::uint64_t i = 0; i < input.bytes; ++i) before = input.data[i] = planes[0].data[i] ^ before;
    }
};

static Register<ExampleXor> const registered;

}  // namespace kvstone
