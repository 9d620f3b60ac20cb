#include "codecs/kernels/fixed_code.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/fixed_code.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#ifndef KVSTONE_FIXED_CODE_ONCE
#define KVSTONE_FIXED_CODE_ONCE
namespace kvstone {

/// What either direction makes of a table: the codes' symbols, zeros behind them.
struct FixedTable {
    std::uint8_t symbols[16];
    std::uint32_t count;
    std::uint8_t escape;
};

/// What vectors may write or read beyond an array's end.
inline constexpr std::size_t vector_room = 256;

}  // namespace kvstone
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// Codes of `count` symbols; those without one go to `escaped`, which has room for vector_room more. Returns their end.
std::uint8_t* find_codes(FixedTable const& table, std::uint8_t const* symbols, std::size_t count, std::uint8_t* codes,
                         std::uint8_t* escaped) {
    hn::CappedTag<std::uint8_t, 64> const d;
    std::size_t const width = hn::Lanes(d);
    auto const escape = hn::Set(d, table.escape);
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        auto const symbol = hn::LoadU(d, symbols + i);
        auto code = escape;
        for (std::uint32_t k = 0; k < table.count; ++k) {
            auto const is_this = hn::Eq(symbol, hn::Set(d, table.symbols[k]));
            code = hn::IfThenElse(is_this, hn::Set(d, static_cast<std::uint8_t>(k)), code);
        }
        hn::StoreU(code, d, codes + i);
        auto const escapes = hn::Eq(code, escape);
        if (!hn::AllFalse(d, escapes)) escaped += hn::CompressStore(symbol, escapes, d, escaped);
    }
    for (; i < count; ++i) {
        codes[i] = table.escape;
        for (std::uint32_t k = 0; k < table.count; ++k) {
            if (symbols[i] == table.symbols[k]) codes[i] = static_cast<std::uint8_t>(k);
        }
        if (codes[i] == table.escape) *escaped++ = symbols[i];
    }
    return escaped;
}

std::size_t count_escapes(FixedTable const& table, std::uint8_t const* codes, std::size_t count) {
    hn::CappedTag<std::uint8_t, 64> const d;
    std::size_t const width = hn::Lanes(d);
    auto const escape = hn::Set(d, table.escape);
    std::size_t escapes = 0;
    std::size_t i = 0;
    for (; i + width <= count; i += width) escapes += hn::CountTrue(d, hn::Eq(hn::LoadU(d, codes + i), escape));
    for (; i < count; ++i) escapes += codes[i] == table.escape;
    return escapes;
}

/// Turns codes into symbols in place. `escaped`: as many as count_escapes() says, and vector_room more.
void find_symbols(FixedTable const& table, std::uint8_t* codes, std::size_t count, std::uint8_t const* escaped) {
    hn::CappedTag<std::uint8_t, 64> const d;
    std::size_t const width = hn::Lanes(d);
    auto const escape = hn::Set(d, table.escape);
    auto const symbols = hn::LoadDup128(d, table.symbols);
    std::size_t i = 0;
    for (; i + width <= count; i += width) {
        auto const code = hn::LoadU(d, codes + i);
        auto symbol = hn::TableLookupBytes(symbols, code);
        auto const escapes = hn::Eq(code, escape);
        if (!hn::AllFalse(d, escapes)) {
            symbol = hn::IfThenElse(escapes, hn::Expand(hn::LoadU(d, escaped), escapes), symbol);
            escaped += hn::CountTrue(d, escapes);
        }
        hn::StoreU(symbol, d, codes + i);
    }
    for (; i < count; ++i) codes[i] = codes[i] == table.escape ? *escaped++ : table.symbols[codes[i]];
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <array>
#include <cstring>

#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/symbol_counts.hpp"

namespace kvstone {

HWY_EXPORT(find_codes);
HWY_EXPORT(count_escapes);
HWY_EXPORT(find_symbols);

namespace {

constexpr std::size_t chunk = 1024;

}  // namespace

std::size_t FixedCoder::tables_bytes() const { return 64 + block_symbols_ + vector_room; }

std::size_t FixedCoder::scratch_bytes(std::size_t count) const { return count + vector_room; }

void FixedCoder::count(SymbolBlock const& block, std::uint64_t* counts) const {
    count_symbols(block.symbols, block.count, counts);
}

std::size_t FixedCoder::write_table(std::uint64_t const* counts, std::byte* table) const {
    std::array<std::uint8_t, 256> order;
    for (std::size_t symbol = 0; symbol < 256; ++symbol) order[symbol] = static_cast<std::uint8_t>(symbol);
    std::sort(order.begin(), order.end(), [counts](std::uint8_t left, std::uint8_t right) {
        return counts[left] != counts[right] ? counts[left] > counts[right] : left < right;
    });
    std::size_t symbols = 0;
    while (symbols < escape() && counts[order[symbols]] > 0) ++symbols;
    table[0] = static_cast<std::byte>(symbols);
    std::memcpy(table + 1, order.data(), symbols);
    return 1 + symbols;
}

std::size_t FixedCoder::table_bytes(std::byte const* table, std::size_t available) const {
    if (available < 1) return 0;
    auto const symbols = std::to_integer<std::size_t>(table[0]);
    return symbols > 0 && symbols <= escape() && symbols < available ? 1 + symbols : 0;
}

void FixedCoder::load_codes(std::byte const* table, std::size_t bytes, std::byte* memory) const {
    auto& fixed = *reinterpret_cast<FixedTable*>(memory);
    std::memset(fixed.symbols, 0, sizeof(fixed.symbols));
    fixed.count = static_cast<std::uint32_t>(bytes - 1);
    std::memcpy(fixed.symbols, table + 1, fixed.count);
    fixed.escape = escape();
}

bool FixedCoder::load_lookup(std::byte const* table, std::size_t bytes, std::byte* memory) const {
    load_codes(table, bytes, memory);
    return true;
}

std::size_t FixedCoder::encode(std::byte* memory, SymbolBlock const& block, std::byte* coded, std::size_t most,
                               std::byte* scratch) const {
    auto const code_bytes = packed_bytes(block.count, code_bits_);
    if (code_bytes > most) return 0;
    auto const& table = *reinterpret_cast<FixedTable const*>(memory);
    auto* const escaped = reinterpret_cast<std::uint8_t*>(scratch);
    auto* escaped_end = escaped;
    auto* const find = HWY_DYNAMIC_POINTER(find_codes);
    std::array<std::uint8_t, chunk> codes;
    for (std::size_t i = 0; i < block.count; i += chunk) {
        auto const now = std::min(chunk, block.count - i);
        escaped_end = find(table, block.symbols + i, now, codes.data(), escaped_end);
        pack_codes(code_bits_, codes.data(), now, coded + i / 8 * code_bits_);
    }
    auto const escapes = static_cast<std::size_t>(escaped_end - escaped);
    auto const bytes = code_bytes + packed_bytes(escapes, symbol_bits_);
    if (bytes > most) return 0;
    pack_codes(symbol_bits_, escaped, escapes, coded + code_bytes);
    return bytes;
}

bool FixedCoder::decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                        std::size_t count, std::uint64_t) const {
    auto const code_bytes = packed_bytes(count, code_bits_);
    if (bytes < code_bytes) return false;
    auto const& table = *reinterpret_cast<FixedTable const*>(memory);
    unpack_codes(code_bits_, coded, count, symbols);
    auto const escapes = HWY_DYNAMIC_DISPATCH(count_escapes)(table, symbols, count);
    if (bytes - code_bytes != packed_bytes(escapes, symbol_bits_)) return false;
    auto* const escaped = reinterpret_cast<std::uint8_t*>(memory + 64);
    unpack_codes(symbol_bits_, coded + code_bytes, escapes, escaped);
    HWY_DYNAMIC_DISPATCH(find_symbols)(table, symbols, count, escaped);
    return true;
}

}  // namespace kvstone
#endif  // HWY_ONCE
