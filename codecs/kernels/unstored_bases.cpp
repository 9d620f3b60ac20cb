#include "codecs/kernels/unstored_bases.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "codecs/kernels/orthogonal_bases.hpp"
#include "codecs/not_applicable.hpp"

namespace kvstone {

UnstoredBases& UnstoredBases::operator=(UnstoredBases&& other) noexcept {
    seed_ = other.seed_;
    file_ = std::move(other.file_);
    before_rope_ = other.before_rope_;
    first_layer_ = other.first_layer_;
    made_ = std::move(other.made_);
    return *this;
}

TensorBases const* UnstoredBases::of(Component component) const {
    auto const found = file_->tensors.find(component == Component::v ? "v" : before_rope_ ? "k_prerope" : "k");
    return found == file_->tensors.end() ? nullptr : &found->second;
}

void UnstoredBases::check(VectorGroups const& groups, Section const& section) const {
    auto const& file = file_->shape;
    auto const& shape = section.shape;
    auto const layer = first_layer_ + section.layer;
    auto const* const bases = of(section.component);
    if (bases == nullptr) {
        throw NotApplicable("the file has no bases of these tensors", file_->path, {"a source with keys before RoPE"});
    }
    auto const& of_file = file_->groups;
    bool const fits = shape.dim == file.dim && layer + shape.layers <= file.layers &&
                      section.head + shape.heads <= file.heads && bases->shape.dim == groups.length() &&
                      section.head % groups.group_heads == 0 &&
                      (of_file.over != "layers" || (layer % of_file.layers == 0 && shape.layers % of_file.layers == 0));
    if (!fits) {
        throw NotApplicable(
            "the bases are of a cache of another shape",
            fmt::format("{} layers of {} heads of {} from layer {} on", shape.layers, shape.heads, shape.dim, layer),
            {fmt::format("{} layers of {} heads of {}", file.layers, file.heads, file.dim)});
    }
}

std::vector<float> const& UnstoredBases::packed(VectorGroups const& groups, Section const& section) const {
    auto const& shape = section.shape;
    std::lock_guard const lock(making_);
    auto& floats = made_[random() ? std::array<std::uint64_t, 7>{groups.length(), groups.length(groups.count() - 1),
                                                                 groups.rank, shape.dim}
                                  : std::array<std::uint64_t, 7>{section.component == Component::k, section.layer,
                                                                 section.head, shape.layers, shape.heads}];
    if (!floats.empty()) return floats;
    auto const count = PackedBases::count(groups, random());
    auto const forward = count * PackedBases::forward_values(groups);
    auto const backward = count * PackedBases::backward_values(groups);
    floats.resize(PackedBases::values(groups, random(), !random() && file_->groups.mean));
    if (random()) {
        make_random(groups, floats.data(), floats.data() + forward);
    } else {
        take(groups, section, floats.data(), floats.data() + forward, floats.data() + forward + backward);
    }
    return floats;
}

void UnstoredBases::take(VectorGroups const& groups, Section const& section, float* forward, float* backward,
                         float* mean) const {
    auto const& bases = *of(section.component);
    auto const n = groups.length();
    for (std::uint64_t group = 0; group < groups.count(); ++group) {
        auto const row = (first_layer_ + section.layer) / groups.group_layers + group / groups.across();
        auto const column = section.head / groups.group_heads + group % groups.across();
        auto const at = row * bases.shape.heads + column;
        for (std::uint64_t component = 0; component < groups.rank; ++component) {
            for (std::uint64_t c = 0; c < n; ++c)
                pack_entry(groups, group, group, component, c, bases.basis[(at * n + component) * n + c], forward,
                           backward);
        }
        if (file_->groups.mean) std::copy_n(bases.mean.data() + at * n, n, mean + group * n);
    }
}

void UnstoredBases::make_random(VectorGroups const& groups, float* forward, float* backward) const {
    auto const last = groups.count() - 1;
    for (auto const group : {std::uint64_t{0}, last}) {
        auto const n = groups.length(group);
        auto const rank = groups.rank_of(group);
        std::vector<double> basis(n * rank);
        random_basis(seed_, n, rank, basis.data());
        for (std::uint64_t component = 0; component < rank; ++component) {
            for (std::uint64_t c = 0; c < n; ++c)
                pack_entry(groups, group, n < groups.length() ? 1 : 0, component, c,
                           static_cast<float>(basis[component * n + c]), forward, backward);
        }
        if (n == groups.length(last)) break;
    }
}

}  // namespace kvstone
