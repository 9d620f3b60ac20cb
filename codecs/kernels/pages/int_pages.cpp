#include "codecs/kernels/pages/int_pages.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/pages/int_pages.cpp"
#define KVSTONE_BYTES_BETWEEN_PARTS
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "codecs/kernels/pages/grid_lanes.hpp"
#include "codecs/kernels/pages/group_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Codes and groups that are worked on at a time.
constexpr std::size_t codes_of_piece = 256;
constexpr std::size_t groups_of_piece = 256;

template <std::size_t groups>
struct Steps {
    alignas(64) float zero[groups];
    alignas(64) float scale[groups];
    alignas(64) float inverse[groups];
};
using PieceSteps = Steps<groups_of_piece>;
/// Tables of steps are filled by whole registers.
constexpr std::size_t most_lanes = 16;
constexpr std::size_t codes_of_register = hn::MaxLanes(CodeBytes());

/// Calls action(Code()) with the type that holds the codes.
template <class Action>
HWY_INLINE void with_codes(unsigned bits, Action const& action) {
    if (bits > 8) {
        action(std::uint16_t{});
    } else {
        action(std::uint8_t{});
    }
}

/// Codes of the groups of `block`, one behind the other, and half of the lines of `ahead`.
template <std::size_t size, bool with_sign>
HWY_INLINE void block_codes(unsigned bits, GroupBlock<size> const& block, GroupBlock<size> const& ahead,
                            Steps<groups_of_block<size>> const& steps, std::uint8_t* codes) {
    Floats const d;
    GridNumbers<with_sign> const grid(bits);
    // Whole registers of codes: those of a group that does not exist mean nothing.
    auto const count = (block.count * size + codes_of_register - 1) / codes_of_register * codes_of_register;
    store_codes<with_sign>(count, bits, codes, [&](std::size_t value) KVSTONE_INNER {
        auto const g = value / size;
        auto const in_group = value % size;
        if (in_group % 16 == 0 && in_group >= size / 2) ask_line(ahead.at[g] + in_group);
        return grid(hn::Set(d, steps.zero[g]), hn::Set(d, steps.inverse[g]), hn::LoadU(d, block.at[g] + in_group));
    });
}

/// Groups of `size` values, as many at a time as stay near: their steps together, whose instructions wait for each other, and
/// then their codes.
template <std::size_t size>
void encode_blocks(UniformGrid const& grid, Page<float const> const& page, IntPlaces const& to) {
    constexpr auto most_groups = groups_of_block<size>;
    auto const per_vector = page.dim / size;
    auto const groups = page.tokens * per_vector;
    GroupWalk<size> walk(page.values, page.stride, per_vector, groups);
    GroupBlock<size> blocks[2];
    walk.next(blocks[0]);
    for (std::size_t first = 0; first < groups; first += most_groups) {
        auto const turn = first / most_groups % 2;
        auto const& block = blocks[turn];
        auto& ahead = blocks[1 - turn];
        walk.next(ahead);
        alignas(64) float least[most_groups] = {};
        alignas(64) float most[most_groups] = {};
        Steps<most_groups> steps;
        alignas(64) std::uint8_t codes[most_groups * size];
        if (grid.symmetric) {
            block_magnitudes<size>(block, ahead, most);
            for (std::size_t g = 0; g < most_groups; ++g) least[g] = -most[g];
        } else {
            block_ends<size>(block, ahead, least, most);
        }
        store_steps(grid, least, most, block.count, to[1] + first * scale_bytes(grid.format),
                    to[2] + first * grid.zero_bytes_of_group(), steps.zero, steps.scale, steps.inverse);
        if (grid.symmetric) {
            block_codes<size, true>(grid.bits, block, ahead, steps, codes);
        } else {
            block_codes<size, false>(grid.bits, block, ahead, steps, codes);
        }
        pack_row(grid.bits, codes, block.count * size, to[0] + first * size * grid.bits / 8);
    }
}

/// Calls work(first value, values, group) for the parts of values [begin, end) of a vector that lie in one group each.
template <class Work>
HWY_INLINE void for_groups(std::size_t begin, std::size_t end, std::size_t group, Work const& work) {
    for (auto from = begin; from < end;) {
        auto const g = from / group;
        auto const until = (g + 1) * group < end ? (g + 1) * group : end;
        work(from, until - from, g);
        from = until;
    }
}

/// `groups` groups of a vector from `first` on, whatever their size.
template <class Code>
void encode_vector(UniformGrid const& grid, std::size_t group, float const* values, std::size_t dim, std::size_t first,
                   std::size_t groups, IntPlaces const& to) {
    alignas(64) float least[groups_of_piece];
    alignas(64) float most[groups_of_piece];
    PieceSteps steps;
    for (std::size_t g = 0; g < groups; ++g) {
        auto const from = (first + g) * group;
        auto const count = dim - from < group ? dim - from : group;
        if (grid.symmetric) {
            most[g] = run_magnitude(values + from, count);
            least[g] = -most[g];
        } else {
            run_ends(values + from, count, least[g], most[g]);
        }
    }
    for (auto g = groups; g % most_lanes != 0; ++g) least[g] = most[g] = 0;
    store_steps(grid, least, most, groups, to[1], to[2], steps.zero, steps.scale, steps.inverse);
    auto const end = (first + groups) * group < dim ? (first + groups) * group : dim;
    alignas(64) Code codes[codes_of_piece];
    for (auto piece = first * group; piece < end; piece += codes_of_piece) {
        auto const count = end - piece < codes_of_piece ? end - piece : codes_of_piece;
        for_groups(piece, piece + count, group, [&](std::size_t from, std::size_t some, std::size_t g) HWY_ATTR {
            grid_codes_of<false, false>(grid, values + from, some, steps.zero + (g - first),
                                        steps.inverse + (g - first), codes + (from - piece));
        });
        pack_row(grid.bits, codes, count, to[0] + piece * grid.bits / 8);
    }
}

template <class Code>
void encode_tokens(UniformGrid const& grid, std::size_t group, Page<float const> const& page, IntPlaces const& to) {
    // The usual groups of the usual codes.
    if constexpr (sizeof(Code) == 1) {
        if (page.dim % group == 0) {
            if (group == 32) return encode_blocks<32>(grid, page, to);
            if (group == 64) return encode_blocks<64>(grid, page, to);
            if (group == 128) return encode_blocks<128>(grid, page, to);
        }
    }
    auto const groups = (page.dim + group - 1) / group;
    auto const row = packed_bytes(page.dim, grid.bits);
    for (std::size_t t = 0; t < page.tokens; ++t) {
        for (std::size_t g = 0; g < groups; g += groups_of_piece) {
            auto const now = groups - g < groups_of_piece ? groups - g : groups_of_piece;
            auto const at = t * groups + g;
            encode_vector<Code>(
                grid, group, page.vector(t), page.dim, g, now,
                {to[0] + t * row, to[1] + at * scale_bytes(grid.format), to[2] + at * grid.zero_bytes_of_group()});
        }
    }
}

void encode_token_groups_on(UniformGrid const& grid, std::uint64_t group, Page<float const> const& page,
                            IntPlaces const& to) {
    with_codes(grid.bits, [&]<class Code>(Code) HWY_ATTR { encode_tokens<Code>(grid, group, page, to); });
}

/// Codes from `packed`: where they lie, or unpacked into `buffer`.
template <class Code>
HWY_INLINE Code const* codes_at(unsigned bits, std::byte const* packed, std::size_t count, Code* buffer) {
    if (bits == 8) return reinterpret_cast<Code const*>(packed);
    unpack_row(bits, packed, count, buffer);
    return buffer;
}

/// Values of `count` codes of whole groups of `size` each, with the steps of each group.
template <std::size_t size, bool with_sign, bool streaming>
HWY_INLINE void restore_groups(std::uint8_t const* codes, std::size_t count, unsigned bits, float const* zero,
                               float const* scale, float* values) {
    Floats const d;
    constexpr std::size_t lanes = hn::MaxLanes(d);
    for (std::size_t first = 0; first < count; first += size, ++zero, ++scale) {
        auto const step = hn::Set(d, *scale);
        auto const origin = with_sign ? hn::Zero(d) : hn::Set(d, *zero);
        for (std::size_t i = first; i < first + size; i += lanes) {
            auto const product = hn::Mul(grid_numbers<with_sign>(codes + i, bits), step);
            put<streaming>(with_sign ? product : hn::Add(origin, product), d, values + i);
        }
    }
}

/// Pages of whole groups of `size` values.
template <std::size_t size, bool with_sign, bool streaming>
void decode_blocks(UniformGrid const& grid, ConstIntPlaces const& from, Page<float> const& page) {
    auto const groups = page.dim / size;
    auto const row = packed_bytes(page.dim, grid.bits);
    PieceSteps steps;
    alignas(64) std::uint8_t buffer[codes_of_piece];
    std::size_t known = 0;  // groups whose steps were read, from `first_known` on
    std::size_t first_known = 0;
    for (std::size_t t = 0, g = 0; t < page.tokens; ++t) {
        for (std::size_t piece = 0; piece < page.dim; piece += codes_of_piece) {
            auto const count = page.dim - piece < codes_of_piece ? page.dim - piece : codes_of_piece;
            if (g + count / size > first_known + known) {
                auto const left = page.tokens * groups - g;
                first_known = g;
                known = left < groups_of_piece ? left : groups_of_piece;
                load_steps(grid, known, from[1] + g * scale_bytes(grid.format),
                           from[2] + g * grid.zero_bytes_of_group(), steps.zero, steps.scale);
            }
            auto const* const codes = codes_at(grid.bits, from[0] + t * row + piece * grid.bits / 8, count, buffer);
            restore_groups<size, with_sign, streaming>(codes, count, grid.bits, steps.zero + (g - first_known),
                                                       steps.scale + (g - first_known), page.vector(t) + piece);
            g += count / size;
        }
    }
}
template <std::size_t size>
void decode_blocks(UniformGrid const& grid, ConstIntPlaces const& from, Page<float> const& page) {
    if (grid.symmetric) {
        if (page.streaming) return decode_blocks<size, true, true>(grid, from, page);
        return decode_blocks<size, true, false>(grid, from, page);
    }
    if (page.streaming) return decode_blocks<size, false, true>(grid, from, page);
    decode_blocks<size, false, false>(grid, from, page);
}

template <class Code>
void decode_tokens(UniformGrid const& grid, std::size_t group, ConstIntPlaces const& from, Page<float> const& page) {
    // The usual groups of the usual codes.
    if constexpr (sizeof(Code) == 1) {
        if (page.dim % group == 0) {
            if (group == 32) return decode_blocks<32>(grid, from, page);
            if (group == 64) return decode_blocks<64>(grid, from, page);
            if (group == 128) return decode_blocks<128>(grid, from, page);
        }
    }
    auto const groups = (page.dim + group - 1) / group;
    auto const row = packed_bytes(page.dim, grid.bits);
    PieceSteps steps;
    alignas(64) Code buffer[codes_of_piece];
    // Groups that end within a line are put together first: a line that is written past the cache in parts is the slowest.
    bool const joins = page.streaming && group % line_values<float> != 0;
    alignas(64) float joined[codes_of_piece];
    // Steps of several tokens are read together, or those of a vector in parts.
    auto const tokens = groups > groups_of_piece ? 1 : groups_of_piece / groups;
    for (std::size_t t = 0; t < page.tokens; t += tokens) {
        auto const now_tokens = page.tokens - t < tokens ? page.tokens - t : tokens;
        for (std::size_t g = 0; g < groups; g += groups_of_piece) {
            auto const now = groups - g < groups_of_piece ? groups - g : groups_of_piece;
            auto const at = t * groups + g;
            load_steps(grid, now_tokens * now, from[1] + at * scale_bytes(grid.format),
                       from[2] + at * grid.zero_bytes_of_group(), steps.zero, steps.scale);
            auto const end = (g + now) * group < page.dim ? (g + now) * group : page.dim;
            for (std::size_t k = 0; k < now_tokens; ++k) {
                auto* const values = page.vector(t + k);
                for (auto piece = g * group; piece < end; piece += codes_of_piece) {
                    auto const count = end - piece < codes_of_piece ? end - piece : codes_of_piece;
                    auto const* const codes =
                        codes_at(grid.bits, from[0] + (t + k) * row + piece * grid.bits / 8, count, buffer);
                    auto* const to = joins ? joined : values + piece;
                    bool const lines = page.streaming && !joins;
                    for_groups(
                        piece, piece + count, group, [&](std::size_t first, std::size_t some, std::size_t of) HWY_ATTR {
                            grid_values_of<false>(grid, codes + (first - piece), some, steps.zero + k * now + (of - g),
                                                  steps.scale + k * now + (of - g), to + (first - piece), lines);
                        });
                    if (joins) store(values + piece, joined, count * sizeof(float), true);
                }
            }
        }
    }
}

void decode_token_groups_on(UniformGrid const& grid, std::uint64_t group, ConstIntPlaces const& from,
                            Page<float> const& page) {
    with_codes(grid.bits, [&]<class Code>(Code) HWY_ATTR { decode_tokens<Code>(grid, group, from, page); });
}

/// Packs the codes that fill(codes) writes; codes of a byte each are written to their place at once.
template <class Code, class Fill>
HWY_INLINE void pack_piece(unsigned bits, std::size_t count, std::byte* to, Fill const& fill) {
    if (bits == 8) return fill(reinterpret_cast<Code*>(to));
    alignas(64) Code codes[codes_of_piece];
    fill(codes);
    pack_row(bits, codes, count, to);
}

template <class Code>
void encode_channels(UniformGrid const& grid, Page<float const> const& page, IntPlaces const& to) {
    auto const row = packed_bytes(page.dim, grid.bits);
    for (std::size_t first = 0; first < page.dim; first += codes_of_piece) {
        auto const count = page.dim - first < codes_of_piece ? page.dim - first : codes_of_piece;
        alignas(64) float low[groups_of_piece];
        alignas(64) float high[groups_of_piece];
        PieceSteps steps;
        channel_ends(page.values + first, page.stride, page.tokens, count, low, high);
        for (auto c = count; c % most_lanes != 0; ++c) low[c] = high[c] = 0;
        store_steps(grid, low, high, count, to[1] + first * scale_bytes(grid.format),
                    to[2] + first * grid.zero_bytes_of_group(), steps.zero, steps.scale, steps.inverse);
        for (std::size_t t = 0; t < page.tokens; ++t) {
            auto const* const values = page.vector(t) + first;
            auto const* const ahead = page.vector(t + page.tokens) + first;
            for (std::size_t c = 16; c < count; c += 32) prefetch_line(ahead + c);
            pack_piece<Code>(grid.bits, count, to[0] + t * row + first * grid.bits / 8, [&](Code* codes) HWY_ATTR {
                grid_codes_of<true, false>(grid, values, count, steps.zero, steps.inverse, codes);
            });
        }
    }
}

void encode_channel_groups_on(UniformGrid const& grid, Page<float const> const& page, IntPlaces const& to) {
    with_codes(grid.bits, [&]<class Code>(Code) HWY_ATTR { encode_channels<Code>(grid, page, to); });
}

template <class Code>
void decode_channels(UniformGrid const& grid, ConstIntPlaces const& from, Page<float> const& page) {
    auto const row = packed_bytes(page.dim, grid.bits);
    alignas(64) Code buffer[codes_of_piece];
    PieceSteps steps;
    for (std::size_t first = 0; first < page.dim; first += codes_of_piece) {
        auto const count = page.dim - first < codes_of_piece ? page.dim - first : codes_of_piece;
        load_steps(grid, count, from[1] + first * scale_bytes(grid.format),
                   from[2] + first * grid.zero_bytes_of_group(), steps.zero, steps.scale);
        for (std::size_t t = 0; t < page.tokens; ++t) {
            auto const* const codes = codes_at(grid.bits, from[0] + t * row + first * grid.bits / 8, count, buffer);
            grid_values_of<true>(grid, codes, count, steps.zero, steps.scale, page.vector(t) + first, page.streaming);
        }
    }
}

void decode_channel_groups_on(UniformGrid const& grid, ConstIntPlaces const& from, Page<float> const& page) {
    with_codes(grid.bits, [&]<class Code>(Code) HWY_ATTR { decode_channels<Code>(grid, from, page); });
}

template <class Code>
void encode_shared(UniformGrid const& grid, float zero, float scale, Page<float const> const& page, std::byte* to) {
    float const inverse = scale > 0 ? 1.0F / scale : 0.0F;
    auto const row = packed_bytes(page.dim, grid.bits);
    for (std::size_t t = 0; t < page.tokens; ++t) {
        for (std::size_t first = 0; first < page.dim; first += codes_of_piece) {
            auto const count = page.dim - first < codes_of_piece ? page.dim - first : codes_of_piece;
            pack_piece<Code>(grid.bits, count, to + t * row + first * grid.bits / 8, [&](Code* codes) HWY_ATTR {
                grid_codes_of<false, true>(grid, page.vector(t) + first, count, &zero, &inverse, codes);
            });
        }
    }
}

void encode_shared_groups_on(UniformGrid const& grid, float zero, float scale, Page<float const> const& page,
                             std::byte* to) {
    with_codes(grid.bits, [&]<class Code>(Code) HWY_ATTR { encode_shared<Code>(grid, zero, scale, page, to); });
}

template <class Code>
void decode_shared(UniformGrid const& grid, float zero, float scale, std::byte const* from, Page<float> const& page) {
    auto const row = packed_bytes(page.dim, grid.bits);
    alignas(64) Code buffer[codes_of_piece];
    for (std::size_t t = 0; t < page.tokens; ++t) {
        for (std::size_t first = 0; first < page.dim; first += codes_of_piece) {
            auto const count = page.dim - first < codes_of_piece ? page.dim - first : codes_of_piece;
            auto const* const codes = codes_at(grid.bits, from + t * row + first * grid.bits / 8, count, buffer);
            grid_values_of<false>(grid, codes, count, &zero, &scale, page.vector(t) + first, page.streaming);
        }
    }
}

void decode_shared_groups_on(UniformGrid const& grid, float zero, float scale, std::byte const* from,
                             Page<float> const& page) {
    with_codes(grid.bits, [&]<class Code>(Code) HWY_ATTR { decode_shared<Code>(grid, zero, scale, from, page); });
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(encode_token_groups_on);
HWY_EXPORT(decode_token_groups_on);
HWY_EXPORT(encode_channel_groups_on);
HWY_EXPORT(decode_channel_groups_on);
HWY_EXPORT(encode_shared_groups_on);
HWY_EXPORT(decode_shared_groups_on);

void encode_token_groups(UniformGrid const& grid, std::uint64_t group, Page<float const> const& page,
                         IntPlaces const& to) {
    HWY_DYNAMIC_DISPATCH(encode_token_groups_on)(grid, group, page, to);
}

void decode_token_groups(UniformGrid const& grid, std::uint64_t group, ConstIntPlaces const& from,
                         Page<float> const& page) {
    HWY_DYNAMIC_DISPATCH(decode_token_groups_on)(grid, group, from, page);
}

void encode_channel_groups(UniformGrid const& grid, Page<float const> const& page, IntPlaces const& to) {
    HWY_DYNAMIC_DISPATCH(encode_channel_groups_on)(grid, page, to);
}

void decode_channel_groups(UniformGrid const& grid, ConstIntPlaces const& from, Page<float> const& page) {
    HWY_DYNAMIC_DISPATCH(decode_channel_groups_on)(grid, from, page);
}

void encode_shared_groups(UniformGrid const& grid, float zero, float scale, Page<float const> const& page,
                          std::byte* to) {
    HWY_DYNAMIC_DISPATCH(encode_shared_groups_on)(grid, zero, scale, page, to);
}

void decode_shared_groups(UniformGrid const& grid, float zero, float scale, std::byte const* from,
                          Page<float> const& page) {
    HWY_DYNAMIC_DISPATCH(decode_shared_groups_on)(grid, zero, scale, from, page);
}

}  // namespace kvstone
#endif
