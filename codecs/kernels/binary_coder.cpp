#include "codecs/kernels/binary_coder.hpp"

#include <algorithm>
#include <bit>
#include <memory>

namespace kvstone {
namespace {

constexpr std::uint32_t least_range = 1U << 24;
constexpr std::size_t last_bytes = 4;
/// What a symbol takes from a lane at the most, and what a load of four bytes needs beyond.
constexpr std::ptrdiff_t bytes_ahead = 20;

class LaneEncoder {
  public:
    LaneEncoder() = default;
    explicit LaneEncoder(std::byte* to) : next_(to) {}

    void put(std::uint32_t bit, std::uint32_t probability) {
        auto const zero = static_cast<std::uint32_t>(std::uint64_t{range_} * probability >> 16);
        auto const one = std::uint32_t{0} - bit;
        low_ += zero & one;
        range_ = (one & (range_ - zero)) | (~one & zero);
        while (range_ < least_range) {
            range_ <<= 8;
            move_low();
        }
    }
    /// Ends the lane; returns its end.
    std::byte* finish() {
        for (std::size_t i = 0; i <= last_bytes; ++i) move_low();
        return next_;
    }

  private:
    /// The byte that leaves waits, with all bytes ff behind it, until no carry can reach it.
    void move_low() {
        if (low_ < 0xff000000U || low_ >> 32 != 0) {
            auto const carry = static_cast<unsigned>(low_ >> 32);
            if (!first_) *next_++ = static_cast<std::byte>(waiting_ + carry);
            for (; waiting_ff_ > 0; --waiting_ff_) *next_++ = static_cast<std::byte>(0xffU + carry);
            first_ = false;
            waiting_ = static_cast<unsigned>(low_ >> 24) & 0xffU;
        } else {
            ++waiting_ff_;
        }
        low_ = low_ << 8 & 0xffffffffU;
    }

    std::byte* next_ = nullptr;
    std::uint64_t low_ = 0;
    std::uint32_t range_ = 0xffffffffU;
    unsigned waiting_ = 0;
    std::uint64_t waiting_ff_ = 0;
    bool first_ = true;  ///< the first byte that would leave is 0, since nothing lies above low
};

class LaneDecoder {
  public:
    LaneDecoder() = default;
    /// The lane has at least last_bytes.
    LaneDecoder(std::byte const* from, std::byte const* end) : next_(from), end_(end) {
        for (std::size_t i = 0; i < last_bytes; ++i) value_ = value_ << 8 | std::to_integer<std::uint32_t>(*next_++);
    }

    bool has_bytes_ahead() const { return end_ - next_ >= bytes_ahead; }

    /// safe: has_bytes_ahead() is not known.
    template <bool safe>
    std::uint32_t get(std::uint32_t probability) {
        auto const zero = static_cast<std::uint32_t>(std::uint64_t{range_} * probability >> 16);
        std::uint32_t const bit = value_ >= zero;
        auto const one = std::uint32_t{0} - bit;
        value_ -= zero & one;
        range_ = (one & (range_ - zero)) | (~one & zero);
        if constexpr (safe) {
            while (range_ < least_range) {
                range_ <<= 8;
                missing_ = missing_ || next_ == end_;
                value_ = value_ << 8 | (next_ == end_ ? 0U : std::to_integer<std::uint32_t>(*next_++));
            }
        } else {
            auto const shift = static_cast<unsigned>(std::countl_zero(range_)) & 24U;
            range_ <<= shift;
            std::uint32_t ahead = 0;
            std::memcpy(&ahead, next_, sizeof(ahead));
            if constexpr (std::endian::native == std::endian::little) ahead = __builtin_bswap32(ahead);
            value_ = static_cast<std::uint32_t>((std::uint64_t{value_} << 32 | ahead) >> (32 - shift));
            next_ += shift / 8;
        }
        return bit;
    }
    bool ended() const { return !missing_ && next_ == end_ && value_ == 0; }

  private:
    std::byte const* next_ = nullptr;
    std::byte const* end_ = nullptr;
    std::uint32_t range_ = 0xffffffffU;
    std::uint32_t value_ = 0;
    bool missing_ = false;
};

template <bool safe, class Context>
std::uint8_t get_symbol(LaneDecoder& lane, Context* tree) {
    std::uint32_t node = 1;
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
        auto& context = tree[node];
        auto const bit = lane.get<safe>(context.probability());
        context.update(bit);
        node = node << 1 | bit;
    }
    return static_cast<std::uint8_t>(node);
}

template <class Context>
void put_symbol(LaneEncoder& lane, Context* tree, std::uint8_t symbol) {
    std::uint32_t node = 1;
#pragma GCC unroll 8
    for (int i = 7; i >= 0; --i) {
        auto& context = tree[node];
        std::uint32_t const bit = symbol >> i & 1U;
        lane.put(bit, context.probability());
        context.update(bit);
        node = node << 1 | bit;
    }
}

/// Where each lane begins, and where the last ends. False where the sizes are none that are written.
bool find_lanes(std::byte const* coded, std::size_t bytes, std::size_t lanes, std::byte const** begins) {
    auto const sizes_bytes = 4 * (lanes - 1);
    if (bytes < sizes_bytes) return false;
    begins[0] = coded + sizes_bytes;
    auto const* const end = coded + bytes;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        auto const left = static_cast<std::size_t>(end - begins[lane]);
        std::uint32_t size = static_cast<std::uint32_t>(left);
        if (lane + 1 < lanes) std::memcpy(&size, coded + 4 * lane, sizeof(size));
        if (size > left || size < last_bytes) return false;
        begins[lane + 1] = begins[lane] + size;
    }
    return true;
}

}  // namespace

template <class Context>
Context* BinaryCoder<Context>::fresh_contexts(std::byte* memory) const {
    auto* const contexts = reinterpret_cast<Context*>(memory);
    std::uninitialized_fill_n(contexts, choice_.trees() * 256, Context());
    return contexts;
}

template <class Context>
std::size_t BinaryCoder<Context>::encode(std::byte* memory, SymbolBlock const& block, std::byte* coded,
                                         std::size_t most, std::byte* scratch) const {
    auto* const contexts = fresh_contexts(memory);
    auto const lanes = coder_lanes(block.count);
    auto const lane_bytes = (11 * ((block.count + lanes - 1) / lanes)) + 16;
    std::array<LaneEncoder, most_coder_lanes> encoders;
    for (std::size_t lane = 0; lane < lanes; ++lane) encoders[lane] = LaneEncoder(scratch + lane * lane_bytes);
    for (std::size_t i = 0; i < block.count; ++i) {
        auto* const tree = contexts + 256 * choice_.tree_of(block.symbols, i, block.first);
        put_symbol(encoders[i % lanes], tree, block.symbols[i]);
    }
    std::size_t end = 4 * (lanes - 1);
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        auto const* const begin = scratch + lane * lane_bytes;
        auto const bytes = static_cast<std::uint32_t>(encoders[lane].finish() - begin);
        if (end + bytes > most) return 0;
        if (lane + 1 < lanes) std::memcpy(coded + 4 * lane, &bytes, sizeof(bytes));
        std::memcpy(coded + end, begin, bytes);
        end += bytes;
    }
    return end;
}

template <class Context>
bool BinaryCoder<Context>::decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                                  std::size_t count, std::uint64_t first) const {
    auto const lanes = coder_lanes(count);
    std::array<std::byte const*, most_coder_lanes + 1> begins;
    if (!find_lanes(coded, bytes, lanes, begins.data())) return false;
    auto* const contexts = fresh_contexts(memory);
    std::array<LaneDecoder, most_coder_lanes> decoders;
    for (std::size_t lane = 0; lane < lanes; ++lane) decoders[lane] = LaneDecoder(begins[lane], begins[lane + 1]);
    for (std::size_t i = 0; i < count; ++i) {
        auto* const tree = contexts + 256 * choice_.tree_of(symbols, i, first);
        auto& lane = decoders[i % lanes];
        symbols[i] = lane.has_bytes_ahead() ? get_symbol<false>(lane, tree) : get_symbol<true>(lane, tree);
    }
    return std::all_of(decoders.begin(), decoders.begin() + static_cast<std::ptrdiff_t>(lanes),
                       [](LaneDecoder const& lane) { return lane.ended(); });
}

template class BinaryCoder<KtContext>;
template class BinaryCoder<ShiftContext>;

}  // namespace kvstone
