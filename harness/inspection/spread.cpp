#include "harness/inspection/spread.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "codecs/kernels/orthogonal_bases.hpp"
#include "harness/sources/elements.hpp"

namespace kvstone {
namespace {

/// Sums in double leave a few units of the last place of the mean square.
constexpr double nothing = 1e-12;

/// The largest over the least value of `of_channel`.
template <class OfChannel>
std::optional<double> ratio_of_channels(std::uint64_t channels, OfChannel const& of_channel) {
    double least = std::numeric_limits<double>::infinity();
    double most = 0;
    for (std::uint64_t c = 0; c < channels; ++c) {
        auto const value = of_channel(c);
        least = std::min(least, value);
        most = std::max(most, value);
    }
    return least > nothing * most ? std::optional(most / least) : std::nullopt;
}

}  // namespace

std::optional<double> channel_variance_ratio(HeadSums const& head, KvShape const& shape) {
    auto const tokens = static_cast<double>(shape.tokens);
    return ratio_of_channels(shape.dim, [&](std::uint64_t c) {
        auto const mean = head.channel_sums[c] / tokens;
        return head.channel_squares[c] / tokens - mean * mean;
    });
}

std::optional<double> channel_second_moment_ratio(HeadSums const& head, KvShape const& shape) {
    return ratio_of_channels(shape.dim, [&](std::uint64_t c) { return head.channel_squares[c]; });
}

double mean_energy(std::span<HeadSums const> heads, KvShape const& shape) {
    double of_means = 0;
    double squares = 0;
    for (auto const& head : heads) {
        for (auto const sum : head.channel_sums) of_means += sum * sum / static_cast<double>(shape.tokens);
        squares += head.squares;
    }
    return squares > 0 ? of_means / squares : 0;
}

std::vector<double> principal_variances(HostTensor const& tensor, std::uint64_t group, HeadSums const& head) {
    auto const [layers, heads, tokens, dim] = tensor.shape;
    std::vector<double> means;
    for (auto const sum : head.channel_sums) means.push_back(sum / static_cast<double>(tokens));
    std::vector<float> values(tokens * dim);
    for (std::uint64_t i = 0; i < values.size(); ++i)
        values[i] = element_value(tensor.type, tensor.bytes.get(), group * values.size() + i);
    float const* const run = values.data();
    std::vector<double> work(principal_axes_doubles(dim));
    std::vector<double> variances(dim);
    principal_eigenvalues({&run, &dim, 1, dim, tokens}, means.data(), work.data(), variances.data());
    return variances;
}

std::optional<double> eigenvalue_ratio(std::span<double const> variances) {
    if (variances.empty() || !(variances.back() > nothing * variances.front())) return std::nullopt;
    return variances.front() / variances.back();
}

std::vector<double> energy_by_rank(std::span<double const> variances) {
    std::vector<double> energy;
    double sum = 0;
    for (auto const variance : variances) {
        sum += std::max(variance, 0.0);
        energy.push_back(sum);
    }
    if (!(sum > 0)) return {};
    for (auto& share : energy) share /= sum;
    return energy;
}

std::optional<std::uint64_t> rank_of_energy(std::span<double const> variances, double share) {
    auto const energy = energy_by_rank(variances);
    if (energy.empty()) return std::nullopt;
    return static_cast<std::uint64_t>(std::ranges::lower_bound(energy, share) - energy.begin()) + 1;
}

}  // namespace kvstone
