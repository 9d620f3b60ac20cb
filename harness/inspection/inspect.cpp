#include "harness/inspection/inspect.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/sources/elements.hpp"
#include "harness/sources/layout_check.hpp"
#include "harness/sources/rope.hpp"

namespace kvstone {
namespace {

constexpr double outlier_ratio = 4;

/// Sums over the values of one head of one layer.
struct HeadSums {
    double least = std::numeric_limits<double>::infinity();
    double most = -std::numeric_limits<double>::infinity();
    double sum = 0;
    double squares = 0;
    std::uint64_t zeros = 0;
    bool exact_in_f16 = true;
    bool exact_in_bf16 = true;
    std::vector<double> channel_squares;
};

bool exact_in_f16(float value) {
    auto const size = std::abs(value);
    if (size > 65504.0F) return false;
    // From 2^-14 on a half has 10 bits of mantissa; below it is a multiple of 2^-24.
    if (size >= 0x1p-14F) return (std::bit_cast<std::uint32_t>(value) & 0x1fffU) == 0;
    return std::nearbyint(size * 0x1p24F) == size * 0x1p24F;
}

bool exact_in_bf16(float value) { return (std::bit_cast<std::uint32_t>(value) & 0xffffU) == 0; }

HeadSums sum_head(HostTensor const& tensor, std::uint64_t group) {
    auto const& shape = tensor.shape;
    HeadSums sums;
    sums.channel_squares.resize(shape.dim);
    for (std::uint64_t i = 0; i < shape.tokens * shape.dim; ++i) {
        auto const value = element_value(tensor.type, tensor.bytes.get(), group * shape.tokens * shape.dim + i);
        sums.least = std::min(sums.least, double{value});
        sums.most = std::max(sums.most, double{value});
        sums.sum += value;
        sums.channel_squares[i % shape.dim] += double{value} * value;
        sums.zeros += value == 0 ? 1 : 0;
        sums.exact_in_f16 = sums.exact_in_f16 && exact_in_f16(value);
        sums.exact_in_bf16 = sums.exact_in_bf16 && exact_in_bf16(value);
    }
    for (auto const square : sums.channel_squares) sums.squares += square;
    return sums;
}

Json layer_facts(std::vector<HeadSums> const& sums, KvShape const& shape, std::uint64_t layer) {
    std::vector<double> channel_rms;
    std::vector<double> head_rms;
    double least = std::numeric_limits<double>::infinity();
    double most = -least;
    double squares = 0;
    auto const per_head = static_cast<double>(shape.tokens * shape.dim);
    for (std::uint64_t head = 0; head < shape.heads; ++head) {
        auto const& of_head = sums[layer * shape.heads + head];
        least = std::min(least, of_head.least);
        most = std::max(most, of_head.most);
        squares += of_head.squares;
        head_rms.push_back(std::sqrt(of_head.squares / per_head));
        for (auto const square : of_head.channel_squares) {
            channel_rms.push_back(std::sqrt(square / static_cast<double>(shape.tokens)));
        }
    }
    std::sort(channel_rms.begin(), channel_rms.end());
    auto const median = channel_rms[channel_rms.size() / 2];
    auto const outliers = std::count_if(channel_rms.begin(), channel_rms.end(),
                                        [median](double rms) { return rms > outlier_ratio * median; });
    return {{"rms", std::sqrt(squares / (per_head * static_cast<double>(shape.heads)))},
            {"min", least},
            {"max", most},
            {"channel_ratio", median > 0 ? Json(channel_rms.back() / median) : Json()},
            {"outlier_channels", outliers},
            {"head_rms", head_rms}};
}

Json to_json(Structure const& structure) {
    return {{"mean_share", structure.mean_share},
            {"size_share", structure.size_share},
            {"correlation", structure.correlation}};
}

Json tensor_facts(HostTensor const& tensor) {
    auto const& shape = tensor.shape;
    std::vector<HeadSums> sums(shape.layers * shape.heads);
#pragma omp parallel for schedule(dynamic)
    for (std::uint64_t group = 0; group < sums.size(); ++group) sums[group] = sum_head(tensor, group);
    HeadSums all;
    for (auto const& head : sums) {
        all.least = std::min(all.least, head.least);
        all.most = std::max(all.most, head.most);
        all.sum += head.sum;
        all.squares += head.squares;
        all.zeros += head.zeros;
        all.exact_in_f16 = all.exact_in_f16 && head.exact_in_f16;
        all.exact_in_bf16 = all.exact_in_bf16 && head.exact_in_bf16;
    }
    auto const count = static_cast<double>(shape.values());
    auto const layout = check_layout(tensor);
    Json layout_json{{"verdict", layout.verdict}, {"as_read", to_json(layout.as_read)}};
    if (!layout.best_other.empty()) {
        layout_json["best_other"] = layout.best_other;
        layout_json["as_best_other"] = to_json(layout.as_best_other);
    }
    auto by_layer = Json::array();
    for (std::uint64_t layer = 0; layer < shape.layers; ++layer) by_layer.push_back(layer_facts(sums, shape, layer));
    return {{"type", name_of(tensor.type)},
            {"layers", shape.layers},
            {"heads", shape.heads},
            {"tokens", shape.tokens},
            {"dim", shape.dim},
            {"bytes", tensor.span().size()},
            {"holds", all.exact_in_f16    ? "f16"
                      : all.exact_in_bf16 ? "bf16"
                                          : "f32"},
            {"min", all.least},
            {"max", all.most},
            {"mean", all.sum / count},
            {"rms", std::sqrt(all.squares / count)},
            {"zeros", static_cast<double>(all.zeros) / count},
            {"layout", std::move(layout_json)},
            {"by_layer", std::move(by_layer)}};
}

double relative_error(HostTensor const& ours, HostTensor const& theirs) {
    double error = 0;
    double norm = 0;
    for (std::uint64_t i = 0; i < theirs.shape.values(); ++i) {
        double const value = element_value(theirs.type, theirs.bytes.get(), i);
        double const difference = element_value(ours.type, ours.bytes.get(), i) - value;
        error += difference * difference;
        norm += value * value;
    }
    return norm > 0 ? std::sqrt(error / norm) : 0;
}

Json rope_facts(KvTensors const& tensors) {
    auto facts = to_json(*tensors.rope);
    if (tensors.k) {
        facts["mean_share_rotated"] = structure_of(*tensors.k).mean_share;
        facts["mean_share_unrotated"] = structure_of(rotate(*tensors.k, *tensors.rope, true)).mean_share;
    }
    if (tensors.k && tensors.k_prerope && tensors.k->shape == tensors.k_prerope->shape) {
        facts["error"] = relative_error(rotate(*tensors.k_prerope, *tensors.rope, false), *tensors.k);
    }
    return facts;
}

}  // namespace

Json inspect(KvTensors const& tensors) {
    auto result = Json::object();
    if (tensors.k) result["k"] = tensor_facts(*tensors.k);
    if (tensors.v) result["v"] = tensor_facts(*tensors.v);
    if (tensors.k_prerope) result["k_prerope"] = tensor_facts(*tensors.k_prerope);
    if (tensors.q) result["q"] = tensor_facts(*tensors.q);
    if (tensors.rope) result["rope"] = rope_facts(tensors);
    if (!tensors.metadata.empty()) result["metadata"] = tensors.metadata;
    return result;
}

}  // namespace kvstone
