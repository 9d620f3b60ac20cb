// arithmetic: the payload's bytes by an adaptive arithmetic coder, in blocks that decode by themselves.
//
// Purpose    order 0 without tables: probabilities are learnt while coding.
// Source     Krichevsky and Trofimov, IEEE Trans. Inf. Theory 27 (1981), the estimator; binary range coder, eight bits
//            a byte (codecs/kernels/binary_coder.hpp).
// Planes     payload and headers of codecs/kernels/coded_blocks.hpp, blocks as in codecs/kernels/binary_coder.hpp.
//            Symbols are the plane's bytes in their order; bytes of different places in an element have contexts of
//            their own.
// Example    16 zero bytes: eight bits each that are always 0, so that low stays 0, and the range shrinks from 2^32 by all
//            probabilities together. The first bit of a context takes 1/2, then 3/4, 5/6 ...: of 16 bits 0 the share is
//            (1 x 3 ... x 31) / (2 x 4 ... x 32) = .1399 = 2^-2.84, of all eight contexts 2^-22.7. Below 2^24 a byte
//            moves out: two of them do.
//              payload    00 00  00 00 00 00
//              headers    10 00 00 00 00 00 00 00  06 00 00 00
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: not read as numbers.

#include "codecs/kernels/binary_coder.hpp"
#include "codecs/kernels/byte_blocks.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Arithmetic : public Entropy {
  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "arithmetic";
        info.summary = "payload bytes by an adaptive binary arithmetic coder (KT), in blocks";
        info.source = "Krichevsky and Trofimov, IEEE Trans. Inf. Theory 27 (1981)";
        info.fixed_rate = false;
        info.engines = {{.differs = "no engine compresses the cache that attention reads by entropy"}};
        info.options = {block_option()};
        info.examples = {"fp16 | arithmetic", "int8 | arithmetic:block=4096", "bf16 | arithmetic | zstd"};
        return info;
    }
    explicit Arithmetic(Options const& options)
        : blocks_{"plane", static_cast<std::uint64_t>(options.integer("block"))} {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const { return blocks_.planes(coder(input), input); }
    std::size_t workspace_bytes(PlaneSpec const& input) const { return blocks_.workspace_bytes(coder(input), input); }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace workspace) const {
        blocks_.encode(space, coder(spec), spec, input, planes, workspace);
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const {
        blocks_.decode(space, "arithmetic", coder(spec), spec, planes, input, workspace);
    }

  private:
    static BinaryCoder<KtContext> coder(PlaneSpec const& input) {
        return BinaryCoder<KtContext>({input.element_bytes, 0});
    }

    ByteBlocks blocks_;
};

static Register<Arithmetic> const registered;

}  // namespace kvstone
