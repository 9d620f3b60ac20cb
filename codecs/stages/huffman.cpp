// huffman: the payload's bytes in a canonical Huffman code, in blocks that decode by themselves.
//
// Purpose    the code of lossless formats for model weights and caches for exponents and byte planes (DFloat11,
//            ZipNN), with its tables billed.
// Source     Huffman, Proc. IRE 40 (1952); no code longer than 12 bits (package-merge: Larmore and Hirschberg, JACM 37,
//            1990); 64 interleaved states a block (codecs/kernels/state_lanes.hpp).
// Planes     payload, headers and codebooks of codecs/kernels/coded_blocks.hpp: blocks as in codecs/kernels/state_lanes.hpp,
//            tables as in codecs/kernels/huffman_code.hpp. Symbols are the plane's bytes in their order.
// Example    the bytes 7f 7e 7f 7e ... (16 of them): both codes have one bit, 7e is 0 and 7f is 1. From the last to the
//            first, 0 1 0 1 ... 0 1 are pushed into the state 10000: after 15 of them it is 8000 2aaa, which has no room for
//            one more, so that 2aaa moves out, and 8000 becomes 1 0001.
//              payload    01 00 01 00  aa 2a
//              headers    10 00 00 00 00 00 00 00  06 00 00 00
//              codebooks  7e 7f 11
//            the bytes 01 02 -> payload 01 02, headers 02 00 00 00 00 00 00 00  02 00 00 80, no codebook
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: not read as numbers.

#include "codecs/kernels/byte_blocks.hpp"
#include "codecs/kernels/huffman_coder.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Huffman : public Entropy {
  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "huffman";
        info.summary = "payload bytes in a canonical Huffman code of at most 12 bits, in blocks";
        info.source = "Huffman, Proc. IRE 40 (1952); length-limited by package-merge (JACM 37, 1990)";
        info.fixed_rate = false;
        info.engines = {{.differs = "no engine compresses the cache that attention reads by entropy"}};
        info.options = {tables_option(), block_option()};
        info.examples = {"fp16 | huffman", "int8 | huffman:tables=head",
                         "fp8:format=e4m3 | huffman:tables=block,block=4096", "bf16 | huffman:tables=layer | zstd"};
        return info;
    }
    explicit Huffman(Options const& options)
        : blocks_{options.choice("tables"), static_cast<std::uint64_t>(options.integer("block"))} {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const { return blocks_.planes(coder_, input); }
    std::size_t workspace_bytes(PlaneSpec const& input) const { return blocks_.workspace_bytes(coder_, input); }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace workspace) const {
        blocks_.encode(space, coder_, spec, input, planes, workspace);
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const {
        blocks_.decode(space, "huffman", coder_, spec, planes, input, workspace);
    }

  private:
    HuffmanCoder coder_;
    ByteBlocks blocks_;
};

static Register<Huffman> const registered;

}  // namespace kvstone
