// lz4: the payload compressed in independent pieces by LZ4.
//
// Purpose    the fastest compressor that is widely deployed, as a baseline: it looks for bytes that repeat and has no
//            entropy coder, so that it cannot shrink a plane in which none repeat, however uneven their distribution.
// Source     LZ4 block format (lz4_Block_format.md of the library). Pieces are blocks without a frame.
// Planes     payload, of any size up to a little more than its input: the frame of codecs/kernels/pieces.hpp, with pieces
//            of 1 MiB of input.
// Example    32 zero bytes -> 20 00 00 00 00 00 00 00  0b 00 00 00
//                             1f 00 01 00 07  50 00 00 00 00 00 (a literal and a match of 26 at a distance of 1, then five
//                             literals)
//            the bytes 01 02 -> 02 00 00 00 00 00 00 00  02 00 00 80  01 02
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: not read as numbers.

#include <lz4.h>

#include "codecs/kernels/pieces.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Lz4 : public Entropy {
  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "lz4";
        info.summary = "payload bytes compressed by LZ4 in pieces of 1 MiB";
        info.source = "LZ4 block format";
        info.fixed_rate = false;
        info.engines = {{.differs = "no engine compresses the cache that attention reads by matches"}};
        info.examples = {"fp16 | lz4", "fp16 | gear | lz4", "int8 | lz4"};
        return info;
    }
    explicit Lz4(Options const&) {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const { return frame().planes(input); }
    std::size_t workspace_bytes(PlaneSpec const&) const { return frame().workspace_bytes(); }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace workspace) const {
        frame().encode(
            space, spec, input, planes[0], workspace,
            [](std::byte* slot, std::byte const* from, std::uint64_t bytes, std::byte* to, std::uint64_t capacity) {
                return LZ4_compress_fast_extState(slot, reinterpret_cast<char const*>(from),
                                                  reinterpret_cast<char*>(to), static_cast<int>(bytes),
                                                  static_cast<int>(capacity), 1);
            });
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const {
        frame().decode(space, spec, planes[0], input, workspace,
                       [](std::byte*, std::byte const* from, std::uint64_t bytes, std::byte* to, std::uint64_t wanted) {
                           return LZ4_decompress_safe(reinterpret_cast<char const*>(from), reinterpret_cast<char*>(to),
                                                      static_cast<int>(bytes),
                                                      static_cast<int>(wanted)) == static_cast<int>(wanted);
                       });
    }

  private:
    static PieceFrame frame() { return {"lz4", std::uint64_t{1} << 20, static_cast<std::size_t>(LZ4_sizeofState())}; }
};

static Register<Lz4> const lz4_registered;

}  // namespace kvstone
