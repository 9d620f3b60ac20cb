// exponent: the exponents of numbers coded by themselves; signs and mantissas, which hardly shrink, are stored beside them.
//
// Purpose    the common part of lossless formats for weights and caches: DFloat11 (Huffman code of the bfloat16 exponent),
//            ZipNN, SplitZip (the exponents that occur most often in 4 bits, with an escape), and their like with 3 bits.
// Source     DFloat11, arXiv 2504.11651; ZipNN, arXiv 2411.05239; SplitZip's layout by fixed4 but for its escapes, which are
//            a code of their own here.
// Planes     payload    signs and mantissas: of 16-bit numbers their low bytes, then their other bits packed, block by block
//                       (codecs/kernels/number_split.hpp)
//            payload, headers, codebooks of codecs/kernels/coded_blocks.hpp, whose symbols are the exponents, and which
//            stores a block that does not shrink in as many bits as exponents have: codes and tables of
//            codecs/kernels/state_lanes.hpp, huffman_code.hpp, rans_table.hpp and fixed_code.hpp.
// Example    bf16 1, -2, 1, -2, ... (16 of them) by fixed4: exponents 7f and 80, codes 0 and 1
//              payload    00 80 00 80 ...
//              payload    10 10 10 10 10 10 10 10
//              headers    10 00 00 00 00 00 00 00  08 00 00 00
//              codebooks  02 7f 80
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: exponents like others.

#include "backends/kernels/host_stores.hpp"
#include "codecs/kernels/fixed_code.hpp"
#include "codecs/kernels/huffman_coder.hpp"
#include "codecs/kernels/number_split.hpp"
#include "codecs/kernels/rans_coder.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

/// The exponents of a plane of numbers; signs and mantissas go to, or come from, another plane.
template <class Split>
struct ExponentSymbols {
    static constexpr bool buffered = true;
    BlockLayout layout;
    std::byte* numbers = nullptr;
    std::byte* rests = nullptr;

    static std::uint64_t rest_bytes(BlockLayout const& layout) {
        return (Split::has_low_bytes ? layout.symbols : 0) + layout.packed_total(Split::packed_bits);
    }

    std::uint8_t const* peek(std::uint64_t first, std::size_t count, std::byte* buffer) const {
        auto* const exponents = reinterpret_cast<std::uint8_t*>(buffer);
        Split::exponents(numbers_at(first), count, exponents);
        return exponents;
    }
    std::uint8_t const* read(std::uint64_t first, std::size_t count, std::byte* buffer) const {
        Split::rests(numbers_at(first), count, rests + first, packed_at(first));
        return peek(first, count, buffer);
    }
    std::uint8_t* target(std::uint64_t, std::byte* buffer) const { return reinterpret_cast<std::uint8_t*>(buffer); }
    void finish(std::uint64_t first, std::size_t count, std::byte* buffer) const {
        Split::join(reinterpret_cast<std::uint8_t const*>(buffer), rests + first, packed_at(first), count,
                    numbers_at(first));
    }
    NumberBlock numbers_of(std::uint64_t first, std::size_t count) const {
        bool const streaming = layout.symbols * sizeof(typename Split::Word) >= streaming_from_bytes;
        return {numbers_at(first), rests + first, packed_at(first), count, streaming};
    }

  private:
    std::byte* numbers_at(std::uint64_t first) const { return numbers + first * sizeof(typename Split::Word); }
    std::byte* packed_at(std::uint64_t first) const {
        return rests + (Split::has_low_bytes ? layout.symbols : 0) +
               layout.packed_place(layout.block_at(first), Split::packed_bits);
    }
};

class Exponent : public Entropy {
    template <class Coder, class Split>
    using Blocks = CodedBlocks<Coder, ExponentSymbols<Split>>;

    /// action(coder, split, layout) with what the options and the input's numbers ask for.
    template <class Action>
    auto with_types(PlaneSpec const& input, Action const& action) const {
        return with_split(input, [&]<class Split>(Split split) {
            auto const layout =
                layout_of(input, input.bytes, tables_, block_, sizeof(typename Split::Word), Split::exponent_bits);
            if (code_ == "huffman") return action(HuffmanCoder(), split, layout);
            if (code_ == "rans") return action(RansCoder(), split, layout);
            return action(FixedCoder<Split>(code_ == "fixed3" ? 3 : 4, block_), split, layout);
        });
    }
    template <class Action>
    static auto with_split(PlaneSpec const& input, Action const& action) {
        switch (input.numbers) {
            case NumberFormat::fp16:
                return action(Fp16Split());
            case NumberFormat::bf16:
                return action(Bf16Split());
            case NumberFormat::fp8_e4m3:
                return action(Fp8E4m3Split());
            case NumberFormat::fp8_e5m2:
                return action(Fp8E5m2Split());
            default:
                throw NotApplicable("exponent: the payload is not of numbers whose exponents it codes", "exponent",
                                    {"fp16 | exponent", "bf16 | exponent", "fp8 | exponent"});
        }
    }

  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "exponent";
        info.summary = "exponents of fp16, bf16 or fp8 coded by themselves, in blocks";
        info.source = "DFloat11 (arXiv 2504.11651), ZipNN (arXiv 2411.05239), SplitZip";
        info.fixed_rate = false;
        info.engines = {{.differs = "no engine compresses the cache that attention reads by entropy"}};
        info.options = {choice_option("code", std::nullopt, {"huffman", "rans", "fixed4", "fixed3"},
                                      "the exponents' code; fixed: of so many bits, with an escape"),
                        tables_option(), block_option()};
        info.examples = {"bf16 | exponent:code=huffman",
                         "fp16 | exponent:code=fixed3",
                         "bf16 | exponent:code=fixed4,tables=head",
                         "fp8:format=e4m3 | exponent:code=rans,tables=layer",
                         "fp8:format=e5m2 | exponent:code=fixed3,tables=block,block=4096",
                         "fp16 | exponent:code=rans,block=2048 | zstd"};
        return info;
    }
    explicit Exponent(Options const& options)
        : code_(options.choice("code")),
          tables_(options.choice("tables")),
          block_(static_cast<std::uint64_t>(options.integer("block"))) {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        return with_types(input, []<class Coder, class Split>(Coder const& coder, Split, BlockLayout const& layout) {
            std::vector<PlaneSpec> specs{{LedgerLine::payload, ExponentSymbols<Split>::rest_bytes(layout)}};
            for (auto const& spec : Blocks<Coder, Split>::planes(coder, layout)) specs.push_back(spec);
            return specs;
        });
    }
    std::size_t workspace_bytes(PlaneSpec const& input) const {
        return with_types(input, []<class Coder, class Split>(Coder const& coder, Split, BlockLayout const& layout) {
            return Blocks<Coder, Split>::workspace_bytes(coder, layout);
        });
    }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace workspace) const {
        with_types(spec, [&]<class Coder, class Split>(Coder const& coder, Split, BlockLayout const& layout) {
            ExponentSymbols<Split> const symbols{layout, const_cast<std::byte*>(input.data), planes[0].data};
            Blocks<Coder, Split>(coder, layout).encode(space, symbols, planes.subspan(1), workspace);
        });
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const {
        with_types(spec, [&]<class Coder, class Split>(Coder const& coder, Split, BlockLayout const& layout) {
            if (Blocks<Coder, Split>::stored_symbols(planes[2]) != layout.symbols)
                throw CorruptData("exponent: another number of values than the plane has");
            ExponentSymbols<Split> const symbols{layout, input.data, const_cast<std::byte*>(planes[0].data)};
            Blocks<Coder, Split>(coder, layout).decode(space, symbols, planes.subspan(1), workspace);
        });
    }

  private:
    std::string code_;
    std::string tables_;
    std::uint64_t block_;
};

static Register<Exponent> const registered;

}  // namespace kvstone
