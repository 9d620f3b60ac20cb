#include "harness/workloads/attention/dropped_tokens.hpp"

#include <algorithm>
#include <cstring>

#include "harness/sources/latent.hpp"

namespace kvstone {
namespace {

/// Never written to.
KvView view_of(HostTensor const& tensor) {
    return {const_cast<std::byte*>(tensor.bytes.get()), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)};
}

KvView first_tokens(KvView const& view, std::uint64_t tokens) {
    auto shape = view.shape;
    shape.tokens = tokens;
    return view.box(0, 0, 0, shape);
}

/// Memory of the host for what is decoded: the bench's own, or a copy of it where that lies elsewhere.
class DecodedOnHost {
  public:
    DecodedOnHost(Workbench const& bench, BackendKind kind) : bench_(bench), kind_(kind) {
        if (kind != BackendKind::openmp) copy_.resize(bench.bytes());
    }
    KvView view() {
        auto view = bench_.decoded();
        if (!copy_.empty()) view.data = copy_.data();
        return view;
    }
    void hand_over() {
        if (!copy_.empty())
            copy_to_backend(kind_, static_cast<std::byte*>(bench_.decoded().data), copy_.data(), copy_.size());
    }

  private:
    Workbench const& bench_;
    BackendKind kind_;
    std::vector<std::byte> copy_;
};

}  // namespace

HostTensor queries_at(HostTensor const& q, std::vector<std::uint64_t> const& positions) {
    auto shape = q.shape;
    shape.tokens = positions.size();
    auto const row = shape.dim * element_bytes(q.type);
    std::shared_ptr<std::byte[]> const bytes(new std::byte[shape.values() * element_bytes(q.type)]);
    auto* to = bytes.get();
    for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head)
        for (auto const position : positions) {
            std::memcpy(to, q.bytes.get() + (head * q.shape.tokens + position) * row, row);
            to += row;
        }
    return {q.type, shape, std::shared_ptr<std::byte const>(bytes, bytes.get())};
}

Selection select_before(std::uint64_t prompt, StageText const& keep, KvTensors const& tensors) {
    auto const k = view_of(*tensors.k);
    SelectionTensors seen{.k = first_tokens(k, prompt),
                          .v = first_tokens(tensors.v ? view_of(*tensors.v) : latent_of(k, tensors.latent), prompt),
                          .rope = tensors.rope ? &*tensors.rope : nullptr,
                          .query_dim = tensors.query_dim};
    if (needs_queries(keep)) seen.q = first_tokens(view_of(*tensors.q), prompt);
    return select_tokens(keep, seen);
}

std::vector<std::uint8_t> stays_of(Selection const& selection, std::uint64_t tokens) {
    std::vector<std::uint8_t> stays(selection.layers() * selection.heads() * tokens);
    auto* row = stays.data();
    for (std::uint64_t layer = 0; layer < selection.layers(); ++layer)
        for (std::uint64_t head = 0; head < selection.heads(); ++head, row += tokens) {
            for (auto const token : selection.kept(layer, head)) row[token] = 1;
            std::fill(row + selection.tokens(), row + tokens, std::uint8_t{1});
        }
    return stays;
}

SealedSelection decode_kept(Workbench const& k, Workbench const* v, Codec const& codec, Selection const& selection,
                            BackendKind kind) {
    SelectedCodec const selected(codec, kind);
    CacheViews original{view_of(k.tensor())};
    if (v != nullptr) original.v = view_of(v->tensor());
    auto sealed = selected.encode(original, selection);
    DecodedOnHost k_decoded(k, kind);
    CacheViews decoded{k_decoded.view()};
    std::optional<DecodedOnHost> v_decoded;
    if (v != nullptr) decoded.v = v_decoded.emplace(*v, kind).view();
    selected.decode(sealed.bytes, decoded);
    k_decoded.hand_over();
    if (v_decoded) v_decoded->hand_over();
    return sealed;
}

}  // namespace kvstone
