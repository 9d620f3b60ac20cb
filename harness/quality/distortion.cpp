#include "harness/quality/distortion.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <cmath>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/simd_target.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t kBlockValues = 16384;
constexpr std::uint64_t kLanes = 8;
/// Each part counts relative errors in 4 MB of its own, which an attempt's peak memory has to bear.
constexpr std::uint64_t kMostParts = 8;
constexpr std::array kQuantiles{0.50, 0.95, 0.99};

/// Vectors of one head, in blocks of a fixed number of them.
struct Blocks {
    explicit Blocks(KvShape const& of)
        : shape(of),
          vectors(std::max<std::uint64_t>(1, kBlockValues / std::max<std::uint64_t>(1, of.dim))),
          per_head((of.tokens + vectors - 1) / vectors) {}
    std::uint64_t count() const { return shape.layers * shape.heads * per_head; }
    /// First value and number of vectors of block `index`.
    std::pair<std::uint64_t, std::uint64_t> operator[](std::uint64_t index) const {
        auto const token = index % per_head * vectors;
        return {(index / per_head * shape.tokens + token) * shape.dim, std::min(vectors, shape.tokens - token)};
    }

    KvShape shape;
    std::uint64_t vectors;
    std::uint64_t per_head;
};

template <class Action>
void for_each_index(std::uint64_t count, Action const& action) {
    using Space = Kokkos::DefaultHostExecutionSpace;
    Kokkos::parallel_for(Kokkos::RangePolicy<Space>(0, static_cast<std::int64_t>(count)), [&](std::int64_t index) {
        at_simd_level([&] { action(static_cast<std::uint64_t>(index)); });
    });
    Space().fence();
}

double cosine_of(double xy, double xx, double yy) {
    if (xx == 0 || yy == 0) return xx == yy ? 1 : 0;
    return std::clamp(xy / std::sqrt(xx * yy), -1.0, 1.0);
}

bool finite(float value) { return std::fabs(value) <= FLT_MAX; }

void count_nonfinite(float x, float y, ErrorSums& sums) {
    bool const same = std::isnan(x) ? std::isnan(y) : x == y;
    if (finite(x)) {
        sums.made += finite(y) ? 0 : 1;
    } else {
        ++sums.nonfinite;
        sums.lost += same ? 0 : 1;
    }
}

template <class T>
ErrorSums block_sums(T const* original, T const* decoded, std::uint64_t vectors, std::uint64_t dim) {
    ErrorSums sums;
    std::array<double, kLanes> x_sum{}, abs_x{}, ee{}, abs_e{}, most{};
    for (std::uint64_t vector = 0; vector < vectors; ++vector, original += dim, decoded += dim) {
        std::array<double, kLanes> xx{}, yy{}, xy{}, kept{};
        auto const add = [&](std::uint64_t lane, float x_read, float y_read) {
            bool const keep = finite(x_read) & finite(y_read);
            double const x = keep ? static_cast<double>(x_read) : 0.0;
            double const y = keep ? static_cast<double>(y_read) : 0.0;
            double const e = y - x;
            double const size = std::fabs(e);
            kept[lane] += keep ? 1.0 : 0.0;
            x_sum[lane] += x;
            abs_x[lane] += std::fabs(x);
            ee[lane] += e * e;
            abs_e[lane] += size;
            most[lane] = size > most[lane] ? size : most[lane];
            xx[lane] += x * x;
            yy[lane] += y * y;
            xy[lane] += x * y;
        };
        std::uint64_t done = 0;
        for (; done + kLanes <= dim; done += kLanes)
            for (std::uint64_t lane = 0; lane < kLanes; ++lane)
                add(lane, to_float(original[done + lane]), to_float(decoded[done + lane]));
        for (std::uint64_t lane = 0; done + lane < dim; ++lane)
            add(lane, to_float(original[done + lane]), to_float(decoded[done + lane]));

        double vector_xx = 0, vector_yy = 0, vector_xy = 0, vector_kept = 0;
        for (std::uint64_t lane = 0; lane < kLanes; ++lane) {
            vector_xx += xx[lane];
            vector_yy += yy[lane];
            vector_xy += xy[lane];
            vector_kept += kept[lane];
        }
        sums.xx += vector_xx;
        sums.yy += vector_yy;
        sums.xy += vector_xy;
        sums.cosine_min = std::min(sums.cosine_min, cosine_of(vector_xy, vector_xx, vector_yy));
        auto const whole = static_cast<std::uint64_t>(vector_kept);
        sums.values += whole;
        if (whole != dim)
            for (std::uint64_t channel = 0; channel < dim; ++channel)
                count_nonfinite(to_float(original[channel]), to_float(decoded[channel]), sums);
    }
    for (std::uint64_t lane = 0; lane < kLanes; ++lane) {
        sums.x += x_sum[lane];
        sums.abs_x += abs_x[lane];
        sums.ee += ee[lane];
        sums.abs_e += abs_e[lane];
        sums.max_abs_error = std::max(sums.max_abs_error, most[lane]);
    }
    return sums;
}

/// Calls `action(part, block, relative error)` for every pair above the floor; the parts share the blocks out.
template <class T, class Action>
void for_each_relative_error(Blocks const& blocks, T const* original, T const* decoded, double floor,
                             std::uint64_t parts, Action const& action) {
    for_each_index(parts, [&](std::uint64_t part) {
        for (auto index = blocks.count() * part / parts; index < blocks.count() * (part + 1) / parts; ++index) {
            auto const [first, vectors] = blocks[index];
            for (auto at = first; at < first + vectors * blocks.shape.dim; ++at) {
                float const x = to_float(original[at]);
                float const y = to_float(decoded[at]);
                double const size = std::fabs(static_cast<double>(x));
                if (!(size > floor) || !finite(x) || !finite(y)) continue;
                double const relative = std::fabs(static_cast<double>(y) - static_cast<double>(x)) / size;
                action(part, index, std::min<double>(relative, FLT_MAX));
            }
        }
    });
}

/// Of each head.
template <class T>
std::vector<ErrorSums> head_sums(Blocks const& blocks, T const* original, T const* decoded) {
    auto const& shape = blocks.shape;
    std::vector<ErrorSums> sums(blocks.count());
    for_each_index(blocks.count(), [&](std::uint64_t index) {
        auto const [first, vectors] = blocks[index];
        sums[index] = block_sums(original + first, decoded + first, vectors, shape.dim);
    });
    std::vector<ErrorSums> heads(shape.layers * shape.heads);
    for (std::uint64_t index = 0; index < blocks.count(); ++index) heads[index / blocks.per_head] += sums[index];
    return heads;
}

template <class T>
Distortion measure(KvShape const& shape, T const* original, T const* decoded) {
    Distortion distortion;
    Blocks const blocks(shape);
    distortion.heads = head_sums(blocks, original, decoded);
    for (auto const& head : distortion.heads) distortion.total += head;
    if (distortion.total.values == 0) return distortion;

    double const floor =
        kRelativeErrorFloor * std::sqrt(distortion.total.xx / static_cast<double>(distortion.total.values));
    auto const parts =
        std::min(kMostParts, static_cast<std::uint64_t>(Kokkos::DefaultHostExecutionSpace().concurrency()));
    std::vector<RelativeErrors> counts(parts);
    std::vector<float> largest(parts, 0);
    std::vector<double> relative_sums(blocks.count());
    for_each_relative_error(blocks, original, decoded, floor, parts,
                            [&](std::uint64_t part, std::uint64_t block, double exact) {
                                auto const relative = static_cast<float>(exact);
                                counts[part].count(relative);
                                largest[part] = std::max(largest[part], relative);
                                relative_sums[block] += exact;
                            });
    for (auto const& part : counts) distortion.relative_errors += part;
    for (auto const sum : relative_sums) distortion.relative_error_sum += sum;
    if (distortion.relative_errors.values() == 0) return distortion;

    constexpr std::size_t members = std::size_t{1} << RelativeErrors::low_bits;
    std::array<RelativeErrors::Place, kQuantiles.size()> places;
    for (std::size_t which = 0; which < places.size(); ++which)
        places[which] = distortion.relative_errors.place(kQuantiles[which]);
    using Members = std::array<std::array<std::uint64_t, members>, kQuantiles.size()>;
    std::vector<Members> within(parts, Members{});
    for_each_relative_error(blocks, original, decoded, floor, parts,
                            [&](std::uint64_t part, std::uint64_t, double exact) {
                                auto const relative = static_cast<float>(exact);
                                auto const bin = RelativeErrors::bin_of(relative);
                                for (std::size_t which = 0; which < places.size(); ++which)
                                    if (bin == places[which].bin)
                                        ++within[part][which][std::bit_cast<std::uint32_t>(relative) % members];
                            });
    std::array<double, kQuantiles.size()> exact{};
    for (std::size_t which = 0; which < places.size(); ++which) {
        std::uint64_t below = 0;
        for (std::uint32_t member = 0; member < members; ++member) {
            for (auto const& part : within) below += part[which][member];
            if (below <= places[which].rank) continue;
            exact[which] = std::bit_cast<float>(places[which].bin << RelativeErrors::low_bits | member);
            break;
        }
    }
    distortion.quantiles = {exact[0], exact[1], exact[2], *std::ranges::max_element(largest)};
    return distortion;
}

/// Calls `action` with both as values of their type.
template <class Action>
auto with_values(ElementType type, std::byte const* original, std::byte const* decoded, Action const& action) {
    auto const typed = [&]<class T>() {
        return action(reinterpret_cast<T const*>(original), reinterpret_cast<T const*>(decoded));
    };
    switch (type) {
        case ElementType::f16:
            return typed.template operator()<Float16>();
        case ElementType::bf16:
            return typed.template operator()<BFloat16>();
        case ElementType::f32:
            break;
    }
    return typed.template operator()<float>();
}

}  // namespace

ErrorSums& ErrorSums::operator+=(ErrorSums const& other) {
    values += other.values;
    nonfinite += other.nonfinite;
    lost += other.lost;
    made += other.made;
    x += other.x;
    xx += other.xx;
    yy += other.yy;
    xy += other.xy;
    abs_x += other.abs_x;
    ee += other.ee;
    abs_e += other.abs_e;
    max_abs_error = std::max(max_abs_error, other.max_abs_error);
    cosine_min = std::min(cosine_min, other.cosine_min);
    return *this;
}

std::optional<double> ErrorSums::mae() const {
    if (values == 0) return std::nullopt;
    return abs_e / static_cast<double>(values);
}

std::optional<double> ErrorSums::rmse() const {
    if (values == 0) return std::nullopt;
    return std::sqrt(ee / static_cast<double>(values));
}

std::optional<double> ErrorSums::nmse() const {
    if (values == 0) return std::nullopt;
    double const count = static_cast<double>(values);
    double const mean = x / count;
    double const variance = xx / count - mean * mean;
    constexpr double rounding = 1e-12;
    if (variance <= rounding * (xx / count)) return std::nullopt;
    return ee / count / variance;
}

std::optional<double> ErrorSums::relative_error_l1() const {
    if (abs_x == 0) return std::nullopt;
    return abs_e / abs_x;
}

std::optional<double> ErrorSums::cosine() const {
    if (values == 0) return std::nullopt;
    return cosine_of(xy, xx, yy);
}

std::optional<double> Distortion::relative_error_mean() const {
    auto const count = relative_errors.values();
    if (count == 0) return std::nullopt;
    return relative_error_sum / static_cast<double>(count);
}

RelativeErrors::RelativeErrors() : counts_(std::size_t{1} << (31 - low_bits)) {}

std::uint32_t RelativeErrors::bin_of(float relative_error) {
    return std::bit_cast<std::uint32_t>(relative_error) >> low_bits;
}

RelativeErrors& RelativeErrors::operator+=(RelativeErrors const& other) {
    for (std::size_t bin = 0; bin < counts_.size(); ++bin) counts_[bin] += other.counts_[bin];
    return *this;
}

std::uint64_t RelativeErrors::values() const {
    std::uint64_t sum = 0;
    for (auto const count : counts_) sum += count;
    return sum;
}

RelativeErrors::Place RelativeErrors::place(double quantile) const {
    auto const count = values();
    auto const wanted = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(count)));
    std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, count) - 1;
    std::uint32_t bin = 0;
    for (; rank >= counts_[bin]; ++bin) rank -= counts_[bin];
    return {bin, rank};
}

double RelativeErrors::middle(std::uint32_t bin) {
    if (bin == 0) return 0;
    return std::bit_cast<float>(bin << low_bits | std::uint32_t{1} << (low_bits - 1));
}

Distortion measure_distortion(KvShape const& shape, ElementType type, std::byte const* original,
                              std::byte const* decoded) {
    return with_values(type, original, decoded, [&](auto const* x, auto const* y) { return measure(shape, x, y); });
}

ErrorSums measure_error_sums(KvShape const& shape, ElementType type, std::byte const* original,
                             std::byte const* decoded) {
    ErrorSums total;
    auto const heads = with_values(type, original, decoded,
                                   [&](auto const* x, auto const* y) { return head_sums(Blocks(shape), x, y); });
    for (auto const& head : heads) total += head;
    return total;
}

PooledDistortion pooled(std::vector<Distortion const*> const& parts) {
    PooledDistortion both;
    RelativeErrors counts;
    double largest = 0, sum = 0;
    for (auto const* part : parts) {
        both.total += part->total;
        counts += part->relative_errors;
        sum += part->relative_error_sum;
        if (part->quantiles) largest = std::max(largest, part->quantiles->max);
    }
    if (counts.values() == 0) return both;
    both.relative_error_mean = sum / static_cast<double>(counts.values());
    auto const at = [&](std::size_t which) { return RelativeErrors::middle(counts.place(kQuantiles[which]).bin); };
    both.quantiles = {at(0), at(1), at(2), largest};
    return both;
}

}  // namespace kvstone
