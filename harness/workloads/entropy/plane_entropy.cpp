#include "harness/workloads/entropy/plane_entropy.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <span>

#include "harness/quality/entropy.hpp"

namespace kvstone {
namespace {

using Counts = std::vector<std::uint64_t>;

constexpr std::size_t bytes_there_are = 256;
constexpr std::size_t words_there_are = 65536;

/// How elements are taken apart. Their upper 16 bits, or all where they have fewer, are counted as one symbol, the top.
struct Parts {
    std::uint32_t element_bytes = 1;
    NumberFormat numbers = NumberFormat::none;

    std::uint32_t top_bits() const { return std::min(element_bytes, 2U) * 8; }
    std::size_t high_byte(std::size_t top) const { return top >> (top_bits() - 8); }
    std::optional<std::size_t> exponent(std::size_t top) const {
        switch (numbers) {
            case NumberFormat::fp16:
                return top >> 10 & 31;
            case NumberFormat::fp32:
            case NumberFormat::bf16:
                return top >> 7 & 255;
            case NumberFormat::fp8_e4m3:
                return top >> 3 & 15;
            case NumberFormat::fp8_e5m2:
                return top >> 2 & 31;
            case NumberFormat::none:
                break;
        }
        return std::nullopt;
    }
};

/// Elements as rows of heads of layers. Where rows do not lie so: one row with all of them.
struct Rows {
    std::uint64_t layers = 1;
    std::uint64_t heads = 1;
    std::uint64_t tokens = 1;
    std::uint64_t row = 0;
    bool known = false;
};

Rows rows_of(PlaneSpec const& spec, std::uint64_t elements) {
    auto const layer = spec.layer_heads * spec.head_rows * spec.row_elements;
    if (layer == 0 || elements % layer != 0) return {1, 1, 1, elements, false};
    return {elements / layer, spec.layer_heads, spec.head_rows, spec.row_elements, true};
}

struct Tally {
    Counts top = Counts(words_there_are);
    Counts pairs = Counts(words_there_are);  ///< high byte of the token before, then of this one
    std::array<Counts, 2> low;               ///< of 4 bytes, the lower two

    Tally& operator+=(Tally const& other) {
        auto const add = [](Counts& to, Counts const& from) {
            for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
        };
        add(top, other.top);
        add(pairs, other.pairs);
        for (std::size_t i = 0; i < low.size(); ++i) {
            if (low[i].empty()) low[i].resize(other.low[i].size());
            add(low[i], other.low[i]);
        }
        return *this;
    }
};

/// Counts one head; gives the bits of its high bytes with a table for each place of the row.
template <std::uint32_t element_bytes>
double count_head(std::byte const* data, Rows const& rows, Tally& tally) {
    constexpr std::uint32_t top_shift = element_bytes == 4 ? 16 : 0;
    constexpr std::uint32_t high_shift = element_bytes * 8 - 8;
    Counts channels(rows.known ? rows.row * bytes_there_are : 0);
    std::vector<std::uint8_t> before(rows.known ? rows.row : 0);
    for (std::uint64_t token = 0; token < rows.tokens; ++token)
        for (std::uint64_t i = 0; i < rows.row; ++i, data += element_bytes) {
            std::uint32_t element = 0;
            std::memcpy(&element, data, element_bytes);  // little-endian, as planes are
            ++tally.top[element >> top_shift];
            if constexpr (element_bytes == 4) {
                ++tally.low[0][element & 255U];
                ++tally.low[1][element >> 8 & 255U];
            }
            if (!rows.known) continue;
            auto const high = static_cast<std::uint8_t>(element >> high_shift);
            ++channels[i * bytes_there_are + high];
            if (token > 0) ++tally.pairs[before[i] * bytes_there_are + high];
            before[i] = high;
        }
    double bits = 0;
    for (std::size_t first = 0; first < channels.size(); first += bytes_there_are)
        bits += corrected_entropy_bits(std::span(channels).subspan(first, bytes_there_are));
    return bits;
}

/// Counts of the values of `part` for each top.
template <class Part>
Counts counts_of(Counts const& top, Part const& part) {
    Counts counts(bytes_there_are);
    for (std::size_t symbol = 0; symbol < top.size(); ++symbol)
        if (top[symbol] > 0) counts[part(symbol)] += top[symbol];
    return counts;
}

std::uint64_t sum_of(Counts const& counts) { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }

/// Of as many elements as the tally has, from those that have a token before them.
std::optional<double> bits_given_past(Tally const& tally) {
    auto const pairs = sum_of(tally.pairs);
    if (pairs == 0) return std::nullopt;
    Counts past(bytes_there_are);
    for (std::size_t i = 0; i < tally.pairs.size(); ++i) past[i / bytes_there_are] += tally.pairs[i];
    auto const bits = corrected_entropy_bits(tally.pairs) - corrected_entropy_bits(past);
    return bits * static_cast<double>(sum_of(tally.top)) / static_cast<double>(pairs);
}

EntropyBits bits_of(Parts const& parts, Tally const& tally) {
    EntropyBits bits;
    auto const at = [&](EntropyOf what) -> std::optional<double>& { return bits[static_cast<std::size_t>(what)]; };
    if (parts.element_bytes <= 2) at(EntropyOf::word) = entropy_bits(tally.top);
    auto const high = counts_of(tally.top, [&](std::size_t top) { return parts.high_byte(top); });
    at(EntropyOf::high_byte) = entropy_bits(high);
    at(EntropyOf::high_byte_huffman) = static_cast<double>(huffman_bits(high));
    if (parts.element_bytes == 2)
        at(EntropyOf::low_byte) = entropy_bits(counts_of(tally.top, [](std::size_t top) { return top & 255; }));
    if (parts.numbers == NumberFormat::fp16)
        at(EntropyOf::high_6_bits) = entropy_bits(counts_of(tally.top, [](std::size_t top) { return top >> 10; }));
    if (parts.exponent(0))
        at(EntropyOf::exponent) =
            entropy_bits(counts_of(tally.top, [&](std::size_t top) { return *parts.exponent(top); }));
    at(EntropyOf::high_byte_by_past) = bits_given_past(tally);
    return bits;
}

double order_0_bits(Parts const& parts, Tally const& tally) {
    if (parts.element_bytes <= 2) return entropy_bits(tally.top);
    double bits = 0;
    for (int const shift : {0, 8})
        bits += entropy_bits(counts_of(tally.top, [shift](std::size_t top) { return top >> shift & 255; }));
    for (auto const& low : tally.low) bits += entropy_bits(low);
    return bits;
}

template <std::uint32_t element_bytes>
PlaneEntropy measure(Parts const& parts, Rows const& rows, std::byte const* data) {
    PlaneEntropy result;
    auto const empty = [] {
        Tally tally;
        if (element_bytes == 4)
            for (auto& low : tally.low) low.resize(bytes_there_are);
        return tally;
    };
    Tally all = empty();
    double of_channels = 0;
    auto const head_bytes = rows.tokens * rows.row * element_bytes;
    for (std::uint64_t layer = 0; layer < rows.layers; ++layer) {
        Tally of_layer = empty();
        std::vector<double> by_head(rows.heads);
        auto const* const first = data + layer * rows.heads * head_bytes;
#pragma omp parallel
        {
            Tally own = empty();
#pragma omp for schedule(dynamic) nowait
            for (std::uint64_t head = 0; head < rows.heads; ++head)
                by_head[head] = count_head<element_bytes>(first + head * head_bytes, rows, own);
            // Counts are whole numbers: their order does not matter.
#pragma omp critical(kvstone_plane_entropy)
            of_layer += own;
        }
        all += of_layer;
        if (!rows.known) continue;
        auto const channels = std::accumulate(by_head.begin(), by_head.end(), 0.0);
        of_channels += channels;
        result.layers.push_back(bits_of(parts, of_layer));
        result.layers.back()[static_cast<std::size_t>(EntropyOf::high_byte_by_channel)] = channels;
    }
    result.bits = bits_of(parts, all);
    if (rows.known) result.bits[static_cast<std::size_t>(EntropyOf::high_byte_by_channel)] = of_channels;
    result.bound_bits = order_0_bits(parts, all);
    return result;
}

}  // namespace

PlaneEntropy measure_plane(PlaneSpec const& spec, ConstPlane plane) {
    bool const whole = (spec.element_bytes == 2 || spec.element_bytes == 4) && plane.bytes % spec.element_bytes == 0;
    Parts const parts{whole ? spec.element_bytes : 1, whole || spec.element_bytes == 1 ? spec.numbers : NumberFormat{}};
    auto const elements = plane.bytes / parts.element_bytes;
    auto in_elements = spec;
    if (!whole) in_elements.row_elements *= spec.element_bytes;
    auto const rows = rows_of(in_elements, elements);
    switch (parts.element_bytes) {
        case 4:
            return measure<4>(parts, rows, plane.data);
        case 2:
            return measure<2>(parts, rows, plane.data);
        default:
            return measure<1>(parts, rows, plane.data);
    }
}

}  // namespace kvstone
