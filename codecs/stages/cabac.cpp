// cabac: the payload's bytes by context-adaptive binary arithmetic coding, in blocks that decode by themselves.
//
// Purpose    order 0 without tables, and with context=row order 1: values of one channel that follow each other are alike.
// Source     Marpe, Schwarz and Wiegand, IEEE Trans. CSVT 13 (2003), the principle, and DeepCABAC (arXiv 1907.11900),
//            its use for weights; the two estimates of a context as in H.266; binary range coder, eight bits a byte
//            (codecs/kernels/binary_coder.hpp).
// Planes     payload and headers of codecs/kernels/coded_blocks.hpp, blocks as in codecs/kernels/binary_coder.hpp.
//            Symbols are the plane's bytes in their order; bytes of different places in an element have contexts of
//            their own.
// Example    64 zero bytes: eight bits each that are always 0, so that low stays 0, and the range shrinks from 2^32.
//            Before bit n (from 0) a context's estimates are 1 - (15/16)^n / 2 and 1 - (127/128)^n / 2; the product of
//            their means over 64 bits is 2^-28.4, of all eight contexts 2^-227.6. Below 2^24 a byte moves out: 28 of
//            them do.
//              payload    28 + 4 bytes 00
//              headers    40 00 00 00 00 00 00 00  20 00 00 00
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: not read as numbers.

#include "codecs/kernels/binary_coder.hpp"
#include "codecs/kernels/byte_blocks.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Cabac : public Entropy {
  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "cabac";
        info.summary = "payload bytes by context-adaptive binary arithmetic coding, in blocks";
        info.source = "Marpe, Schwarz and Wiegand, IEEE Trans. CSVT 13 (2003); DeepCABAC, arXiv 1907.11900";
        info.fixed_rate = false;
        info.engines = {{.differs = "no engine compresses the cache that attention reads by entropy"}};
        info.options = {choice_option("context", "none", {"none", "row"},
                                      "whether the byte at the same place of the vector before is looked at, in planes "
                                      "that tell vectors apart"),
                        block_option()};
        info.examples = {"fp16 | cabac", "fp16 | cabac:context=row", "int8 | cabac:block=4096", "bf16 | cabac | zstd"};
        return info;
    }
    explicit Cabac(Options const& options)
        : by_row_(options.choice("context") == "row"),
          blocks_{"plane", static_cast<std::uint64_t>(options.integer("block"))} {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const { return blocks_.planes(coder(input), input); }
    std::size_t workspace_bytes(PlaneSpec const& input) const { return blocks_.workspace_bytes(coder(input), input); }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace workspace) const {
        blocks_.encode(space, coder(spec), spec, input, planes, workspace);
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const {
        blocks_.decode(space, "cabac", coder(spec), spec, planes, input, workspace);
    }

  private:
    BinaryCoder<ShiftContext> coder(PlaneSpec const& input) const {
        auto const row_bytes = by_row_ ? input.row_elements * input.element_bytes : 0;
        return BinaryCoder<ShiftContext>({input.element_bytes, row_bytes});
    }

    bool by_row_;
    ByteBlocks blocks_;
};

static Register<Cabac> const registered;

}  // namespace kvstone
