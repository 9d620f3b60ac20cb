// zstd: the payload compressed in independent pieces by Zstandard.
//
// Purpose    what a general-purpose compressor makes of a plane, to compare every special coder with; as used for KV
//            caches on disk and between nodes.
// Source     RFC 8878. Pieces are plain frames that any zstd tool reads.
// Planes     payload, of any size up to a little more than its input:
//              8 bytes                 bytes of the input plane
//              4 bytes for each piece  bytes of the coded piece; bit 31 set where the piece is stored as it was,
//                                      because it would not shrink
//              the coded pieces, one after the other
//            A piece is 1 MiB of input, the last one what is left. Numbers are little-endian.
// Example    16 zero bytes -> 10 00 00 00 00 00 00 00  0d 00 00 00
//                             28 b5 2f fd 20 10 45 00 00 10 00 01 00 ... (a frame, whose bytes the library's version
//                             sets)
//            the bytes 01 02 -> 02 00 00 00 00 00 00 00  02 00 00 80  01 02
// Error      none: the input's bytes come back.
// NaN, Inf, denormals: not looked at.
//
// Pieces are spread over the host's threads; each has its compressor in the workspace, so that no call allocates.

#define ZSTD_STATIC_LINKING_ONLY  // contexts inside memory of ours

#include <algorithm>
#include <atomic>
#include <cstring>

#include <Kokkos_Core.hpp>
#include <zstd.h>

#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

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
                             "serdes for what it offloads"}};
        info.options = {integer_option("level", 3, -7, 19, "effort; negative levels are faster")};
        info.examples = {"fp16 | zstd", "int8 | zstd:level=1", "raw | zstd:level=-5", "bf16 | zstd | zstd"};
        info.idle_bytes = {0.01, "frames hold some bits that decide nothing (RFC 8878: reserved and unused ones)"};
        return info;
    }
    explicit Zstd(Options const& options) : level_(static_cast<int>(options.integer("level"))) {
        if (level_ == 0) throw ConfigError("zstd has no level 0 of its own", "0", {"-7..-1", "1..19"});
    }

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        return {{LedgerLine::payload, table_end(pieces_of(input.bytes)) + input.bytes, true, 1, 0}};
    }

    std::size_t workspace_bytes(PlaneSpec const&) const { return slots() * slot_bytes(); }

    template <class Space>
    void encode(Space const& space, PlaneSpec const&, ConstPlane input, Planes planes, Workspace workspace) const {
        encode_pieces(space, input, planes[0], workspace);
    }
    template <class Space>
    void decode(Space const& space, PlaneSpec const&, ConstPlanes planes, Plane& input, Workspace workspace) const {
        decode_pieces(space, planes[0], input, workspace);
    }

  private:
    static constexpr std::uint64_t piece_bytes = std::uint64_t{1} << 20;
    static constexpr std::uint32_t stored_bit = 1U << 31;

    static std::uint64_t pieces_of(std::uint64_t bytes) { return (bytes + piece_bytes - 1) / piece_bytes; }
    static std::uint64_t table_end(std::uint64_t pieces) { return sizeof(std::uint64_t) + 4 * pieces; }
    static std::size_t slots() { return static_cast<std::size_t>(Kokkos::DefaultHostExecutionSpace().concurrency()); }

    ZSTD_compressionParameters parameters() const { return ZSTD_getCParams(level_, piece_bytes, 0); }
    std::size_t slot_bytes() const {
        auto const needed = std::max(ZSTD_estimateCCtxSize_usingCParams(parameters()), ZSTD_estimateDCtxSize());
        return (needed + 255) / 256 * 256;
    }

    template <class Space>
    void encode_pieces(Space const& space, ConstPlane input, Plane& output, Workspace workspace) const;
    template <class Space>
    void decode_pieces(Space const& space, ConstPlane coded, Plane& input, Workspace workspace) const;

    int level_;
};

namespace {

std::uint32_t read_size(std::byte const* at) {
    std::uint32_t size = 0;
    std::memcpy(&size, at, sizeof(size));
    return size;
}

/// `work(slot, piece)` for every piece; a slot is one thread's at a time.
template <class Space, class Work>
void share_pieces(Space const& space, std::size_t slots, std::uint64_t pieces, Work const& work) {
    std::atomic<std::uint64_t> next{0};
    auto* const shared = &next;
    Kokkos::parallel_for("zstd", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(slots)),
                         [=](std::int64_t const slot) {
                             for (auto piece = (*shared)++; piece < pieces; piece = (*shared)++) {
                                 work(static_cast<std::size_t>(slot), piece);
                             }
                         });
    space.fence();
}

}  // namespace

template <class Space>
void Zstd::encode_pieces(Space const& space, ConstPlane input, Plane& output, Workspace workspace) const {
    auto const pieces = pieces_of(input.bytes);
    auto const bodies = table_end(pieces);
    std::memcpy(output.data, &input.bytes, sizeof(input.bytes));
    auto const level_parameters = parameters();
    auto const bytes_of_slot = slot_bytes();
    // Each piece is coded where it would stand if none shrank, then they move together.
    share_pieces(space, slots(), pieces, [=](std::size_t slot, std::uint64_t piece) {
        auto const first = piece * piece_bytes;
        auto const bytes = std::min(piece_bytes, input.bytes - first);
        auto* const context = ZSTD_initStaticCCtx(workspace + slot * bytes_of_slot, bytes_of_slot);
        ZSTD_CCtx_setCParams(context, level_parameters);
        auto coded = ZSTD_compress2(context, output.data + bodies + first, bytes - 1, input.data + first, bytes);
        if (ZSTD_isError(coded)) {
            std::memcpy(output.data + bodies + first, input.data + first, bytes);
            coded = bytes | stored_bit;
        }
        auto const entry = static_cast<std::uint32_t>(coded);
        std::memcpy(output.data + table_end(piece), &entry, sizeof(entry));
    });
    auto end = bodies;
    for (std::uint64_t piece = 0; piece < pieces; ++piece) {
        auto const bytes = read_size(output.data + table_end(piece)) & ~stored_bit;
        std::memmove(output.data + end, output.data + bodies + piece * piece_bytes, bytes);
        end += bytes;
    }
    output.bytes = end;
}

template <class Space>
void Zstd::decode_pieces(Space const& space, ConstPlane coded, Plane& input, Workspace workspace) const {
    if (coded.bytes < sizeof(std::uint64_t)) throw CorruptData("zstd: a plane without its size");
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, coded.data, sizeof(bytes));
    if (bytes > input.bytes) throw CorruptData("zstd: more bytes than the plane can have");
    auto const pieces = pieces_of(bytes);
    if (coded.bytes < table_end(pieces)) throw CorruptData("zstd: piece table cut off");
    auto end = table_end(pieces);
    for (std::uint64_t piece = 0; piece < pieces; ++piece) {
        auto const size = read_size(coded.data + table_end(piece)) & ~stored_bit;
        if (size > coded.bytes - end) throw CorruptData("zstd: a piece ends beyond the plane");
        end += size;
    }
    if (end != coded.bytes) throw CorruptData("zstd: bytes after the last piece");

    std::atomic<bool> broken{false};
    auto* const failed = &broken;
    auto* const target = input.data;
    auto const bytes_of_slot = slot_bytes();
    share_pieces(space, slots(), pieces, [=](std::size_t slot, std::uint64_t piece) {
        auto first = table_end(pieces);
        for (std::uint64_t before = 0; before < piece; ++before) {
            first += read_size(coded.data + table_end(before)) & ~stored_bit;
        }
        auto const entry = read_size(coded.data + table_end(piece));
        auto const size = entry & ~stored_bit;
        auto* const to = target + piece * piece_bytes;
        auto const wanted = std::min(piece_bytes, bytes - piece * piece_bytes);
        if ((entry & stored_bit) != 0) {
            if (size == wanted) {
                std::memcpy(to, coded.data + first, size);
            } else {
                *failed = true;
            }
            return;
        }
        auto* const context = ZSTD_initStaticDCtx(workspace + slot * bytes_of_slot, bytes_of_slot);
        if (ZSTD_decompressDCtx(context, to, wanted, coded.data + first, size) != wanted) *failed = true;
    });
    if (broken) throw CorruptData("zstd: a piece does not decompress to its size");
    input.bytes = bytes;
}

static Register<Zstd> const registered;

}  // namespace kvstone
