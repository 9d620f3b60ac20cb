#include "codecs/kernels/channel_rans_coder.hpp"

#include <algorithm>
#include <array>

#include "codecs/kernels/channel_tables.hpp"
#include "codecs/kernels/rans_table.hpp"
#include "codecs/kernels/state_lanes.hpp"

namespace kvstone {
namespace {

/// About what a table of 64 symbols takes.
constexpr std::uint64_t usual_table_bits = 1024;

struct Tables {
    std::size_t tables = 0;
    std::size_t bytes = 0;
};

/// Reads a segment's tables: `table_of` each place, and each table to take(index, frequencies). No bytes where they are
/// none that are written.
template <class Take>
Tables read_tables(std::byte const* from, std::size_t available, std::uint64_t places, std::uint8_t* table_of,
                   Take const& take) {
    if (available < 1) return {};
    auto const tables = std::to_integer<std::size_t>(from[0]);
    if (tables < 1 || tables > most_channel_tables) return {};
    std::size_t end = 1;
    std::size_t named = 1;
    std::fill_n(table_of, places, std::uint8_t{0});
    if (tables > 1) {
        if (available - end < (places + 1) / 2) return {};
        named = 0;
        for (std::uint64_t place = 0; place < places + places % 2; ++place) {
            auto const table = std::to_integer<std::uint8_t>(from[end + place / 2] >> (place % 2 * 4)) & 15U;
            if (place == places) {
                if (table != 0) return {};
                continue;
            }
            if (table > named || table >= tables) return {};
            named = std::max<std::size_t>(named, table + 1U);
            table_of[place] = static_cast<std::uint8_t>(table);
        }
        end += (places + 1) / 2;
    }
    if (named != tables) return {};
    Frequencies frequencies;
    for (std::size_t table = 0; table < tables; ++table) {
        auto const bytes = read_rans_table(from + end, available - end, frequencies);
        if (bytes == 0) return {};
        take(table, frequencies);
        end += bytes;
    }
    return {tables, end};
}

void write_walk(std::uint8_t const* table_of, std::uint64_t places, std::uint32_t* walk) {
    for (std::uint64_t i = 0; i < places + most_state_lanes; ++i) walk[i] = table_of[i % places];
}

}  // namespace

std::size_t ChannelRansCoder::most_table_bytes() const {
    return 1 + (places_ + 1) / 2 + std::min(places_, std::uint64_t{most_channel_tables}) * most_rans_table_bytes;
}

std::size_t ChannelRansCoder::tables_bytes() const {
    return walk_bytes() + most_channel_tables * rans_slots * sizeof(std::uint32_t);
}

std::size_t ChannelRansCoder::scratch_bytes(std::size_t count) const { return state_scratch_bytes(count); }

std::size_t ChannelRansCoder::counters() const { return places_ * 256; }

void ChannelRansCoder::count(SymbolBlock const& block, std::uint64_t* counts) const {
    auto place = block.first % places_;
    for (std::size_t i = 0; i < block.count; ++i) {
        ++counts[place * 256 + block.symbols[i]];
        if (++place == places_) place = 0;
    }
}

std::size_t ChannelRansCoder::write_table(std::uint64_t const* counts, std::byte* table) const {
    std::array<std::uint8_t, most_row_places> table_of;
    auto const tables = share_tables(counts, places_, usual_table_bits, table_of.data());
    table[0] = static_cast<std::byte>(tables);
    std::size_t end = 1;
    if (tables > 1) {
        for (std::uint64_t place = 0; place < places_; place += 2) {
            auto const next = place + 1 < places_ ? table_of[place + 1] : 0;
            table[end++] = static_cast<std::byte>(table_of[place] | next << 4);
        }
    }
    for (std::size_t t = 0; t < tables; ++t) {
        SymbolCounts sums{};
        bool any = false;
        for (std::uint64_t place = 0; place < places_; ++place) {
            if (table_of[place] != t) continue;
            for (std::size_t symbol = 0; symbol < 256; ++symbol) {
                sums[symbol] += counts[place * 256 + symbol];
                any = any || sums[symbol] > 0;
            }
        }
        // Less than a row: some places have no symbol.
        if (!any) sums[0] = 1;
        end += write_rans_table(rans_frequencies(sums), table + end);
    }
    return end;
}

std::size_t ChannelRansCoder::table_bytes(std::byte const* table, std::size_t available) const {
    std::array<std::uint8_t, most_row_places> table_of;
    return read_tables(table, available, places_, table_of.data(), [](std::size_t, Frequencies const&) {}).bytes;
}

void ChannelRansCoder::load_codes(std::byte const* table, std::size_t bytes, std::byte* memory) const {
    std::array<std::uint8_t, most_row_places> table_of;
    auto* const codes = reinterpret_cast<std::uint32_t*>(memory + walk_bytes());
    auto* const reciprocals = reinterpret_cast<float*>(codes + most_channel_tables * 256);
    read_tables(table, bytes, places_, table_of.data(), [&](std::size_t index, Frequencies const& frequencies) {
        make_rans_codes(frequencies, codes + index * 256, reciprocals + index * 256);
    });
    write_walk(table_of.data(), places_, reinterpret_cast<std::uint32_t*>(memory));
}

bool ChannelRansCoder::load_lookup(std::byte const* table, std::size_t bytes, std::byte* memory) const {
    std::array<std::uint8_t, most_row_places> table_of;
    auto* const entries = reinterpret_cast<std::uint32_t*>(memory + walk_bytes());
    auto const read =
        read_tables(table, bytes, places_, table_of.data(), [&](std::size_t index, Frequencies const& frequencies) {
            make_rans_lookup(frequencies, entries + index * rans_slots);
        });
    write_walk(table_of.data(), places_, reinterpret_cast<std::uint32_t*>(memory));
    return read.bytes > 0;
}

std::size_t ChannelRansCoder::encode(std::byte* memory, SymbolBlock const& block, std::byte* coded, std::size_t most,
                                     std::byte* scratch) const {
    auto const* const codes = reinterpret_cast<std::uint32_t const*>(memory + walk_bytes());
    TableWalk const walk{reinterpret_cast<std::uint32_t const*>(memory), static_cast<std::uint32_t>(places_),
                         static_cast<std::uint32_t>(block.first % places_)};
    RansCodes const all{codes, reinterpret_cast<float const*>(codes + most_channel_tables * 256), walk};
    return encode_states(all, block.symbols, block.count, coded, most, scratch);
}

bool ChannelRansCoder::decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                              std::size_t count, std::uint64_t first) const {
    TableWalk const walk{reinterpret_cast<std::uint32_t const*>(memory), static_cast<std::uint32_t>(places_),
                         static_cast<std::uint32_t>(first % places_)};
    RansLookup const lookup{reinterpret_cast<std::uint32_t const*>(memory + walk_bytes()), walk};
    return decode_states(lookup, coded, bytes, symbols, count);
}

}  // namespace kvstone
