// outliers: the largest and smallest values of every vector or channel, stored by themselves.
//
// Purpose    a few values set the range of a quantiser. Stored apart, they are exact or nearly so, and the others have finer
//            steps.
// Source     the sparse part S of Kang et al., "GEAR", 2024, section 3: the s/2 largest and s/2 smallest of each vector;
//            KVQuant (Hooper et al. 2024), section 3.4, has the same for each vector.
// Count      of n values the F n / 2 largest and as many smallest, rounded up (a product within 1e-9 of a whole number is
//            that number), at most n/2. Of equal values those with the lowest index go first, the largest before the
//            smallest. NaN is taken only where there are too few numbers: after all numbers, lowest index first.
// Planes     outliers: values, binary16 or f32, of each vector or channel in order of their index in it
//            outliers: indices, 1 byte each where n <= 256, 2 where n <= 65536, else 4
//            Both in [layer, head, token, outlier] or [layer, head, channel, outlier] order, little-endian. As binary16,
//            finite values lie within +-65504.
// In place   of an outlier the quantiser gets the nearest value that stays, the largest or the smallest: the range is
//            then that of the values that stay, even without 0 in it. 0 where none stays.
// Options    fraction=F   share of the values taken
//            axis=token   of each vector, along its channels
//            axis=channel of each channel of a head, along the section's tokens
//            values=fp16|fp32  their type
// Example    fraction=0.5 of 1, -8, 2, 4: one of each end; outliers 00 c8 00 44 (-8, 4), outliers 01 03; the rest is
//            1, 1, 2, 2
// Error      of an outlier 0, as binary16 2^-11 of its magnitude (2^-25 at the least; beyond 65504 the excess over it);
//            of the others the quantiser's bound.
// NaN, Inf, denormals: Inf is the largest number and stays Inf where it is taken; NaN stays NaN where it is
//            taken, and otherwise goes to the quantiser; denormals are values as any other.

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "backends/kernels/sequences.hpp"
#include "codecs/kernels/pages/outlier_vectors.hpp"
#include "codecs/kernels/take_outliers.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// TakeOutliers for vectors in the memory of the host, by vector units where they can.
template <class Space>
void take_from_vectors(Space const& space, KvSpan<float const> in, KvSpan<float> out, TakeOutliers const& take) {
    auto const dim = in.shape.dim;
    VectorBlocks const blocks(in.shape, tokens_per_block(dim));
    bool const streaming = in.data != out.data && in.shape.values() * sizeof(float) >= streaming_from_bytes;
    Kokkos::parallel_for(
        "take_outliers", Kokkos::RangePolicy<Space>(space, 0, blocks.count()), [=](std::int64_t const i) {
            auto const block = blocks.block(i);
            auto const each_vector = 2 * take.each_end;
            auto const first = (block.layer * in.shape.heads + block.head) * in.shape.tokens;
            for (auto token = block.token; token < block.token + block.tokens; ++token) {
                auto const place = (first + token) * each_vector;
                auto const* const from = in.vector(block.layer, block.head, token);
                auto* const to = out.vector(block.layer, block.head, token);
                OutlierVectors const vectors{from,
                                             to,
                                             in.strides.token,
                                             out.strides.token,
                                             block.token + block.tokens - token,
                                             dim,
                                             take.each_end,
                                             take.planes.value_bytes,
                                             take.planes.values + place * take.planes.value_bytes,
                                             take.planes.indices + place,
                                             streaming};
                token += take_outliers(vectors);
                if (token == block.token + block.tokens) break;
                auto* const rest = out.vector(block.layer, block.head, token);
                auto const* const values = in.vector(block.layer, block.head, token);
                if (values != rest) std::memcpy(rest, values, dim * sizeof(float));
                at_simd_level(
                    [&] { take(static_cast<float const*>(rest), Strided<float>{rest, 1}, dim, first + token); });
            }
            finish_stores();
        });
}

class Outliers : public Transform {
  public:
    static constexpr bool in_parts = true;
    static StageInfo info() {
        StageInfo info;
        info.name = "outliers";
        info.summary = "stores the largest and smallest values by themselves";
        info.source = "GEAR (Kang et al. 2024), section 3, sparse part";
        info.engines = {{.differs = "of papers (GEAR, KVQuant): no engine takes outliers out"}};
        info.options = {
            number_option("fraction", std::nullopt, 0, 0.5, true, "share of the values taken, half of it at each end"),
            choice_option("axis", "token", {"token", "channel"}, "of each vector, or of each channel along tokens"),
            choice_option("values", "fp16", {"fp16", "fp32"}, "the type that they are stored in"),
        };
        info.examples = {"outliers:fraction=0.02 | int8", "outliers:fraction=0.05,axis=channel,values=fp32 | int8"};
        info.side_bits = {2.4, "with fraction=0.05: an fp32 value and a 16-bit index for each outlier"};
        info.idle_bytes = {0.5, "the code that stands in place of an outlier is replaced by the outlier"};
        return info;
    }
    explicit Outliers(Options const& options)
        : fraction_(options.number("fraction")),
          along_tokens_(options.choice("axis") == "channel"),
          value_bytes_(options.choice("values") == "fp16" ? 2 : 4) {}

    std::uint64_t page_tokens(Section const&) const { return along_tokens_ ? 0 : 1; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        Sequences const sequences(section.shape, along_tokens_);
        if (sequences.length() > most_values) {
            throw NotApplicable("outliers takes sequences that are not as long", std::to_string(sequences.length()),
                                {fmt::format("up to {}", most_values)});
        }
        auto const count = sequences.count() * 2 * each_end(sequences.length());
        auto const index_bytes = index_bytes_of(sequences.length());
        return {{LedgerLine::outliers, count * value_bytes_, false, value_bytes_, 0},
                {LedgerLine::outliers, count * index_bytes, false, index_bytes, 0}};
    }
    std::size_t workspace_bytes(Section const& section) const {
        return Sequences(section.shape, along_tokens_).memory_bytes();
    }

    template <class Space>
    void encode(Space const& space, Section const&, KvSpan<float const> in, KvSpan<float> out, Planes planes,
                Workspace workspace) const {
        Sequences const sequences(in.shape, along_tokens_);
        auto const length = sequences.length();
        OutlierPlanes<std::byte> const to{planes[0].data, planes[1].data, value_bytes_, index_bytes_of(length)};
        TakeOutliers const take{to, each_end(length)};
        if constexpr (runs_on_host<Space>) {
            if (!along_tokens_ && length <= OutlierVectors::most_dim && take.each_end > 0 &&
                take.each_end <= OutlierVectors::most_each_end) {
                return take_from_vectors(space, in, out, take);
            }
        }
        edit_sequences(space, sequences, in, out, workspace, take);
    }
    template <class Space>
    void decode(Space const& space, Section const&, ConstPlanes planes, KvSpan<float> values, Workspace) const {
        Sequences const sequences(values.shape, along_tokens_);
        auto const length = sequences.length();
        auto const each = 2 * each_end(length);
        OutlierPlanes<std::byte const> const from{planes[0].data, planes[1].data, value_bytes_, index_bytes_of(length)};
        Kokkos::parallel_for(
            "put_outliers", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(sequences.count())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const sequence = static_cast<std::uint64_t>(i);
                auto const to = sequences.of(values, sequence);
                for (auto place = sequence * each; place < (sequence + 1) * each; ++place) {
                    auto const index = from.index(place);
                    if (index < length) to[index] = from.value(place);
                }
            });
    }

    void carry_bounds(Section const& section, float const* values, double* bounds) const;

  private:
    static constexpr std::uint64_t most_values = std::uint64_t{1} << 32;
    static std::uint32_t index_bytes_of(std::uint64_t length) { return length <= 256 ? 1 : length <= 65536 ? 2 : 4; }
    /// Outliers at each end of a sequence.
    std::uint64_t each_end(std::uint64_t length) const {
        auto const count = std::ceil(fraction_ * static_cast<double>(length) / 2 - 1e-9);
        return std::min(static_cast<std::uint64_t>(std::max(count, 0.0)), length / 2);
    }

    double fraction_;
    bool along_tokens_;
    std::uint32_t value_bytes_;
};

void Outliers::carry_bounds(Section const& section, float const* values, double* bounds) const {
    Sequences const sequences(section.shape, along_tokens_);
    auto const length = sequences.length();
    auto const strides = KvStrides::packed(section.shape);
    std::vector<std::uint64_t> order;
    for (std::uint64_t sequence = 0; sequence < sequences.count(); ++sequence) {
        auto const x = sequences.of(KvSpan<float const>{values, section.shape, strides}, sequence);
        auto const bound = sequences.of(KvSpan<double>{bounds, section.shape, strides}, sequence);
        order.resize(length);
        std::iota(order.begin(), order.end(), 0);
        auto const first_nan = std::stable_partition(order.begin(), order.end(), [&](auto i) { return x[i] == x[i]; });
        std::stable_sort(order.begin(), first_nan, [&](auto i, auto j) { return x[i] > x[j]; });
        auto const each = static_cast<std::ptrdiff_t>(each_end(length));
        if (first_nan - order.begin() > 2 * each) {
            std::stable_sort(order.begin() + each, first_nan,
                             [&](auto i, auto j) { return x[i] < x[j] || (x[i] == x[j] && i < j); });
        }
        for (auto taken = order.begin(); taken != order.begin() + 2 * each; ++taken) {
            auto const magnitude = std::fabs(double{x[*taken]});
            auto const rounding = std::max({std::ldexp(magnitude, -11), std::ldexp(1.0, -25), magnitude - 65504});
            bound[*taken] = value_bytes_ == 2 ? rounding : 0;
        }
    }
}

static Register<Outliers> const registered;

}  // namespace kvstone
