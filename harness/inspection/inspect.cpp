#include "harness/inspection/inspect.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "harness/inspection/attention_share.hpp"
#include "harness/inspection/head_sums.hpp"
#include "harness/inspection/layer_facts.hpp"
#include "harness/inspection/spread.hpp"
#include "harness/sources/element_check.hpp"
#include "harness/sources/elements.hpp"
#include "harness/sources/layout_check.hpp"
#include "harness/sources/rope.hpp"

namespace kvstone {
namespace {

Json to_json(Structure const& structure) {
    return {{"mean_share", structure.mean_share},
            {"size_share", structure.size_share},
            {"correlation", structure.correlation}};
}

Json type_facts(HostTensor const& tensor) {
    auto const check = check_elements(tensor.span(), name_of(tensor.type));
    Json facts{{"spread", std::isfinite(check.spread) ? Json(check.spread) : Json()}};
    if (!check.likely.empty()) facts.update({{"likely", check.likely}, {"evidence", check.evidence}});
    return facts;
}

/// Zeros that stand for nothing: the last channels and tokens of every head, and whole heads.
Json padding_facts(std::vector<HeadSums> const& heads, KvShape const& shape) {
    std::uint64_t channels = shape.dim;
    std::uint64_t tokens = shape.tokens;
    std::uint64_t empty = 0;
    auto const last_zeros = [](std::vector<double> const& squares) {
        auto const last = std::find_if(squares.rbegin(), squares.rend(), [](double square) { return square != 0; });
        return static_cast<std::uint64_t>(last - squares.rbegin());
    };
    for (auto const& head : heads) {
        channels = std::min(channels, last_zeros(head.channel_squares));
        tokens = std::min(tokens, last_zeros(head.token_squares));
        empty += head.squares == 0 ? 1 : 0;
    }
    return channels + tokens + empty == 0 ? Json() : Json{{"channels", channels}, {"tokens", tokens}, {"heads", empty}};
}

Json tensor_facts(HostTensor const& tensor) {
    auto const& shape = tensor.shape;
    std::vector<HeadSums> sums(shape.layers * shape.heads);
    std::vector<std::vector<double>> variances(sums.size());
#pragma omp parallel for schedule(dynamic)
    for (std::uint64_t group = 0; group < sums.size(); ++group) {
        sums[group] = sum_head(tensor, group);
        variances[group] = principal_variances(tensor, group, sums[group]);
    }
    HeadSums all;
    for (auto const& head : sums) {
        all.least = std::min(all.least, head.least);
        all.most = std::max(all.most, head.most);
        all.sum += head.sum;
        all.squares += head.squares;
        all.zeros += head.zeros;
        all.exact_in_f16 = all.exact_in_f16 && head.exact_in_f16;
        all.exact_in_bf16 = all.exact_in_bf16 && head.exact_in_bf16;
        all.bits |= head.bits;
    }
    auto const count = static_cast<double>(shape.values());
    auto const layout = check_layout(tensor);
    Json layout_json{{"verdict", layout.verdict}, {"as_read", to_json(layout.as_read)}};
    if (!layout.best_other.empty()) {
        layout_json["best_other"] = layout.best_other;
        layout_json["as_best_other"] = to_json(layout.as_best_other);
    }
    if (!layout.axes.empty()) layout_json["axes"] = layout.axes;
    layout_json["contradicted"] = layout.contradicted;
    auto by_layer = Json::array();
    for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
        auto const first = layer * shape.heads;
        by_layer.push_back(layer_facts(std::span(sums).subspan(first, shape.heads),
                                       std::span(variances).subspan(first, shape.heads), shape));
    }
    Json facts{{"type", name_of(tensor.type)},
               {"layers", shape.layers},
               {"heads", shape.heads},
               {"tokens", shape.tokens},
               {"dim", shape.dim},
               {"bytes", tensor.span().size()},
               {"holds", all.exact_in_f16    ? "f16"
                         : all.exact_in_bf16 ? "bf16"
                                             : "f32"},
               {"low_zero_bits", std::min<std::uint64_t>(std::countr_zero(all.bits), 8 * element_bytes(tensor.type))},
               {"type_check", type_facts(tensor)},
               {"min", all.least},
               {"max", all.most},
               {"mean", all.sum / count},
               {"rms", std::sqrt(all.squares / count)},
               {"zeros", static_cast<double>(all.zeros) / count},
               {"layout", std::move(layout_json)},
               {"by_layer", std::move(by_layer)}};
    if (auto padding = padding_facts(sums, shape); !padding.is_null()) facts["padding"] = std::move(padding);
    return facts;
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

/// Whether the queries can have been asked of these keys. A file may hold anything under the names of both.
bool can_attend(KvTensors const& tensors) {
    if (!tensors.k || !tensors.q) return false;
    auto const& k = tensors.k->shape;
    auto const& q = tensors.q->shape;
    bool const placed = tensors.q_positions.empty() ? q.tokens == k.tokens : tensors.q_positions.back() < k.tokens;
    return placed && q.layers == k.layers && q.dim == k.dim && q.heads % k.heads == 0 && q.tokens > 0;
}

}  // namespace

Json inspect(KvTensors const& tensors) {
    auto result = Json::object();
    if (tensors.k) result["k"] = tensor_facts(*tensors.k);
    if (tensors.v) result["v"] = tensor_facts(*tensors.v);
    if (tensors.k_prerope) result["k_prerope"] = tensor_facts(*tensors.k_prerope);
    if (tensors.q) result["q"] = tensor_facts(*tensors.q);
    if (can_attend(tensors)) result["attention"] = {{"first_token", first_token_share(tensors)}};
    if (tensors.rope) result["rope"] = rope_facts(tensors);
    if (tensors.latent != 0 && tensors.k)
        result["latent"] = {{"channels", tensors.latent}, {"other_channels", tensors.k->shape.dim - tensors.latent}};
    if (!tensors.metadata.empty()) result["metadata"] = tensors.metadata;
    return result;
}

}  // namespace kvstone
