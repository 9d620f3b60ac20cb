#include "codecs/kernels/binary_coder.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

#include "codecs/kernels/binary_lanes.hpp"

namespace kvstone {
namespace {

constexpr std::size_t last_bytes = 4;

/// Where each lane begins and ends, and its first bytes. False where the sizes are none that are written.
bool find_lanes(std::byte const* coded, std::size_t bytes, std::size_t count, BinaryLanes& lanes) {
    auto place = 4 * (count - 1);
    if (bytes < place) return false;
    for (std::size_t lane = 0; lane < count; ++lane) {
        auto const left = bytes - place;
        auto size = static_cast<std::uint32_t>(left);
        if (lane + 1 < count) std::memcpy(&size, coded + 4 * lane, sizeof(size));
        if (size > left || size < last_bytes) return false;
        lanes.range[lane] = 0xffffffffU;
        lanes.place[lane] = static_cast<std::uint32_t>(place + last_bytes);
        lanes.end[lane] = static_cast<std::uint32_t>(place + size);
        for (std::size_t i = 0; i < last_bytes; ++i)
            lanes.value[lane] = lanes.value[lane] << 8 | std::to_integer<std::uint32_t>(coded[place + i]);
        place += size;
    }
    return true;
}

bool all_ended(BinaryLanes const& lanes, std::size_t count) {
    bool ended = !lanes.missing;
    for (std::size_t lane = 0; lane < count; ++lane)
        ended = ended && lanes.place[lane] == lanes.end[lane] && lanes.value[lane] == 0;
    return ended;
}

}  // namespace

/// Contexts with their probabilities beside them, as lanes read them.
template <class Context>
class ContextTrees {
  public:
    ContextTrees(std::byte* memory, TreeChoice const& choice)
        : choice_(choice),
          contexts_(reinterpret_cast<Context*>(memory)),
          probabilities_(reinterpret_cast<std::uint32_t*>(contexts_ + choice.trees() * 256)) {
        std::uninitialized_fill_n(contexts_, choice.trees() * 256, Context());
        std::fill_n(probabilities_, choice.trees() * 256, Context().probability());
        lanes_.probabilities = probabilities_;
    }

    /// What the lanes' next symbols, from `index` on, are coded with. `symbols`: those of the block before `index`.
    LaneContexts const& before(std::uint8_t const* symbols, std::size_t index, std::size_t count, std::uint64_t first) {
        if (choice_.trees() > 1) {
            for (std::size_t lane = 0; lane < count; ++lane)
                lanes_.trees[lane] = static_cast<std::uint32_t>(256 * choice_.tree_of(symbols, index + lane, first));
        }
        return lanes_;
    }
    /// Learns those symbols, one after the other.
    void learn(std::uint8_t const* symbols, std::size_t count) {
        for (std::size_t lane = 0; lane < count; ++lane) {
            auto const tree = lanes_.trees[lane];
            std::uint32_t const symbol = symbols[lane] | 256U;
#pragma GCC unroll 8
            for (int bit = 7; bit >= 0; --bit) {
                auto const node = tree + (symbol >> (bit + 1));
                contexts_[node].update(symbol >> bit & 1U);
                probabilities_[node] = contexts_[node].probability();
            }
        }
    }

  private:
    TreeChoice choice_;
    Context* contexts_;
    std::uint32_t* probabilities_;
    LaneContexts lanes_;
};

template <class Context>
std::size_t BinaryCoder<Context>::encode(std::byte* memory, SymbolBlock const& block, std::byte* coded,
                                         std::size_t most, std::byte* scratch) const {
    ContextTrees<Context> trees(memory, choice_);
    auto const count = coder_lanes(block.count, choice_.row_bytes);
    auto const lane_bytes = static_cast<std::uint32_t>(11 * ((block.count + count - 1) / count) + lane_room);
    BinaryLanes lanes;
    lanes.range.fill(0xffffffffU);
    for (std::uint32_t lane = 0; lane < count; ++lane) lanes.place[lane] = lane * lane_bytes;
    for (std::size_t i = 0; i < block.count; i += count) {
        auto const now = std::min(count, block.count - i);
        auto const& contexts = trees.before(block.symbols, i, now, block.first);
        if (now == most_coder_lanes) {
            encode_lanes(contexts, block.symbols + i, scratch, lanes);
        } else {
            for (std::size_t lane = 0; lane < now; ++lane)
                encode_in_lane(contexts, block.symbols[i + lane], scratch, lanes, lane);
        }
        trees.learn(block.symbols + i, now);
    }
    std::size_t end = 4 * (count - 1);
    for (std::uint32_t lane = 0; lane < count; ++lane) {
        auto const* const begin = scratch + lane * lane_bytes;
        for (std::size_t i = 0; i < last_bytes; ++i, lanes.value[lane] <<= 8)
            scratch[lanes.place[lane]++] = static_cast<std::byte>(lanes.value[lane] >> 24);
        auto const bytes = lanes.place[lane] - lane * lane_bytes;
        if (end + bytes > most) return 0;
        if (lane + 1 < count) std::memcpy(coded + 4 * lane, &bytes, sizeof(bytes));
        std::memcpy(coded + end, begin, bytes);
        end += bytes;
    }
    return end;
}

template <class Context>
bool BinaryCoder<Context>::decode(std::byte* memory, std::byte const* coded, std::size_t bytes, std::uint8_t* symbols,
                                  std::size_t count, std::uint64_t first) const {
    auto const lane_count = coder_lanes(count, choice_.row_bytes);
    BinaryLanes lanes;
    if (!find_lanes(coded, bytes, lane_count, lanes)) return false;
    ContextTrees<Context> trees(memory, choice_);
    for (std::size_t i = 0; i < count; i += lane_count) {
        auto const now = std::min(lane_count, count - i);
        auto const& contexts = trees.before(symbols, i, now, first);
        if (now < most_coder_lanes || !decode_lanes(contexts, coded, symbols + i, lanes)) {
            for (std::size_t lane = 0; lane < now; ++lane)
                symbols[i + lane] = decode_in_lane(contexts, coded, lanes, lane);
        }
        trees.learn(symbols + i, now);
    }
    return all_ended(lanes, lane_count);
}

template class BinaryCoder<KtContext>;
template class BinaryCoder<ShiftContext>;

}  // namespace kvstone
