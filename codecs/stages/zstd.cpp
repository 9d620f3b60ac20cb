// zstd: the payload compressed in independent pieces by Zstandard.
//
// Purpose    a general-purpose compressor, to compare every special coder with; as used for KV
//            caches on disk and between nodes. mode=literals uses the Huffman coder of Zstandard (Huff0) alone: no matches
//            are looked for, and planes of a cache gain from that.
// Source     RFC 8878. Pieces are plain frames that any zstd tool reads.
// Planes     payload, of any size up to a little more than its input: the frame of codecs/kernels/pieces.hpp. A piece is
//            1 MiB of input, with mode=literals 128 KiB, one block of Zstandard. A piece of 16384 bytes that are four
//            different ones in equal shares takes 2 bits a byte there, and some 30 bytes.
// Example    16 zero bytes -> 10 00 00 00 00 00 00 00  0d 00 00 00
//                             28 b5 2f fd 20 10 45 00 00 10 00 01 00 ... (a frame, whose bytes the library's version
//                             sets)
//            the bytes 01 02 -> 02 00 00 00 00 00 00 00  02 00 00 80  01 02
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: not read as numbers.

#define ZSTD_STATIC_LINKING_ONLY  // contexts inside memory of ours, sequences of ours

#include <algorithm>
#include <cstring>

#include <zstd.h>

#include "codecs/kernels/pieces.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Zstd : public Entropy {
  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "zstd";
        info.summary = "payload bytes compressed by Zstandard in pieces of 1 MiB";
        info.source = "RFC 8878";
        info.fixed_rate = false;
        info.engines = {{.differs =
                             "no engine compresses the cache that attention reads by entropy; LMCache has compressing "
                             "serdes for the blocks that it offloads"}};
        info.options = {
            integer_option("level", default_level, -7, 19, "effort; negative levels are faster"),
            choice_option("mode", "matches", {"matches", "literals"}, "all of Zstandard, or its Huffman coder alone")};
        info.examples = {"fp16 | zstd",        "int8 | zstd:level=1",       "raw | zstd:level=-5",
                         "bf16 | zstd | zstd", "fp16 | zstd:mode=literals", "fp16 | gear | zstd:mode=literals"};
        info.idle_bytes = {0.01, "frames hold some bits that decide nothing (RFC 8878: reserved and unused ones)"};
        return info;
    }
    explicit Zstd(Options const& options)
        : level_(static_cast<int>(options.integer("level"))), literals_(options.choice("mode") == "literals") {
        if (level_ == 0) throw ConfigError("zstd has no level 0 of its own", "0", {"-7..-1", "1..19"});
        if (literals_ && level_ != default_level) {
            throw ConfigError("zstd:mode=literals looks for no matches, so that it has no levels",
                              options.values().at("level"), {"zstd:mode=literals", "zstd:level=N"});
        }
    }

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const { return frame().planes(input); }
    std::size_t workspace_bytes(PlaneSpec const&) const { return frame().workspace_bytes(); }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace workspace) const {
        frame().encode(
            space, spec, input, planes[0], workspace,
            [this](std::byte* slot, std::byte const* from, std::uint64_t bytes, std::byte* to, std::uint64_t capacity) {
                auto const coded = literals_ ? compress_literals(slot, from, bytes, to, capacity)
                                             : compress(slot, from, bytes, to, capacity);
                return ZSTD_isError(coded) ? 0 : coded;
            });
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const {
        frame().decode(
            space, spec, planes[0], input, workspace,
            [this](std::byte* slot, std::byte const* from, std::uint64_t bytes, std::byte* to, std::uint64_t wanted) {
                auto* const context = ZSTD_initStaticDCtx(slot, context_bytes());
                return ZSTD_decompressDCtx(context, to, wanted, from, bytes) == wanted;
            });
    }

  private:
    static constexpr int default_level = 3;
    static constexpr std::uint64_t block_bytes = ZSTD_BLOCKSIZE_MAX;
    /// The library may read so many bytes behind literals.
    static constexpr std::uint64_t beyond_literals = 8;
    static constexpr std::uint64_t literal_bytes = block_bytes + beyond_literals;
    static constexpr std::uint64_t frame_bytes = ZSTD_COMPRESSBOUND(block_bytes);

    std::uint64_t piece_bytes() const { return literals_ ? block_bytes : std::uint64_t{1} << 20; }
    PieceFrame frame() const {
        return {"zstd", piece_bytes(), context_bytes() + (literals_ ? literal_bytes + frame_bytes : 0)};
    }
    ZSTD_compressionParameters parameters() const { return ZSTD_getCParams(level_, piece_bytes(), 0); }
    std::size_t context_bytes() const {
        // What takes sequences of ours sets up a stream's buffers.
        auto const compressor = literals_ ? ZSTD_estimateCStreamSize_usingCParams(parameters())
                                          : ZSTD_estimateCCtxSize_usingCParams(parameters());
        return (std::max(compressor, ZSTD_estimateDCtxSize()) + 255) / 256 * 256;
    }
    ZSTD_CCtx* compressor_in(std::byte* slot) const {
        auto* const context = ZSTD_initStaticCCtx(slot, context_bytes());
        ZSTD_CCtx_setCParams(context, parameters());
        return context;
    }
    std::size_t compress(std::byte* slot, std::byte const* from, std::uint64_t bytes, std::byte* to,
                         std::uint64_t capacity) const {
        return ZSTD_compress2(compressor_in(slot), to, capacity, from, bytes);
    }
    /// One sequence that has all bytes as its literals, and no match.
    std::size_t compress_literals(std::byte* slot, std::byte const* from, std::uint64_t bytes, std::byte* to,
                                  std::uint64_t capacity) const {
        auto* const context = compressor_in(slot);
        ZSTD_CCtx_setParameter(context, ZSTD_c_blockDelimiters, ZSTD_sf_explicitBlockDelimiters);
        ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
        auto* const literals = slot + context_bytes();
        std::memcpy(literals, from, bytes);
        std::memset(literals + bytes, 0, beyond_literals);
        ZSTD_Sequence const all{0, static_cast<unsigned>(bytes), 0, 0};
        // Into memory of its own: with less room than a block may take, the library writes beyond it.
        auto* const frame = literals + literal_bytes;
        auto const coded = ZSTD_compressSequencesAndLiterals(context, frame, frame_bytes, &all, 1, literals, bytes,
                                                             bytes + beyond_literals, bytes);
        if (ZSTD_isError(coded) || coded > capacity) return 0;
        std::memcpy(to, frame, coded);
        return coded;
    }

    int level_;
    bool literals_;
};

static Register<Zstd> const registered;

}  // namespace kvstone
