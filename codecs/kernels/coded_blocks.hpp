#pragma once
// Symbols of a byte each, coded in blocks that decode by themselves: what our entropy coders share.
//
// The symbols are cut into segments that share a table (all of them, those of a layer or of a head, or one block), and each
// segment into blocks; a segment's last block may be shorter. A block that does not shrink is stored as it is, and so is a
// segment that does not shrink together with its table.
// Planes:
//   payload    the blocks, one after the other
//   headers    8 bytes             how many symbols there are
//              4 bytes for each block   its bytes; bit 31 set where it is stored as it is
//   codebooks  for each segment with a coded block, its table; coders without tables have no such plane
// Numbers are little-endian. A symbol that is stored as it is has BlockLayout::plain_bits, packed as
// codecs/kernels/bit_packing.hpp has them. Payload and codebooks together never exceed the symbols so packed.
//
// A Coder has:
//   std::size_t most_table_bytes() const                    0: it has no tables
//   std::size_t tables_bytes() const                        memory for what it makes of a table, of alignment 64
//   std::size_t scratch_bytes(std::size_t count) const      what encode() needs for a block of so many symbols
//   std::size_t counters() const                            how many counts of symbols its table is made from
//   void count(SymbolBlock const&, std::uint64_t* counts) const   adds a block's symbols
//   std::size_t write_table(std::uint64_t const* counts, std::byte* table) const    returns its bytes
//   std::size_t table_bytes(std::byte const* table, std::size_t available) const    0 where it is none
//   void load_codes(std::byte const* table, std::size_t bytes, std::byte* memory) const
//   bool load_lookup(std::byte const* table, std::size_t bytes, std::byte* memory) const
//   std::size_t encode(std::byte* memory, SymbolBlock const&, std::byte* coded, std::size_t most, std::byte* scratch) const
//                                                           returns bytes, or 0 where they exceed `most`
//   bool decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols, std::size_t count,
//               std::uint64_t first) const                  safe on any bytes; `first` as in SymbolBlock
//   bool decode_pair(std::byte* memory, CodedStates const&, CodedStates const&) const   may be absent: two blocks at once
// A Coder with a member `takes_numbers` makes the symbols itself, and has NumberBlock (codecs/kernels/fixed_code.hpp) where
// others have symbols: see there.
// Symbols has:
//   std::uint8_t const* peek(std::uint64_t first, std::size_t count, std::byte* buffer) const
//   std::uint8_t const* read(std::uint64_t first, std::size_t count, std::byte* buffer) const    once for each block
//   std::uint8_t* target(std::uint64_t first, std::byte* buffer) const    where symbols are decoded to
//   void finish(std::uint64_t first, std::size_t count, std::byte* buffer) const    takes them from there
//   static constexpr bool buffered    whether it uses the buffer, of a block's bytes
//   NumberBlock numbers_of(std::uint64_t first, std::size_t count) const    for a Coder that takes numbers

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "codecs/kernels/block_layout.hpp"
#include "codecs/kernels/host_pieces.hpp"
#include "codecs/kernels/state_lanes.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// Symbols of one block, and the place of the first among all.
struct SymbolBlock {
    std::uint8_t const* symbols = nullptr;
    std::size_t count = 0;
    std::uint64_t first = 0;
};

/// Symbols that are a plane's bytes.
struct ByteSymbols {
    static constexpr bool buffered = false;
    std::byte* data = nullptr;

    std::uint8_t const* peek(std::uint64_t first, std::size_t, std::byte*) const {
        return reinterpret_cast<std::uint8_t const*>(data + first);
    }
    std::uint8_t const* read(std::uint64_t first, std::size_t count, std::byte* buffer) const {
        return peek(first, count, buffer);
    }
    std::uint8_t* target(std::uint64_t first, std::byte*) const {
        return reinterpret_cast<std::uint8_t*>(data + first);
    }
    void finish(std::uint64_t, std::size_t, std::byte*) const {}
};

template <class Coder, class Symbols>
class CodedBlocks {
  public:
    CodedBlocks(Coder const& coder, BlockLayout const& layout) : coder_(coder), layout_(layout) {}

    /// payload, headers and, where the coder has tables, codebooks, of at most so many bytes.
    static std::vector<PlaneSpec> planes(Coder const& coder, BlockLayout const& most) {
        std::vector<PlaneSpec> specs{{LedgerLine::payload, most.packed_total(most.plain_bits), true},
                                     {LedgerLine::headers, table_end(most.blocks()), true}};
        if (coder.most_table_bytes() > 0)
            specs.push_back({LedgerLine::codebooks, most.segments() * coder.most_table_bytes(), true});
        return specs;
    }
    static std::size_t workspace_bytes(Coder const& coder, BlockLayout const& most) {
        return host_slots() * slot_bytes(coder, most) + (most.blocks() + 2 * most.segments()) * sizeof(std::uint64_t);
    }

    /// planes: as planes() has them.
    template <class Space>
    void encode(Space const& space, Symbols const& symbols, Planes planes, Workspace workspace) {
        start(workspace, planes[1].data);
        std::memcpy(planes[1].data, &layout_.symbols, sizeof(layout_.symbols));
        payload_ = planes[0].data;
        tables_ = has_tables() ? planes[2].data : nullptr;
        auto const slots = host_slots();
        in_order_ = slots == 1;
        Ends ends;
        if (!in_order_ && layout_.segments() >= 2 * slots) {
            share_pieces(space, slots, layout_.segments(), [this, &symbols](std::size_t slot, std::uint64_t segment) {
                encode_segment(symbols, segment, slot, slot + 1, 0, [slot](std::uint64_t blocks, auto const& work) {
                    for (std::uint64_t block = 0; block < blocks; ++block) work(slot, block);
                });
            });
            for (std::uint64_t segment = 0; segment < layout_.segments(); ++segment) close_up(symbols, segment, ends);
        } else {
            for (std::uint64_t segment = 0; segment < layout_.segments(); ++segment) {
                encode_segment(symbols, segment, 0, slots, ends.payload,
                               [&space, slots](std::uint64_t blocks, auto const& work) {
                                   share_pieces(space, slots, blocks, work);
                               });
                close_up(symbols, segment, ends);
            }
        }
        planes[0].bytes = ends.payload;
        planes[1].bytes = table_end(layout_.blocks());
        if (has_tables()) planes[2].bytes = ends.tables;
    }

    /// Throws CorruptData where the planes are not what encode() writes for this layout.
    template <class Space>
    void decode(Space const& space, Symbols const& symbols, ConstPlanes planes, Workspace workspace) {
        start(workspace, const_cast<std::byte*>(planes[1].data));
        check(planes);
        std::atomic<bool> broken{false};
        auto* const failed = &broken;
        auto const* const payload = planes[0].data;
        auto const* const tables = has_tables() ? planes[2].data : nullptr;
        auto const decode_one = [=, this, &symbols](Slot const& slot, std::uint64_t block) {
            auto const first = layout_.first(block);
            auto const count = layout_.count(block);
            auto* const target = symbols.target(first, slot.buffer);
            auto const* const coded = payload + offsets_[block];
            auto const size = entry(block);
            if ((size & plain_bit) != 0) {
                unpack_codes(layout_.plain_bits, coded, count, target);
            } else {
                if (!load(slot, tables, layout_.segment_of(block))) return false;
                if constexpr (takes_numbers) {
                    return coder_.decode(slot.memory, coded, size, symbols.numbers_of(first, count));
                } else {
                    if (!coder_.decode(slot.memory, coded, size, target, count, first)) return false;
                }
            }
            symbols.finish(first, count, slot.buffer);
            return true;
        };
        auto const blocks = layout_.blocks();
        if constexpr (in_pairs) {
            share_pieces(space, host_slots(), (blocks + 1) / 2,
                         [=, this, &symbols](std::size_t index, std::uint64_t pair) {
                             auto const slot = slot_of(index);
                             auto const one = 2 * pair;
                             auto const coded = [&](std::uint64_t block) {
                                 auto const first = layout_.first(block);
                                 return CodedStates{payload + offsets_[block], entry(block),
                                                    symbols.target(first, nullptr), layout_.count(block)};
                             };
                             bool decoded = false;
                             if (one + 1 < blocks && ((entry(one) | entry(one + 1)) & plain_bit) == 0 &&
                                 layout_.segment_of(one) == layout_.segment_of(one + 1)) {
                                 decoded = load(slot, tables, layout_.segment_of(one)) &&
                                           coder_.decode_pair(slot.memory, coded(one), coded(one + 1));
                             } else {
                                 decoded = decode_one(slot, one) && (one + 1 == blocks || decode_one(slot, one + 1));
                             }
                             if (!decoded) *failed = true;
                         });
        } else {
            share_pieces(space, host_slots(), blocks, [=, this](std::size_t index, std::uint64_t block) {
                if (!decode_one(slot_of(index), block)) *failed = true;
            });
        }
        if (broken) throw CorruptData("a coded block is broken");
    }

    /// The symbols that a headers plane says there are; throws CorruptData where it is cut off.
    static std::uint64_t stored_symbols(ConstPlane headers) {
        std::uint64_t symbols = 0;
        if (headers.bytes < sizeof(symbols)) throw CorruptData("blocks without their number of symbols");
        std::memcpy(&symbols, headers.data, sizeof(symbols));
        return symbols;
    }

  private:
    static constexpr bool takes_numbers = requires { Coder::takes_numbers; };
    /// Whether two blocks are decoded at once: symbols then go to where they belong.
    static constexpr bool in_pairs = requires { &Coder::decode_pair; } && !Symbols::buffered;
    static constexpr std::uint32_t plain_bit = 1U << 31;
    static constexpr std::uint64_t none = ~std::uint64_t{0};

    struct Ends {
        std::uint64_t payload = 0;
        std::uint64_t tables = 0;
    };
    struct Slot {
        std::uint64_t* loaded;  ///< the segment whose table `memory` holds
        std::byte* memory;
        std::uint64_t* counts;
        std::byte* scratch;
        std::byte* buffer;
    };

    static std::size_t aligned(std::size_t bytes) { return (bytes + 63) / 64 * 64; }
    static std::uint64_t table_end(std::uint64_t blocks) { return sizeof(std::uint64_t) + 4 * blocks; }
    static std::size_t slot_bytes(Coder const& coder, BlockLayout const& layout) {
        auto const block = std::min(layout.block_symbols, std::max<std::uint64_t>(1, layout.symbols));
        return 64 + aligned(coder.tables_bytes()) + aligned(coder.counters() * sizeof(std::uint64_t)) +
               aligned(coder.scratch_bytes(block)) + (Symbols::buffered ? aligned(block) : 0);
    }
    bool has_tables() const { return coder_.most_table_bytes() > 0; }

    void start(Workspace workspace, std::byte* headers) {
        workspace_ = workspace;
        slot_bytes_ = slot_bytes(coder_, layout_);
        offsets_ = reinterpret_cast<std::uint64_t*>(workspace + host_slots() * slot_bytes_);
        table_offsets_ = offsets_ + layout_.blocks();
        table_sizes_ = table_offsets_ + layout_.segments();
        headers_ = headers;
        for (std::size_t slot = 0; slot < host_slots(); ++slot) *slot_of(slot).loaded = none;
    }

    Slot slot_of(std::size_t index) const {
        auto* const at = workspace_ + index * slot_bytes_;
        auto* const memory = at + 64;
        auto* const counts = memory + aligned(coder_.tables_bytes());
        auto* const scratch = counts + aligned(coder_.counters() * sizeof(std::uint64_t));
        auto const block = std::min(layout_.block_symbols, std::max<std::uint64_t>(1, layout_.symbols));
        return {reinterpret_cast<std::uint64_t*>(at), memory, reinterpret_cast<std::uint64_t*>(counts), scratch,
                scratch + aligned(coder_.scratch_bytes(block))};
    }

    /// Makes what a slot decodes a segment with; false where its table is broken.
    bool load(Slot const& slot, std::byte const* tables, std::uint64_t segment) const {
        if (*slot.loaded == segment) return true;
        *slot.loaded = none;
        if (has_tables() && !coder_.load_lookup(tables + table_offsets_[segment], table_sizes_[segment], slot.memory))
            return false;
        *slot.loaded = segment;
        return true;
    }

    std::uint32_t entry(std::uint64_t block) const {
        std::uint32_t size = 0;
        std::memcpy(&size, headers_ + table_end(block), sizeof(size));
        return size;
    }
    void set_entry(std::uint64_t block, std::size_t bytes, bool plain) const {
        auto const size = static_cast<std::uint32_t>(bytes) | (plain ? plain_bit : 0);
        std::memcpy(headers_ + table_end(block), &size, sizeof(size));
    }

    std::uint64_t bytes_of(std::uint64_t block) const { return entry(block) & ~plain_bit; }

    SymbolBlock peek(Symbols const& symbols, std::uint64_t block, std::byte* buffer) const {
        auto const first = layout_.first(block);
        auto const count = layout_.count(block);
        return {symbols.peek(first, count, buffer), count, first};
    }
    std::byte* place_of(std::uint64_t block) const { return payload_ + offsets_[block]; }
    void store_plain(std::uint64_t number, SymbolBlock const& block) const {
        pack_codes(layout_.plain_bits, block.symbols, block.count, place_of(number));
        set_entry(number, layout_.plain_bytes(number), true);
    }

    /// Codes a segment's blocks with the slots [first_slot, last_slot): one behind the other from `end` on where one thread meets
    /// them in order, else where they would stand if none shrank. run(blocks, work) calls work(slot, block) for each.
    template <class Run>
    void encode_segment(Symbols const& symbols, std::uint64_t segment, std::size_t first_slot, std::size_t last_slot,
                        std::uint64_t end, Run const& run) {
        auto const first_block = layout_.first_block(segment);
        auto const blocks = layout_.first_block(segment + 1) - first_block;
        if (has_tables()) {
            auto const counters = coder_.counters();
            for (auto slot = first_slot; slot < last_slot; ++slot) std::fill_n(slot_of(slot).counts, counters, 0);
            run(blocks, [this, &symbols, first_block](std::size_t index, std::uint64_t block) {
                auto const slot = slot_of(index);
                auto const number = first_block + block;
                if constexpr (takes_numbers) {
                    coder_.count(symbols.numbers_of(layout_.first(number), layout_.count(number)), slot.buffer,
                                 slot.counts);
                } else {
                    coder_.count(peek(symbols, number, slot.buffer), slot.counts);
                }
            });
            auto* const sums = slot_of(first_slot).counts;
            for (auto slot = first_slot + 1; slot < last_slot; ++slot) {
                auto const* const more = slot_of(slot).counts;
                for (std::size_t i = 0; i < counters; ++i) sums[i] += more[i];
            }
            table_sizes_[segment] = coder_.write_table(sums, table_of(segment));
        }
        run(blocks, [this, &symbols, first_block, segment, end](std::size_t index, std::uint64_t of_segment) {
            auto const slot = slot_of(index);
            if (*slot.loaded != segment) {
                if (has_tables()) coder_.load_codes(table_of(segment), table_sizes_[segment], slot.memory);
                *slot.loaded = segment;
            }
            auto const number = first_block + of_segment;
            auto const first = layout_.first(number);
            auto const count = layout_.count(number);
            offsets_[number] = !in_order_        ? layout_.packed_place(number, layout_.plain_bits)
                               : of_segment == 0 ? end
                                                 : offsets_[number - 1] + bytes_of(number - 1);
            auto const encode_block = [&](auto const& block) {
                return coder_.encode(slot.memory, block, place_of(number), layout_.plain_bytes(number) - 1,
                                     slot.scratch);
            };
            std::size_t bytes = 0;
            if constexpr (takes_numbers) {
                bytes = encode_block(symbols.numbers_of(first, count));
                if (bytes == 0) return store_plain(number, peek(symbols, number, slot.buffer));
            } else {
                SymbolBlock const block{symbols.read(first, count, slot.buffer), count, first};
                bytes = encode_block(block);
                if (bytes == 0) return store_plain(number, block);
            }
            set_entry(number, bytes, false);
        });
    }

    std::byte* table_of(std::uint64_t segment) const { return tables_ + segment * coder_.most_table_bytes(); }

    /// Moves a segment's blocks and its table to the end of those before, or gives up coding it where that makes it no smaller.
    void close_up(Symbols const& symbols, std::uint64_t segment, Ends& ends) const {
        auto const first = layout_.first_block(segment);
        auto const last = layout_.first_block(segment + 1);
        std::uint64_t saved = 0;
        for (auto block = first; block < last; ++block) saved += layout_.plain_bytes(block) - bytes_of(block);
        auto const table_bytes = has_tables() ? table_sizes_[segment] : 0;
        bool const coded = saved > table_bytes;
        for (auto block = first; block < last; ++block) {
            auto const* const from = place_of(block);
            offsets_[block] = ends.payload;
            if (!coded) {
                store_plain(block, peek(symbols, block, slot_of(0).buffer));
            } else if (from != place_of(block)) {
                std::memmove(place_of(block), from, bytes_of(block));
            }
            ends.payload += bytes_of(block);
        }
        if (!coded || !has_tables()) return;
        std::memmove(tables_ + ends.tables, table_of(segment), table_bytes);
        ends.tables += table_bytes;
    }

    /// Finds where blocks and tables begin.
    void check(ConstPlanes planes) const {
        if (planes[1].bytes != table_end(layout_.blocks())) throw CorruptData("block sizes cut off");
        std::uint64_t end = 0;
        std::uint64_t tables_end = 0;
        for (std::uint64_t segment = 0; segment < layout_.segments(); ++segment) {
            bool coded = false;
            for (auto block = layout_.first_block(segment); block < layout_.first_block(segment + 1); ++block) {
                auto const size = entry(block);
                std::uint64_t const bytes = size & ~plain_bit;
                bool const plain = (size & plain_bit) != 0;
                auto const plain_bytes = layout_.plain_bytes(block);
                if ((plain ? bytes != plain_bytes : bytes >= plain_bytes) || bytes > planes[0].bytes - end)
                    throw CorruptData("a block has a size that none has");
                offsets_[block] = end;
                end += bytes;
                coded = coded || !plain;
            }
            if (!coded || !has_tables()) continue;
            table_offsets_[segment] = tables_end;
            table_sizes_[segment] = coder_.table_bytes(planes[2].data + tables_end, planes[2].bytes - tables_end);
            if (table_sizes_[segment] == 0) throw CorruptData("a table of a coder is broken");
            tables_end += table_sizes_[segment];
        }
        if (end != planes[0].bytes || (has_tables() && tables_end != planes[2].bytes))
            throw CorruptData("bytes after the last block or table");
    }

    Coder const& coder_;
    BlockLayout layout_;
    std::byte* workspace_ = nullptr;
    std::size_t slot_bytes_ = 0;
    std::uint64_t* offsets_ = nullptr;  ///< of blocks in the payload
    std::uint64_t* table_offsets_ = nullptr;
    std::uint64_t* table_sizes_ = nullptr;
    std::byte* headers_ = nullptr;
    std::byte* payload_ = nullptr;
    std::byte* tables_ = nullptr;
    bool in_order_ = false;
};

}  // namespace kvstone
