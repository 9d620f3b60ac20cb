#include "codecs/kernels/state_lanes.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/state_lanes.cpp"
#define KVSTONE_BYTES_BETWEEN_PARTS
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "codecs/kernels/huffman_registers.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::CappedTag<std::uint32_t, 16>;
using WordVector = hn::Vec<Words>;
using Signed = hn::RebindToSigned<Words>;
using Halves = hn::Rebind<std::uint16_t, Words>;
using HalfBytes = hn::Repartition<std::uint8_t, Halves>;
using Bytes = hn::Rebind<std::uint8_t, Words>;
constexpr std::size_t width = hn::MaxLanes(Words());
constexpr std::size_t vectors = most_state_lanes / width;
constexpr std::size_t group_word_bytes = 2 * most_state_lanes;

HWY_INLINE WordVector gather(std::uint32_t const* table, WordVector index) {
    return hn::GatherIndex(Words(), table, hn::BitCast(Signed(), index));
}

/// The tables of `width` symbols from `place` on; the caller keeps place + width within period + 64.
HWY_INLINE WordVector tables_at(TableWalk const& walk, std::size_t place) {
    return hn::LoadU(Words(), walk.tables + place);
}

// Popping: the symbols of a group of states, and the states without them.

/// The entry of each state's symbol, which is its low byte.
template <bool walks>
HWY_INLINE WordVector pop(HuffmanLookup const& lookup, WordVector& state, std::size_t) {
    Words const d;
    auto const entry = gather(lookup.entries, hn::And(state, hn::Set(d, (1U << lookup.bits) - 1)));
    state = hn::Shr(state, hn::ShiftRight<8>(entry));
    return entry;
}

template <bool walks>
HWY_INLINE WordVector pop(RansLookup const& lookup, WordVector& state, std::size_t place) {
    Words const d;
    auto const low = hn::Set(d, (1U << rans_bits) - 1);
    auto slot = hn::And(state, low);
    if constexpr (walks) slot = hn::Add(slot, hn::ShiftLeft<rans_bits>(tables_at(lookup.walk, place)));
    auto const entry = gather(lookup.entries, slot);
    auto const high = hn::ShiftRight<rans_bits>(state);
    auto const rest = hn::Add(high, hn::And(hn::ShiftRight<8>(entry), low));
    state = hn::Add(hn::Mul(hn::ShiftRight<20>(entry), high), rest);
    return entry;
}

template <bool walks, class Lookup>
struct GatheringPop {
    Lookup const& lookup;

    HWY_INLINE void operator()(WordVector* state, std::size_t place, std::uint8_t* to) const {
#pragma GCC unroll 16
        for (std::size_t v = 0; v < vectors; ++v) {
            auto const entry = pop<walks>(lookup, state[v], place + v * width);
            hn::StoreU(hn::TruncateTo(Bytes(), entry), Bytes(), to + v * width);
        }
    }
};

/// Takes a word into each state that is too small. Reads 2 `width` bytes.
HWY_INLINE WordVector take_words(WordVector state, std::uint8_t const*& words) {
    Words const d;
    auto const small = hn::Lt(state, hn::Set(d, least_state));
    auto const next = hn::PromoteTo(d, hn::BitCast(Halves(), hn::LoadU(HalfBytes(), words)));
    auto const joined = hn::Or(hn::ShiftLeft<16>(state), hn::Expand(next, small));
    words += 2 * hn::CountTrue(d, small);
    return hn::IfThenElse(small, joined, state);
}

/// Pops the symbols of a group. Reads up to group_word_bytes of words.
template <class Pop>
HWY_INLINE void pop_group(Pop const& pop, WordVector* state, std::size_t place, std::uint8_t* to,
                          std::uint8_t const*& words) {
    pop(state, place, to);
#pragma GCC unroll 16
    for (std::size_t v = 0; v < vectors; ++v) state[v] = take_words(state[v], words);
}

HWY_INLINE void load_states(std::uint32_t const* states, WordVector* state) {
    for (std::size_t v = 0; v < vectors; ++v) state[v] = hn::LoadU(Words(), states + v * width);
}
HWY_INLINE void store_states(WordVector const* state, std::uint32_t* states) {
    for (std::size_t v = 0; v < vectors; ++v) hn::StoreU(state[v], Words(), states + v * width);
}
HWY_INLINE std::uint8_t const* bytes_of(std::byte const* words) { return reinterpret_cast<std::uint8_t const*>(words); }

/// Pops the groups [group, groups) of one stream, which is brought up to date. False where words are missing.
template <class Pop>
bool pop_rest(Pop const& pop, TableWalk const& walk, StateStream& stream, std::size_t group, std::size_t groups) {
    WordVector state[vectors];
    load_states(stream.states.data(), state);
    auto const place = [&] { return (walk.first + group * most_state_lanes) % walk.period; };
    auto const* at = bytes_of(stream.words);
    auto const* const last = bytes_of(stream.end);
    for (; group < groups && static_cast<std::size_t>(last - at) >= group_word_bytes; ++group)
        pop_group(pop, state, place(), stream.symbols + group * most_state_lanes, at);
    stream.words += at - bytes_of(stream.words);
    if (group < groups) {
        // The last words again, with room behind them: a group takes no more than so many.
        std::uint8_t tail[2 * group_word_bytes] = {};
        auto const rest = last - at;
        std::memcpy(tail, at, static_cast<std::size_t>(rest));
        auto const* in_tail = static_cast<std::uint8_t const*>(tail);
        for (; group < groups && in_tail - tail <= rest; ++group)
            pop_group(pop, state, place(), stream.symbols + group * most_state_lanes, in_tail);
        if (in_tail - tail > rest) return false;
        stream.words += in_tail - tail;
    }
    store_states(state, stream.states.data());
    return true;
}

/// Pops full groups of 64 symbols of `count` streams side by side: each waits for its own states alone.
template <bool walks, std::size_t count, class Pop>
bool pop_groups(Pop const& pop, TableWalk const& walk, StateStream* streams, std::size_t groups) {
    WordVector state[count][vectors];
    std::uint8_t const* at[count];
    for (std::size_t k = 0; k < count; ++k) {
        load_states(streams[k].states.data(), state[k]);
        at[k] = bytes_of(streams[k].words);
    }
    auto const room = [&] {
        bool enough = true;
        for (std::size_t k = 0; k < count; ++k)
            enough = enough && static_cast<std::size_t>(bytes_of(streams[k].end) - at[k]) >= group_word_bytes;
        return enough;
    };
    std::size_t place = walk.first % walk.period;
    std::size_t group = 0;
    for (; group < groups && room(); ++group) {
#pragma GCC unroll 2
        for (std::size_t k = 0; k < count; ++k)
            pop_group(pop, state[k], place, streams[k].symbols + group * most_state_lanes, at[k]);
        if constexpr (walks) place = (place + most_state_lanes) % walk.period;
    }
    bool complete = true;
    for (std::size_t k = 0; k < count; ++k) {
        store_states(state[k], streams[k].states.data());
        streams[k].words += at[k] - bytes_of(streams[k].words);
        complete = complete && pop_rest(pop, walk, streams[k], group, groups);
    }
    return complete;
}

// Pushing: vectors hold lanes in descending order, so that words leave in the order in which they are pushed.

/// Moves a word out of each state of `full`. Writes 2 `width` bytes.
template <class Mask>
HWY_INLINE WordVector give_words(WordVector state, Mask full, std::uint8_t*& words) {
    Words const d;
    auto const leaving = hn::TruncateTo(Halves(), hn::Compress(state, full));
    hn::StoreU(hn::BitCast(HalfBytes(), leaving), HalfBytes(), words);
    words += 2 * hn::CountTrue(d, full);
    return hn::IfThenElse(full, hn::ShiftRight<16>(state), state);
}

HWY_INLINE WordVector push_code(WordVector code, WordVector length, WordVector state, std::uint8_t*& words) {
    Words const d;
    auto const full = hn::Ge(hn::Shr(state, hn::Sub(hn::Set(d, 31), length)), hn::Set(d, 2));
    return hn::Or(hn::Shl(give_words(state, full, words), length), code);
}

template <bool walks>
HWY_INLINE WordVector push(HuffmanCodes const& codes, WordVector state, WordVector symbol, std::size_t,
                           std::uint8_t*& words) {
    auto const code = gather(codes.codes, symbol);
    return push_code(hn::And(code, hn::Set(Words(), 0xffff)), hn::ShiftRight<16>(code), state, words);
}

/// floor(x / f) comes from single precision: x < f 2^20 and three roundings of 2^-24 err by less than one, which the
/// remainder tells.
template <bool walks>
HWY_INLINE WordVector push(RansCodes const& codes, WordVector state, WordVector symbol, std::size_t place,
                           std::uint8_t*& words) {
    Words const d;
    hn::RebindToFloat<Words> const floats;
    Signed const integers;
    if constexpr (walks) {
        auto const tables = hn::Reverse(d, tables_at(codes.walk, place));
        symbol = hn::Add(symbol, hn::ShiftLeft<8>(tables));
    }
    auto const code = gather(codes.codes, symbol);
    auto const reciprocal = hn::GatherIndex(floats, codes.reciprocals, hn::BitCast(integers, symbol));
    auto const frequency = hn::And(code, hn::Set(d, 0xffff));
    state = give_words(state, hn::Ge(hn::ShiftRight<32 - rans_bits>(state), frequency), words);
    auto quotient = hn::BitCast(d, hn::ConvertTo(integers, hn::Mul(hn::ConvertTo(floats, state), reciprocal)));
    auto rest = hn::BitCast(integers, hn::Sub(state, hn::Mul(quotient, frequency)));
    auto const one = hn::Set(d, 1);
    auto const whole = hn::BitCast(integers, frequency);
    auto const below = hn::Lt(rest, hn::Zero(integers));
    rest = hn::IfThenElse(below, hn::Add(rest, whole), rest);
    quotient = hn::IfThenElse(hn::RebindMask(d, below), hn::Sub(quotient, one), quotient);
    auto const above = hn::Ge(rest, whole);
    rest = hn::IfThenElse(above, hn::Sub(rest, whole), rest);
    quotient = hn::IfThenElse(hn::RebindMask(d, above), hn::Add(quotient, one), quotient);
    return hn::Add(hn::Add(hn::ShiftLeft<rans_bits>(quotient), hn::BitCast(d, rest)), hn::ShiftRight<16>(code));
}

template <bool walks, class Codes>
struct GatheringPush {
    Codes const& codes;

    HWY_INLINE void operator()(WordVector* state, std::uint8_t const* from, std::size_t place,
                               std::uint8_t*& words) const {
        Words const d;
#pragma GCC unroll 16
        for (std::size_t v = 0; v < vectors; ++v) {
            auto const lane = most_state_lanes - (v + 1) * width;
            auto const symbol = hn::Reverse(d, hn::PromoteTo(d, hn::LoadU(Bytes(), from + lane)));
            state[v] = push<walks>(codes, state[v], symbol, place + lane, words);
        }
    }
};

#ifdef KVSTONE_BYTES_IN_REGISTERS
struct RegisterPop {
    HuffmanRegisters::Lookup lookup;
    HWY_INLINE void operator()(WordVector* state, std::size_t, std::uint8_t* to) const { lookup.pop(state, to); }
};

struct RegisterPush {
    HuffmanRegisters::Codes codes;

    HWY_INLINE void operator()(WordVector* state, std::uint8_t const* from, std::size_t, std::uint8_t*& words) const {
        WordVector code[vectors];
        codes.of(from, code);
#pragma GCC unroll 16
        for (std::size_t v = 0; v < vectors; ++v)
            state[v] =
                push_code(hn::And(code[v], hn::Set(Words(), 0xfff)), hn::ShiftRight<12>(code[v]), state[v], words);
    }
};
#endif

/// Pushes full groups of 64 symbols, the last first.
template <bool walks, class Push>
void push_groups(Push const& push, TableWalk const& walk, std::uint8_t const* symbols, std::size_t groups,
                 std::uint32_t* states, std::byte*& words) {
    Words const d;
    WordVector state[vectors];
    for (std::size_t v = 0; v < vectors; ++v) {
        state[v] = hn::Reverse(d, hn::LoadU(d, states + most_state_lanes - (v + 1) * width));
    }
    auto* out = reinterpret_cast<std::uint8_t*>(words);
    for (auto group = groups; group-- > 0;) {
        std::size_t const place = walks ? (walk.first + group * most_state_lanes) % walk.period : 0;
        push(state, symbols + group * most_state_lanes, place, out);
    }
    words += out - reinterpret_cast<std::uint8_t*>(words);
    for (std::size_t v = 0; v < vectors; ++v) {
        hn::StoreU(hn::Reverse(d, state[v]), d, states + most_state_lanes - (v + 1) * width);
    }
}

/// Copies 16-bit words, the last one first.
void reverse_words(std::byte const* words, std::size_t count, std::byte* to) {
    hn::CappedTag<std::uint16_t, 32> const d;
    hn::Repartition<std::uint8_t, decltype(d)> const bytes;
    std::size_t const lanes = hn::Lanes(d);
    auto const* const from = reinterpret_cast<std::uint8_t const*>(words);
    auto* const out = reinterpret_cast<std::uint8_t*>(to);
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        auto const next = hn::BitCast(d, hn::LoadU(bytes, from + 2 * (count - i - lanes)));
        hn::StoreU(hn::BitCast(bytes, hn::Reverse(d, next)), bytes, out + 2 * i);
    }
    for (; i < count; ++i) std::memcpy(to + 2 * i, words + 2 * (count - i - 1), 2);
}

void push_huffman(HuffmanCodes const& codes, std::uint8_t const* symbols, std::size_t groups, std::uint32_t* states,
                  std::byte*& words) {
#ifdef KVSTONE_BYTES_IN_REGISTERS
    push_groups<false>(RegisterPush{HuffmanRegisters::Codes(codes)}, {}, symbols, groups, states, words);
#else
    push_groups<false>(GatheringPush<false, HuffmanCodes>{codes}, {}, symbols, groups, states, words);
#endif
}
void push_rans(RansCodes const& codes, std::uint8_t const* symbols, std::size_t groups, std::uint32_t* states,
               std::byte*& words) {
    if (codes.walk.tables == nullptr)
        return push_groups<false>(GatheringPush<false, RansCodes>{codes}, codes.walk, symbols, groups, states, words);
    push_groups<true>(GatheringPush<true, RansCodes>{codes}, codes.walk, symbols, groups, states, words);
}
template <class Pop>
bool pop_huffman_with(Pop const& pop, StateStream* streams, std::size_t count, std::size_t groups) {
    return count == 2 ? pop_groups<false, 2>(pop, {}, streams, groups) : pop_groups<false, 1>(pop, {}, streams, groups);
}
/// count: 1 or 2 streams.
bool pop_huffman(HuffmanLookup const& lookup, StateStream* streams, std::size_t count, std::size_t groups) {
#ifdef KVSTONE_BYTES_IN_REGISTERS
    if (lookup.bits > 0 && lookup.order != nullptr)
        return pop_huffman_with(RegisterPop{HuffmanRegisters::Lookup(*lookup.order)}, streams, count, groups);
#endif
    return pop_huffman_with(GatheringPop<false, HuffmanLookup>{lookup}, streams, count, groups);
}
bool pop_rans(RansLookup const& lookup, StateStream* streams, std::size_t, std::size_t groups) {
    if (lookup.walk.tables == nullptr)
        return pop_groups<false, 1>(GatheringPop<false, RansLookup>{lookup}, lookup.walk, streams, groups);
    return pop_groups<true, 1>(GatheringPop<true, RansLookup>{lookup}, lookup.walk, streams, groups);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(reverse_words);
HWY_EXPORT(push_huffman);
HWY_EXPORT(push_rans);
HWY_EXPORT(pop_huffman);
HWY_EXPORT(pop_rans);

namespace {

template <class Codes, class PushGroups>
std::size_t encode_block(Codes const& codes, PushGroups const& push_groups, std::uint8_t const* symbols,
                         std::size_t count, std::byte* coded, std::size_t most, std::byte* scratch) {
    auto const lanes = lanes_of(count);
    if (lanes == 1) return encode_states_singly(codes, symbols, count, coded, most, scratch);
    std::array<std::uint32_t, most_state_lanes> states;
    states.fill(least_state);
    auto* words = scratch;
    auto const groups = count / lanes;
    push_symbols(codes, symbols, groups * lanes, count, lanes, states.data(), words);
    push_groups(codes, symbols, groups, states.data(), words);
    auto const word_bytes = static_cast<std::size_t>(words - scratch);
    if (4 * lanes + word_bytes > most) return 0;
    std::memcpy(coded, states.data(), 4 * lanes);
    HWY_DYNAMIC_DISPATCH(reverse_words)(scratch, word_bytes / 2, coded + 4 * lanes);
    return 4 * lanes + word_bytes;
}

/// Blocks of as many symbols, interleaved; `count` of them.
template <class Lookup, class PopGroups>
bool decode_blocks(Lookup const& lookup, PopGroups const& pop_groups, CodedStates const* blocks, std::size_t count) {
    std::array<StateStream, 2> streams;
    auto const symbols = blocks[0].count;
    for (std::size_t k = 0; k < count; ++k) {
        auto const& block = blocks[k];
        streams[k].symbols = block.symbols;
        streams[k].words = block.coded + 4 * most_state_lanes;
        streams[k].end = block.coded + block.bytes;
        if (!read_states(block.coded, block.bytes, most_state_lanes, streams[k].states.data())) return false;
    }
    auto const groups = symbols / most_state_lanes;
    if (!pop_groups(lookup, streams.data(), count, groups)) return false;
    for (std::size_t k = 0; k < count; ++k) {
        auto& stream = streams[k];
        if (!pop_symbols(lookup, stream.symbols, groups * most_state_lanes, symbols, most_state_lanes,
                         stream.states.data(), stream.words, stream.end) ||
            stream.words != stream.end || !all_at_least_state(stream.states.data(), most_state_lanes))
            return false;
    }
    return true;
}

template <class Lookup, class PopGroups>
bool decode_block(Lookup const& lookup, PopGroups const& pop_groups, CodedStates const& block) {
    if (lanes_of(block.count) == 1)
        return decode_states_singly(lookup, block.coded, block.bytes, block.symbols, block.count);
    return decode_blocks(lookup, pop_groups, &block, 1);
}

}  // namespace

std::size_t encode_states(HuffmanCodes const& codes, std::uint8_t const* symbols, std::size_t count, std::byte* coded,
                          std::size_t most, std::byte* scratch) {
    return encode_block(codes, HWY_DYNAMIC_POINTER(push_huffman), symbols, count, coded, most, scratch);
}
std::size_t encode_states(RansCodes const& codes, std::uint8_t const* symbols, std::size_t count, std::byte* coded,
                          std::size_t most, std::byte* scratch) {
    return encode_block(codes, HWY_DYNAMIC_POINTER(push_rans), symbols, count, coded, most, scratch);
}
bool decode_states(HuffmanLookup const& lookup, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                   std::size_t count) {
    return decode_block(lookup, HWY_DYNAMIC_POINTER(pop_huffman), {coded, bytes, symbols, count});
}
bool decode_states(HuffmanLookup const& lookup, CodedStates const& first, CodedStates const& second) {
    auto* const pop = HWY_DYNAMIC_POINTER(pop_huffman);
    if (first.count != second.count || lanes_of(first.count) == 1)
        return decode_block(lookup, pop, first) && decode_block(lookup, pop, second);
    std::array const blocks{first, second};
    return decode_blocks(lookup, pop, blocks.data(), blocks.size());
}
bool decode_states(RansLookup const& lookup, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                   std::size_t count) {
    return decode_block(lookup, HWY_DYNAMIC_POINTER(pop_rans), {coded, bytes, symbols, count});
}

}  // namespace kvstone
#endif  // HWY_ONCE
