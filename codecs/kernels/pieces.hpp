#pragma once
// A payload coded in independent pieces by a coder of a library: what zstd, lz4 and blosc2 have in common.
//
// Format: 8 bytes                 bytes of the input plane
//         4 bytes for each piece  bytes of the coded piece; bit 31 set where the piece is stored as it was, because it
//                                 would not shrink
//         the coded pieces, one after the other
// Numbers are little-endian. Pieces have `piece_bytes` of input, the last one the rest. Where only the lowest bits of
// each byte are in use (PlaneSpec::element_bits), a piece that is stored as it was has those bits alone, packed
// (bit_packing.hpp): so a plane takes no more than the bits that it has, and its table.
//
// Pieces are spread over the host's threads; each thread has a slot of the workspace, so that no call allocates but where
// the library does.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string>

#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/host_pieces.hpp"
#include "codecs/stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// How one plane is cut, and what a thread needs. `stage` is for messages.
class PieceFrame {
  public:
    /// `piece_bytes` is a multiple of 8 below 2^31.
    PieceFrame(char const* stage, std::uint64_t piece_bytes, std::size_t slot_bytes)
        : stage_(stage), piece_bytes_(piece_bytes), slot_bytes_((slot_bytes + 255) / 256 * 256) {}

    /// The one plane that is written.
    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        auto const most = table_end(pieces_of(input.bytes)) + plain_bytes(input.bytes, bits_of(input));
        return {{LedgerLine::payload, most, true, 1, 0}};
    }
    std::size_t workspace_bytes() const { return host_slots() * slot_bytes_; }

    /// `code(slot, from, bytes, to, capacity)` compresses a piece and returns its size, or 0 where it takes more than
    /// `capacity` bytes; `slot` is a thread's part of the workspace.
    template <class Space, class Code>
    void encode(Space const& space, PlaneSpec const& spec, ConstPlane input, Plane& output, Workspace workspace,
                Code const& code) const {
        auto const pieces = pieces_of(input.bytes);
        auto const bodies = output.data + table_end(pieces);
        auto const bits = bits_of(spec);
        auto const place_bytes = plain_bytes(piece_bytes_, bits);
        std::memcpy(output.data, &input.bytes, sizeof(input.bytes));
        auto* const table = output.data + table_end(0);
        // Each piece is coded where it would stand if none shrank, then they move together.
        share(space, pieces, workspace, [=, this, &code](std::byte* slot, std::uint64_t piece) {
            auto const* const from = input.data + piece * piece_bytes_;
            auto const bytes = std::min(piece_bytes_, input.bytes - piece * piece_bytes_);
            auto* const to = bodies + piece * place_bytes;
            auto const plain = plain_bytes(bytes, bits);
            auto size = static_cast<std::uint32_t>(code(slot, from, bytes, to, plain - 1));
            if (size == 0) {
                pack(from, bytes, bits, to);
                size = static_cast<std::uint32_t>(plain) | plain_flag;
            }
            std::memcpy(table + piece * sizeof(size), &size, sizeof(size));
        });
        auto* end = bodies;
        for (std::uint64_t piece = 0; piece < pieces; ++piece) {
            auto const bytes = entry(table, piece) & ~plain_flag;
            std::memmove(end, bodies + piece * place_bytes, bytes);
            end += bytes;
        }
        output.bytes = static_cast<std::uint64_t>(end - output.data);
    }

    /// `decode(slot, from, bytes, to, wanted)` says whether a piece of `bytes` gave exactly `wanted` bytes; it writes none
    /// beyond. Throws CorruptData.
    template <class Space, class Decode>
    void decode(Space const& space, PlaneSpec const& spec, ConstPlane coded, Plane& input, Workspace workspace,
                Decode const& decode) const {
        auto const refuse = [this](char const* what) { throw CorruptData(std::string(stage_) + ": " + what); };
        if (coded.bytes < table_end(0)) refuse("a plane without its size");
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, coded.data, sizeof(bytes));
        if (bytes > input.bytes) refuse("more bytes than the plane can have");
        auto const pieces = pieces_of(bytes);
        if (coded.bytes < table_end(pieces)) refuse("piece table cut off");
        auto const* const table = coded.data + table_end(0);
        auto end = table_end(pieces);
        for (std::uint64_t piece = 0; piece < pieces; ++piece) {
            auto const size = entry(table, piece) & ~plain_flag;
            if (size > coded.bytes - end) refuse("a piece ends beyond the plane");
            end += size;
        }
        if (end != coded.bytes) refuse("bytes after the last piece");

        std::atomic<bool> broken{false};
        auto* const failed = &broken;
        auto* const target = input.data;
        auto const bits = bits_of(spec);
        share(space, pieces, workspace, [=, this, &decode](std::byte* slot, std::uint64_t piece) {
            auto first = table_end(pieces);
            for (std::uint64_t before = 0; before < piece; ++before) first += entry(table, before) & ~plain_flag;
            auto const size = entry(table, piece) & ~plain_flag;
            auto const wanted = std::min(piece_bytes_, bytes - piece * piece_bytes_);
            auto* const to = target + piece * piece_bytes_;
            if ((entry(table, piece) & plain_flag) == 0) {
                if (!decode(slot, coded.data + first, std::uint64_t{size}, to, wanted)) *failed = true;
            } else if (size == plain_bytes(wanted, bits)) {
                unpack(coded.data + first, wanted, bits, to);
            } else {
                *failed = true;
            }
        });
        if (broken) refuse("a piece does not decompress to its size");
        input.bytes = bytes;
    }

  private:
    static constexpr std::uint32_t plain_flag = 1U << 31;

    static std::uint64_t table_end(std::uint64_t pieces) { return sizeof(std::uint64_t) + 4 * pieces; }
    static unsigned bits_of(PlaneSpec const& spec) {
        return spec.element_bytes == 1 && spec.element_bits != 0 ? spec.element_bits : 8;
    }
    static std::uint64_t plain_bytes(std::uint64_t bytes, unsigned bits) { return packed_bytes(bytes, bits); }
    static std::uint32_t entry(std::byte const* table, std::uint64_t piece) {
        std::uint32_t size = 0;
        std::memcpy(&size, table + piece * sizeof(size), sizeof(size));
        return size;
    }
    static void pack(std::byte const* from, std::uint64_t bytes, unsigned bits, std::byte* to) {
        if (bits == 8) {
            std::memcpy(to, from, bytes);
        } else {
            pack_codes(bits, reinterpret_cast<std::uint8_t const*>(from), bytes, to);
        }
    }
    static void unpack(std::byte const* from, std::uint64_t bytes, unsigned bits, std::byte* to) {
        if (bits == 8) {
            std::memcpy(to, from, bytes);
        } else {
            unpack_codes(bits, from, bytes, reinterpret_cast<std::uint8_t*>(to));
        }
    }
    std::uint64_t pieces_of(std::uint64_t bytes) const { return (bytes + piece_bytes_ - 1) / piece_bytes_; }

    /// `work(slot, piece)` for every piece, `slot` being a thread's part of the workspace.
    template <class Space, class Work>
    void share(Space const& space, std::uint64_t pieces, Workspace workspace, Work const& work) const {
        share_pieces(space, host_slots(), pieces, [=, bytes = slot_bytes_](std::size_t slot, std::uint64_t piece) {
            work(workspace + slot * bytes, piece);
        });
    }

    char const* stage_;
    std::uint64_t piece_bytes_;
    std::size_t slot_bytes_;
};

}  // namespace kvstone
