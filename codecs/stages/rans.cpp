// rans: the payload's bytes in a range variant of asymmetric numeral systems, in blocks that decode by themselves.
//
// Purpose    a coder of order 0 within hundredths of a bit of the entropy that decodes with vectors; with a table of their
//            own for channels that differ from the others (order 1).
// Source     Duda, arXiv 1311.2540; Giesen, arXiv 1402.3392 (interleaved states). Probabilities are of 12 bits; 64 states a
//            block (codecs/kernels/state_lanes.hpp).
// Planes     payload, headers and codebooks of codecs/kernels/coded_blocks.hpp: blocks as in codecs/kernels/state_lanes.hpp,
//            tables as in codecs/kernels/rans_table.hpp, and where context=channel, as in
//            codecs/kernels/channel_rans_coder.hpp. Symbols are the plane's bytes in their order.
// Example    the bytes 7f 7e 7f 7e ... (16 of them): both have 2048 slots, 7e the first ones. The state s becomes
//            floor(s / 2048) 4096 + s mod 2048, and 2048 more for 7f: its bits from the twelfth on move up by one, and the
//            free bit is 1 for 7f. The last 15 symbols, 0 1 0 1 ... 0, make 8155 5000 of 1 0000; that has no room for
//            one more, so that 5000 moves out, and 8155 becomes 1 0955.
//              payload    55 09 01 00  00 50
//              headers    10 00 00 00 00 00 00 00  06 00 00 00
//              codebooks  7e 7f 0c 00 06 00
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: not read as numbers.

#include "codecs/kernels/byte_blocks.hpp"
#include "codecs/kernels/channel_rans_coder.hpp"
#include "codecs/kernels/rans_coder.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Rans : public Entropy {
    template <class Action>
    auto with_coder(PlaneSpec const& input, Action const& action) const {
        auto const row_bytes = by_channel_ ? input.row_elements * input.element_bytes : 0;
        if (row_bytes == 0 || row_bytes > most_row_places) return action(RansCoder{});
        return action(ChannelRansCoder(row_bytes));
    }

  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "rans";
        info.summary = "payload bytes in interleaved rANS with 12-bit probabilities, in blocks";
        info.source = "Duda, arXiv 1311.2540; Giesen, arXiv 1402.3392";
        info.fixed_rate = false;
        info.engines = {{.differs = "no engine compresses the cache that attention reads by entropy"}};
        info.options = {choice_option("context", "none", {"none", "channel"},
                                      "whether bytes of different places in a vector may have different tables; planes "
                                      "that do not tell vectors apart, and vectors above 4096 bytes, have one"),
                        tables_option(), block_option()};
        info.examples = {"fp16 | rans", "fp16 | rans:context=channel", "int8 | rans:tables=head",
                         "bf16 | rans:tables=block,block=4096 | zstd"};
        return info;
    }
    explicit Rans(Options const& options)
        : by_channel_(options.choice("context") == "channel"),
          blocks_{options.choice("tables"), static_cast<std::uint64_t>(options.integer("block"))} {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        return with_coder(input, [&](auto const& coder) { return blocks_.planes(coder, input); });
    }
    std::size_t workspace_bytes(PlaneSpec const& input) const {
        return with_coder(input, [&](auto const& coder) { return blocks_.workspace_bytes(coder, input); });
    }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace workspace) const {
        with_coder(spec, [&](auto const& coder) { blocks_.encode(space, coder, spec, input, planes, workspace); });
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const {
        with_coder(spec,
                   [&](auto const& coder) { blocks_.decode(space, "rans", coder, spec, planes, input, workspace); });
    }

  private:
    bool by_channel_;
    ByteBlocks blocks_;
};

static Register<Rans> const registered;

}  // namespace kvstone
