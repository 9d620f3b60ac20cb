// zfp: blocks of 4 x 4 values (tokens by channels) through zfp's transform, at a fixed rate or reversibly.
//
// Purpose    the compressor of floating-point arrays that scientific computing uses, unchanged.
// Source     Lindstrom, "Fixed-Rate Compressed Floating-Point Arrays", IEEE TVCG 2014; zfp 1.0, documentation of modes.
// Planes     rate=R: payload: R bits a value. Each page of 4 tokens of a layer and head is a row of blocks along the
//            channels, each block 16 R bits of zfp's stream (mode of fixed rate, two dimensions, channels first); the
//            values that a page or a row lacks of a block are filled up by zfp, and cost as much.
//            mode=reversible: payload: the frame of codecs/kernels/pieces.hpp over the values as f32 in [layer, head,
//            token, dim] order, one piece for each layer and head: zfp's stream of all blocks of the head, up to its last
//            byte. A head that does not shrink is stored as it is.
// Example    rate=8, f32 sixteen zeros as 4 tokens of 4 channels -> 16 zero bytes (a block of zeros is one bit, filled up)
//            mode=reversible, the same -> 40 00 00 00 00 00 00 00  01 00 00 00  00
// Error      mode=reversible: none. rate=R: zfp promises none (its documentation bounds the mode of fixed accuracy alone).
//            The bound follows from a block's integers, which have 32 bits: where its largest magnitude m lies in
//            [2^(e-1), 2^e), a decoded value is 2^(e-30) times one of them, at most 2^(e+1) <= 4 m, so that the error
//            is at most 5 m; e is no less than -125. On N(0,1) the mean squared error over the variance is .0855,
//            3.26e-4, 1.27e-6 and 4.96e-9 at R = 4, 8, 12 and 16.
// NaN, Inf, denormals: reversible: all bits come back. At a fixed rate zfp does not define blocks with NaN or
//            Inf; here NaN is coded as 0, Inf as the largest finite magnitude of its block, so that the other values
//            stay finite.
//
// The library runs on the host, and allocates some bytes for each of its streams.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <memory>

#include <fmt/format.h>
#include <zfp.h>

#include "backends/kernels/map_pages.hpp"
#include "codecs/kernels/pieces.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

inline constexpr std::uint64_t zfp_side = 4;  ///< of a block

/// zfp at work on `bytes` bytes of memory, which starts a word of 64 bits and is a multiple of one.
class ZfpStream {
  public:
    ZfpStream(void* memory, std::size_t bytes) : bits_(stream_open(memory, bytes)) {
        zfp_stream_set_bit_stream(&zfp_, bits_.get());
    }

    void set_rate(unsigned rate) { zfp_stream_set_rate(&zfp_, rate, zfp_type_float, 2, 0); }
    void set_reversible() { zfp_stream_set_reversible(&zfp_); }

    /// `tokens` x `channels` values of a block (1 to 4 each), rows `stride` apart.
    void encode(float const* block, std::uint64_t tokens, std::uint64_t channels, std::uint64_t stride) {
        zfp_encode_partial_block_strided_float_2(&zfp_, block, channels, tokens, 1,
                                                 static_cast<std::ptrdiff_t>(stride));
    }
    void decode(float* block, std::uint64_t tokens, std::uint64_t channels, std::uint64_t stride) {
        zfp_decode_partial_block_strided_float_2(&zfp_, block, channels, tokens, 1,
                                                 static_cast<std::ptrdiff_t>(stride));
    }
    /// Writes out the last word. Returns the bytes that hold all bits so far.
    std::uint64_t finish() {
        auto const bits = stream_wtell(bits_.get());
        zfp_stream_flush(&zfp_);
        return (static_cast<std::uint64_t>(bits) + 7) / 8;
    }
    std::uint64_t bytes_read() const { return (static_cast<std::uint64_t>(stream_rtell(bits_.get())) + 7) / 8; }

  private:
    struct Close {
        void operator()(bitstream* stream) const { stream_close(stream); }
    };
    std::unique_ptr<bitstream, Close> bits_;
    zfp_stream zfp_{};
};

/// A page of up to 4 tokens at a fixed rate. Host only.
struct ZfpPage {
    unsigned rate;

    static std::uint64_t bytes(std::uint64_t dim, unsigned rate) {
        return (dim + zfp_side - 1) / zfp_side * zfp_side * zfp_side * rate / 8;
    }

    template <class T>
    void operator()(Page<T const> const& page, std::array<std::byte*, 1> const& to) const {
        auto const size = bytes(page.dim, rate);
        auto const words = size / 8 + 2;
        auto* const memory = thread_stage<std::uint64_t>(words);
        ZfpStream stream(memory, words * 8);
        stream.set_rate(rate);
        for (std::uint64_t first = 0; first < page.dim; first += zfp_side) {
            auto const channels = std::min(zfp_side, page.dim - first);
            float block[zfp_side * zfp_side] = {};
            float largest = 0;
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                for (std::uint64_t c = 0; c < channels; ++c) {
                    float const value = page.vector(t)[first + c];
                    block[t * zfp_side + c] = value;
                    if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
                }
            }
            for (auto& value : block) {
                if (!std::isfinite(value)) value = std::isnan(value) ? 0.0F : std::copysign(largest, value);
            }
            stream.encode(block, page.tokens, channels, zfp_side);
        }
        stream.finish();
        std::memcpy(to[0], memory, size);
    }
    template <class T>
    void operator()(std::array<std::byte const*, 1> const& from, Page<T> const& page) const {
        auto const size = bytes(page.dim, rate);
        auto const words = size / 8 + 2;
        auto* const memory = thread_stage<std::uint64_t>(words);
        std::memset(memory + size / 8, 0, 16);
        std::memcpy(memory, from[0], size);
        ZfpStream stream(memory, words * 8);
        stream.set_rate(rate);
        for (std::uint64_t first = 0; first < page.dim; first += zfp_side) {
            auto const channels = std::min(zfp_side, page.dim - first);
            float block[zfp_side * zfp_side];
            stream.decode(block, page.tokens, channels, zfp_side);
            for (std::uint64_t t = 0; t < page.tokens; ++t) {
                for (std::uint64_t c = 0; c < channels; ++c) {
                    page.vector(t)[first + c] = std::clamp(block[t * zfp_side + c], -FLT_MAX, FLT_MAX);
                }
            }
        }
    }
};

/// The values of one layer and head, tokens x dim, reversibly.
class ZfpHead {
  public:
    ZfpHead(std::uint64_t tokens, std::uint64_t dim) : tokens_(tokens), dim_(dim) {}

    std::uint64_t values() const { return tokens_ * dim_; }
    /// What any stream of the head fits in, also one that zfp did not write: a block has 32 planes of 16 bits, before these
    /// at most 16 bits, and less than 3 bits a value to say which values a plane is about.
    std::uint64_t most_bytes() const { return blocks(tokens_) * blocks(dim_) * most_block_bytes + 16; }

    /// Returns the bytes written, or 0 where these are more than `capacity`. `memory` holds most_bytes().
    std::uint64_t encode(std::byte* memory, float const* values, std::byte* to, std::uint64_t capacity) const {
        ZfpStream stream(memory, most_bytes());
        stream.set_reversible();
        each_block([&](std::uint64_t at, std::uint64_t tokens, std::uint64_t channels) {
            stream.encode(values + at, tokens, channels, dim_);
        });
        auto const bytes = stream.finish();
        if (bytes > capacity) return 0;
        std::memcpy(to, memory, bytes);
        return bytes;
    }
    /// Whether the stream had exactly `bytes` bytes.
    bool decode(std::byte* memory, std::byte const* from, std::uint64_t bytes, float* values) const {
        if (bytes > most_bytes()) return false;
        std::memcpy(memory, from, bytes);
        std::memset(memory + bytes, 0, most_bytes() - bytes);
        ZfpStream stream(memory, most_bytes());
        stream.set_reversible();
        each_block([&](std::uint64_t at, std::uint64_t tokens, std::uint64_t channels) {
            stream.decode(values + at, tokens, channels, dim_);
        });
        return stream.bytes_read() == bytes;
    }

  private:
    static constexpr std::uint64_t most_block_bytes = 80;

    static std::uint64_t blocks(std::uint64_t values) { return (values + zfp_side - 1) / zfp_side; }
    /// work(index of the first value, tokens, channels).
    template <class Work>
    void each_block(Work const& work) const {
        for (std::uint64_t t = 0; t < tokens_; t += zfp_side) {
            for (std::uint64_t c = 0; c < dim_; c += zfp_side) {
                work(t * dim_ + c, std::min(zfp_side, tokens_ - t), std::min(zfp_side, dim_ - c));
            }
        }
    }

    std::uint64_t tokens_;
    std::uint64_t dim_;
};

class Zfp : public Quantiser {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "zfp";
        info.summary = "blocks of 4 x 4 values by zfp, at a fixed rate or reversibly";
        info.source = "Lindstrom 2014; zfp 1.0";
        info.non_finite = NonFinite::any;
        info.fixed_rate = false;
        info.engines = {{.differs = "of arrays in scientific computing: no engine has it"}};
        info.options = {
            choice_option("mode", "rate", {"rate", "reversible"}, "so many bits a value, or every bit of f32"),
            integer_option("rate", 0, 0, 16, "bits a value, from 4 on; for mode=rate")};
        info.examples = {"zfp:rate=8", "zfp:rate=4", "zfp:rate=16", "zfp:mode=reversible"};
        return info;
    }
    explicit Zfp(Options const& options)
        : reversible_(options.choice("mode") == "reversible"), rate_(static_cast<unsigned>(options.integer("rate"))) {
        auto const& rate = options.values().at("rate");
        if (reversible_ && rate_ != 0)
            throw ConfigError("zfp:mode=reversible has no rate", rate, {"zfp:mode=reversible", "zfp:rate=N"});
        if (!reversible_ && rate_ < 4)
            throw ConfigError("zfp needs a rate", rate, {"zfp:rate=4..16", "zfp:mode=reversible"});
    }

    std::uint64_t page_tokens(Section const&) const { return reversible_ ? 0 : zfp_side; }
    double nominal_bits(Section const&) const { return reversible_ ? 32 : rate_; }

    std::vector<PlaneSpec> planes(Section const& section) const {
        if (reversible_) return frame(section).planes(packed_values(section));
        auto const of_page = ZfpPage::bytes(section.shape.dim, rate_);
        return {{LedgerLine::payload, PageGrid(section.shape, zfp_side).bytes(of_page, of_page), false, 1, 0}};
    }
    std::size_t workspace_bytes(Section const& section) const {
        return reversible_ ? packed_bytes_of(section) + frame(section).workspace_bytes() : 0;
    }

    template <class Space>
    void encode(Space const& space, Section const& section, KvSpan<float const> values, Planes planes,
                Workspace workspace) const {
        if constexpr (!runs_on_host<Space>) {
            refuse_device();
        } else if (!reversible_) {
            auto const of_page = ZfpPage::bytes(section.shape.dim, rate_);
            std::array<PagePlane<std::byte>, 1> const pages{{{planes[0].data, of_page, of_page}}};
            encode_pages(space, values, zfp_side, pages, ZfpPage{rate_});
        } else {
            auto const spec = packed_values(section);
            map_to_packed(space, values, reinterpret_cast<float*>(workspace), AsItIs{});
            space.fence();
            ZfpHead const head(section.shape.tokens, section.shape.dim);
            frame(section).encode(
                space, spec, {workspace, spec.bytes}, planes[0], workspace + packed_bytes_of(section),
                [head](std::byte* slot, std::byte const* from, std::uint64_t, std::byte* to, std::uint64_t capacity) {
                    return head.encode(slot, reinterpret_cast<float const*>(from), to, capacity);
                });
        }
    }
    template <class Space>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<float> values,
                Workspace workspace) const {
        if constexpr (!runs_on_host<Space>) {
            refuse_device();
        } else if (!reversible_) {
            auto const of_page = ZfpPage::bytes(section.shape.dim, rate_);
            std::array<PagePlane<std::byte const>, 1> const pages{{{planes[0].data, of_page, of_page}}};
            decode_pages(space, pages, zfp_side, values, ZfpPage{rate_});
        } else {
            auto const spec = packed_values(section);
            Plane packed{workspace, spec.bytes};
            ZfpHead const head(section.shape.tokens, section.shape.dim);
            frame(section).decode(
                space, spec, planes[0], packed, workspace + packed_bytes_of(section),
                [head](std::byte* slot, std::byte const* from, std::uint64_t bytes, std::byte* to, std::uint64_t) {
                    return head.decode(slot, from, bytes, reinterpret_cast<float*>(to));
                });
            if (packed.bytes != spec.bytes) throw CorruptData("zfp: fewer values than the tensor has");
            map_from_packed(space, reinterpret_cast<float const*>(workspace), values, AsItIs{});
        }
    }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        std::fill_n(bounds, section.shape.values(), 0.0);
        if (reversible_) return;
        auto const [layers, heads, tokens, dim] = section.shape;
        for (std::uint64_t row = 0; row < layers * heads * tokens; row += rows_of_block(row, tokens)) {
            for (std::uint64_t first = 0; first < dim; first += zfp_side) {
                auto const channels = std::min(zfp_side, dim - first);
                bound_block(row, rows_of_block(row, tokens), first, channels, dim, values, bounds);
            }
        }
    }

  private:
    struct AsItIs {
        KOKKOS_INLINE_FUNCTION float operator()(float value) const { return value; }
    };

    [[noreturn]] static void refuse_device() {
        throw NotApplicable("zfp runs on the host's processor", "zfp", {"backend: openmp"});
    }
    /// Rows of the block that starts at `row`, rows being the tokens of one layer and head after the other.
    static std::uint64_t rows_of_block(std::uint64_t row, std::uint64_t tokens) {
        return std::min(zfp_side, tokens - row % tokens);
    }
    static void bound_block(std::uint64_t row, std::uint64_t rows, std::uint64_t first, std::uint64_t channels,
                            std::uint64_t dim, float const* values, double* bounds) {
        auto const each = [&](auto const& action) {
            for (auto r = row; r < row + rows; ++r) {
                for (auto c = first; c < first + channels; ++c) action(r * dim + c);
            }
        };
        double largest = 0;
        each([&](std::uint64_t i) {
            if (std::isfinite(values[i])) largest = std::max(largest, std::fabs(double{values[i]}));
        });
        each([&](std::uint64_t i) { bounds[i] = 5 * largest + 0x1p-123; });
    }
    /// All values as f32, one layer and head after the other.
    static PlaneSpec packed_values(Section const& section) {
        return {LedgerLine::payload, section.shape.values() * sizeof(float), false, sizeof(float), section.shape.dim};
    }
    static std::size_t packed_bytes_of(Section const& section) {
        return (packed_values(section).bytes + 255) / 256 * 256;
    }
    static PieceFrame frame(Section const& section) {
        ZfpHead const head(section.shape.tokens, section.shape.dim);
        if (head.values() >= std::uint64_t{1} << 29) {
            throw NotApplicable("zfp:mode=reversible takes heads that are not as large",
                                fmt::format("{} values", head.values()), {"fewer than 2^29 values a layer and head"});
        }
        return {"zfp", head.values() * sizeof(float), head.most_bytes()};
    }

    bool reversible_;
    unsigned rate_;
};

static Register<Zfp> const zfp_registered;

}  // namespace kvstone
