// blosc2: the payload compressed in independent pieces by Blosc2: a shuffle of bytes or bits, then Zstandard.
//
// Purpose    the byte planes of gear and a compressor in the form that is deployed for arrays of numbers.
// Source     Blosc2's chunk format (README_CHUNK_FORMAT.rst of c-blosc2). Pieces are chunks that the library reads by
//            itself; the size of an element is the plane's.
// Planes     payload, of any size up to a little more than its input: the frame of codecs/kernels/pieces.hpp, with pieces
//            of 1 MiB of input.
// Example    the bytes 01 02 -> 02 00 00 00 00 00 00 00  02 00 00 80  01 02
//            16384 bytes that are 00 3c over and over -> 00 40 00 00 00 00 00 00, a size below 100, and a chunk whose
//            fourth byte is 02 (the size of an element) and whose bytes 4 to 7 are 00 40 00 00 (its 16384 bytes)
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: not read as numbers.
//
// The library allocates a context and its contents for each piece, in encoding and in decoding.

#include <memory>

#include <blosc2.h>

#include "codecs/kernels/pieces.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Blosc2 : public Entropy {
  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = "blosc2";
        info.summary = "payload bytes compressed by Blosc2 (shuffle, then Zstandard) in pieces of 1 MiB";
        info.source = "c-blosc2, chunk format";
        info.fixed_rate = false;
        info.engines = {{.differs = "of arrays on disk: no engine keeps its cache in it"}};
        info.options = {choice_option("filter", "shuffle", {"none", "shuffle", "bitshuffle"},
                                      "bytes of one place together, or bits of one place"),
                        integer_option("level", 1, 1, 9, "effort")};
        info.examples = {"fp16 | blosc2", "bf16 | blosc2:filter=bitshuffle,level=5", "int8 | blosc2:filter=none"};
        info.idle_bytes = {0.05, "a chunk's header of 32 bytes has versions and flags that decide nothing"};
        return info;
    }
    explicit Blosc2(Options const& options)
        : filter_(options.choice("filter")), level_(static_cast<std::uint8_t>(options.integer("level"))) {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const { return frame().planes(input); }
    std::size_t workspace_bytes(PlaneSpec const&) const { return frame().workspace_bytes(); }

    template <class Space>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Planes planes, Workspace workspace) const {
        auto parameters = BLOSC2_CPARAMS_DEFAULTS;
        parameters.compcode = BLOSC_ZSTD;
        parameters.clevel = level_;
        parameters.typesize = static_cast<std::int32_t>(spec.element_bytes);
        parameters.nthreads = 1;
        parameters.filters[BLOSC2_MAX_FILTERS - 1] = filter_code();
        frame().encode(space, spec, input, planes[0], workspace,
                       [parameters](std::byte*, std::byte const* from, std::uint64_t bytes, std::byte* to,
                                    std::uint64_t capacity) {
                           Context const context(blosc2_create_cctx(parameters));
                           auto const coded = blosc2_compress_ctx(context.get(), from, static_cast<std::int32_t>(bytes),
                                                                  to, static_cast<std::int32_t>(capacity));
                           return coded > 0 ? static_cast<std::uint64_t>(coded) : 0;
                       });
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const {
        auto parameters = BLOSC2_DPARAMS_DEFAULTS;
        parameters.nthreads = 1;
        frame().decode(space, spec, planes[0], input, workspace,
                       [parameters, filter = filter_code()](std::byte*, std::byte const* from, std::uint64_t bytes,
                                                            std::byte* to, std::uint64_t wanted) {
                           if (bytes < BLOSC_EXTENDED_HEADER_LENGTH || !is_of(from, filter)) return false;
                           // A chunk says itself how long it is, which the library believes.
                           std::int32_t plain = 0;
                           std::int32_t coded = 0;
                           std::int32_t block = 0;
                           if (blosc2_cbuffer_sizes(from, &plain, &coded, &block) < 0) return false;
                           auto const size = static_cast<std::int32_t>(wanted);
                           if (plain != size || coded != static_cast<std::int32_t>(bytes)) return false;
                           Context const context(blosc2_create_dctx(parameters));
                           return blosc2_decompress_ctx(context.get(), from, coded, to, size) == size;
                       });
    }

  private:
    struct Free {
        void operator()(blosc2_context* context) const { blosc2_free_ctx(context); }
    };
    using Context = std::unique_ptr<blosc2_context, Free>;

    static PieceFrame frame() { return {"blosc2", std::uint64_t{1} << 20, 0}; }
    /// Whether a chunk's header names no coder and filters but ours: for others the library looks for plugins, and for
    /// chunks that lie elsewhere it opens files.
    static bool is_of(std::byte const* chunk, std::uint8_t filter) {
        auto const at = [&](std::size_t i) { return std::to_integer<unsigned>(chunk[i]); };
        constexpr std::size_t last_filter = BLOSC2_MAX_FILTERS - 1;
        constexpr unsigned special_values = 0x70;
        for (std::size_t i = 0; i < last_filter; ++i) {
            if (at(BLOSC2_CHUNK_FILTER_CODES + i) != unsigned{BLOSC_NOFILTER}) return false;
        }
        return at(BLOSC2_CHUNK_FILTER_CODES + last_filter) == filter &&
               at(BLOSC2_CHUNK_FLAGS) >> 5 == unsigned{BLOSC_ZSTD_FORMAT} && at(BLOSC2_CHUNK_BLOSC2_FLAGS2) == 0 &&
               (at(BLOSC2_CHUNK_BLOSC2_FLAGS) & ~special_values) == 0;
    }
    std::uint8_t filter_code() const {
        return filter_ == "none" ? BLOSC_NOFILTER : filter_ == "shuffle" ? BLOSC_SHUFFLE : BLOSC_BITSHUFFLE;
    }

    std::string filter_;
    std::uint8_t level_;
};

static Register<Blosc2> const blosc2_registered;

}  // namespace kvstone
