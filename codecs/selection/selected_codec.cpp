#include "codecs/selection/selected_codec.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "codecs/access.hpp"
#include "codecs/container/container.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t alignment = 8;
constexpr std::uint64_t padded(std::uint64_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// The fixed part, as it lies in memory.
struct FixedHeader {
    std::array<char, 8> magic{'K', 'V', 'k', 'e', 'e', 'p', '\0', '\0'};
    std::uint32_t version = 1;
    std::uint32_t text_bytes = 0;
    std::uint64_t total_bytes = 0;
    std::uint64_t checksum = 0;
    std::uint64_t layers = 0, heads = 0, tokens = 0, later_tokens = 0;
    std::uint8_t same = 0;
    std::uint8_t has_v = 0;
    std::array<std::uint8_t, 6> zeros{};
    bool operator==(FixedHeader const&) const = default;
};
static_assert(sizeof(FixedHeader) == 72);

/// The text of the stage alone: what its codec's text begins with.
std::string selection_text(Codec const& codec) {
    auto const text = codec.text();
    return text.substr(0, text.size() - codec.without_selection().text().size());
}

std::uint64_t mask_bytes(std::uint64_t lists, std::uint64_t tokens) { return lists * ((tokens + 7) / 8); }

/// Where the vectors of one layer and head that stay lie in a cache: first the prompt's, then all later ones.
template <class Visit>
void each_kept(Selection const& selection, std::uint64_t tokens, std::uint64_t layer, std::uint64_t head,
               Visit const& visit) {
    std::uint64_t place = 0;
    for (auto const token : selection.kept(layer, head)) visit(place++, std::uint64_t{token});
    for (auto token = selection.tokens(); token < tokens; ++token) visit(place++, token);
}

/// A part of a cache whose layers keep equally many tokens: all layers, or one.
struct Part {
    Component component;
    KvView whole;  ///< the cache's layers of it
    std::uint64_t first_layer;
    Codec codec;
    KvShape shape;  ///< of the tokens that stay

    std::byte* vector(std::uint64_t layer, std::uint64_t head, std::uint64_t token) const {
        auto const& strides = whole.strides;
        return static_cast<std::byte*>(whole.data) +
               (layer * strides.layer + head * strides.head + token * strides.token) * element_bytes(whole.type);
    }
    std::uint64_t vector_bytes() const { return shape.dim * element_bytes(whole.type); }

    /// visit(bytes of the packed tensor of tokens that stay, bytes of the cache) for each vector.
    template <class Visit>
    void each_vector(Selection const& selection, std::byte* packed, Visit const& visit) const {
        for (std::uint64_t layer = 0; layer < shape.layers; ++layer)
            for (std::uint64_t head = 0; head < shape.heads; ++head)
                each_kept(selection, whole.shape.tokens, first_layer + layer, head,
                          [&](std::uint64_t place, std::uint64_t token) {
                              auto const row = (layer * shape.heads + head) * shape.tokens + place;
                              visit(packed + row * vector_bytes(), vector(layer, head, token));
                          });
    }
};

std::vector<Part> parts_of(Codec const& codec, CacheViews const& cache, Selection const& selection) {
    auto const later = cache.k.shape.tokens - selection.tokens();
    std::vector<Part> parts;
    auto const add = [&](Component component, KvView const& view) {
        auto const layers = view.shape.layers;
        auto const step = selection.same_counts() ? layers : 1;
        for (std::uint64_t layer = 0; layer < layers; layer += step) {
            auto shape = view.shape;
            shape.layers = step;
            auto const whole = view.box(layer, 0, 0, shape);
            shape.tokens = selection.kept(layer, 0).size() + later;
            parts.push_back({component, whole, layer, step == layers ? codec : codec.of_layer(layer, layers), shape});
        }
    };
    add(Component::k, cache.k);
    if (cache.v) add(Component::v, *cache.v);
    return parts;
}

/// A packed tensor of the tokens that stay: in host memory, and where kernels work.
class Packed {
  public:
    Packed(Part const& part, BackendKind backend)
        : part_(part), backend_(backend), host_(part.shape.vectors() * part.vector_bytes()), placed_(backend) {
        if (backend != BackendKind::openmp) placed_ = Buffer(backend, host_.size());
    }
    std::byte* host() { return host_.data(); }
    KvView view() {
        return {backend_ == BackendKind::openmp ? host_.data() : placed_.data(), part_.whole.type, part_.shape,
                KvStrides::packed(part_.shape)};
    }
    void to_backend() {
        if (backend_ != BackendKind::openmp) copy_to_backend(backend_, placed_.data(), host_.data(), host_.size());
    }
    void to_host() {
        if (backend_ != BackendKind::openmp) copy_to_host(backend_, host_.data(), placed_.data(), host_.size());
    }

  private:
    Part const& part_;
    BackendKind backend_;
    std::vector<std::byte> host_;
    Buffer placed_;
};

void check(bool holds, std::string const& what) {
    if (!holds) throw CorruptData("selection: " + what);
}

bool all_zeros(std::span<std::byte const> bytes) {
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

/// Lists from their bits, which lie one list after the other.
std::vector<std::vector<std::uint32_t>> lists_of(std::span<std::byte const> bits, std::uint64_t tokens) {
    auto const row = (tokens + 7) / 8;
    std::vector<std::vector<std::uint32_t>> lists;
    for (std::uint64_t first = 0; first < bits.size(); first += row) {
        auto& list = lists.emplace_back();
        for (std::uint64_t t = 0; t < row * 8; ++t) {
            if ((bits[first + t / 8] >> t % 8 & std::byte{1}) == std::byte{0}) continue;
            check(t < tokens, "a bit is set behind the last token");
            list.push_back(static_cast<std::uint32_t>(t));
        }
    }
    return lists;
}

std::uint64_t list_bytes(FixedHeader const& header) {
    auto const lists = header.same == 0 ? header.layers * header.heads : header.same == 1 ? header.layers : 1;
    return mask_bytes(lists, header.tokens);
}

}  // namespace

void check_kept_alone(Codec const& codec) {
    for (auto const& rule : codec.rules())
        for (auto const& stage : rule.pipeline)
            if (needs_of(stage).needs_positions)
                throw NotApplicable(
                    "needs the positions of tokens, which are not those of neighbours where tokens between "
                    "them were dropped",
                    stage.name, {"a codec without this stage"});
}

std::uint64_t selection_bytes(Codec const& codec, std::uint64_t lists, std::uint64_t tokens) {
    return sizeof(FixedHeader) + padded(selection_text(codec).size()) + padded(mask_bytes(lists, tokens));
}

SelectedCodec::SelectedCodec(Codec const& codec, BackendKind backend) : codec_(codec), backend_(backend) {
    if (!codec.selection()) throw std::invalid_argument("a codec that drops no tokens");
    check_kept_alone(codec);
}

SealedSelection SelectedCodec::encode(CacheViews const& cache, Selection const& selection) const {
    auto const& shape = cache.k.shape;
    bool const fits = selection.layers() == shape.layers && selection.heads() == shape.heads &&
                      selection.tokens() <= shape.tokens &&
                      (!cache.v || (cache.v->shape.layers == shape.layers && cache.v->shape.heads == shape.heads &&
                                    cache.v->shape.tokens == shape.tokens));
    if (!fits) throw std::invalid_argument("a selection of another cache");
    auto const text = selection_text(codec_);
    FixedHeader header;
    header.text_bytes = static_cast<std::uint32_t>(text.size());
    header.layers = shape.layers;
    header.heads = shape.heads;
    header.tokens = selection.tokens();
    header.later_tokens = shape.tokens - selection.tokens();
    header.same = static_cast<std::uint8_t>(selection.same());
    header.has_v = cache.v ? 1 : 0;
    auto const bits = mask_bytes(selection.lists().size(), selection.tokens());
    auto const mask_at = sizeof(header) + padded(text.size());

    SealedSelection sealed;
    sealed.bytes.resize(selection_bytes(codec_, selection.lists().size(), selection.tokens()));
    sealed.k.bill(LedgerLine::headers, sizeof(header) + text.size());
    sealed.k.bill(LedgerLine::mask, bits);
    sealed.k.bill(LedgerLine::padding, sealed.bytes.size() - sizeof(header) - text.size() - bits);
    auto* row = sealed.bytes.data() + mask_at;
    for (auto const& list : selection.lists()) {
        for (auto const token : list) row[token / 8] |= std::byte{1} << token % 8;
        row += (selection.tokens() + 7) / 8;
    }
    for (auto const& part : parts_of(codec_.without_selection(), cache, selection)) {
        Packed packed(part, backend_);
        part.each_vector(selection, packed.host(),
                         [&](std::byte* to, std::byte const* from) { std::memcpy(to, from, part.vector_bytes()); });
        packed.to_backend();
        TensorCodec codec(part.codec, part.component, part.shape, part.whole.type, backend_);
        codec.encode(packed.view());
        auto const container = codec.seal();
        sealed.bytes.insert(sealed.bytes.end(), container.begin(), container.end());
        (part.component == Component::k ? sealed.k : sealed.v) += codec.ledger();
    }
    header.total_bytes = sealed.bytes.size();
    std::memcpy(sealed.bytes.data(), &header, sizeof(header));
    std::memcpy(sealed.bytes.data() + sizeof(header), text.data(), text.size());
    reseal_container(sealed.bytes);
    return sealed;
}

Selection SelectedCodec::decode(std::span<std::byte const> sealed, CacheViews const& cache) const {
    auto const& shape = cache.k.shape;
    FixedHeader header;
    FixedHeader expected;
    check(sealed.size() >= sizeof(header), fmt::format("{} bytes are too few", sealed.size()));
    std::memcpy(&header, sealed.data(), sizeof(header));
    check(header.magic == expected.magic && header.version == expected.version, "not one that this program reads");
    check(header.total_bytes == sealed.size(),
          fmt::format("{} bytes where its header says {}", sealed.size(), header.total_bytes));
    check(header.checksum == checksum_of(sealed), "checksum does not match");
    check(header.zeros == expected.zeros && header.same <= 2 && header.has_v <= 1, "unknown kind of lists");
    check(header.layers == shape.layers && header.heads == shape.heads && header.tokens <= shape.tokens &&
              header.later_tokens == shape.tokens - header.tokens && (header.has_v == 1) == cache.v.has_value(),
          "of a cache of another shape");
    auto const text = selection_text(codec_);
    auto const mask_at = sizeof(header) + padded(header.text_bytes);
    auto const bits = list_bytes(header);
    check(mask_at <= sealed.size() && padded(bits) <= sealed.size() - mask_at, "ends within its header");
    check(std::string_view(reinterpret_cast<char const*>(sealed.data()) + sizeof(header), header.text_bytes) == text,
          "of another codec");
    check(all_zeros(sealed.subspan(sizeof(header) + text.size(), mask_at - sizeof(header) - text.size())) &&
              all_zeros(sealed.subspan(mask_at + bits, padded(bits) - bits)),
          "more lists than it has");
    auto const selection = [&] {
        try {
            return Selection(static_cast<SameTokens>(header.same), header.layers, header.heads, header.tokens,
                             lists_of(sealed.subspan(mask_at, bits), header.tokens));
        } catch (std::invalid_argument const& error) {
            throw CorruptData(fmt::format("selection: {}", error.what()));
        }
    }();

    auto rest = sealed.subspan(mask_at + padded(bits));
    for (auto const& part : parts_of(codec_.without_selection(), cache, selection)) {
        auto const own = rest.first(container_bytes(rest));
        rest = rest.subspan(own.size());
        TensorCodec codec(part.codec, part.component, part.shape, part.whole.type, backend_);
        codec.load(own);
        Packed packed(part, backend_);
        codec.decode(packed.view());
        packed.to_host();
        for (std::uint64_t layer = 0; layer < part.shape.layers; ++layer)
            for (std::uint64_t head = 0; head < part.shape.heads; ++head)
                for (std::uint64_t t = 0; t < header.tokens; ++t)
                    std::memset(part.vector(layer, head, t), 0, part.vector_bytes());
        part.each_vector(selection, packed.host(),
                         [&](std::byte const* from, std::byte* to) { std::memcpy(to, from, part.vector_bytes()); });
    }
    check(rest.empty(), "bytes behind its last container");
    return selection;
}

bool corrupt_selection(std::span<std::byte> sealed) {
    FixedHeader header;
    std::memcpy(&header, sealed.data(), sizeof(header));
    auto rest = sealed.subspan(sizeof(header) + padded(header.text_bytes) + padded(list_bytes(header)));
    bool corrupted = false;
    while (!rest.empty()) {
        auto const own = rest.first(container_bytes(rest));
        corrupted = corrupt_container(own) || corrupted;
        rest = rest.subspan(own.size());
    }
    reseal_container(sealed);
    return corrupted;
}

}  // namespace kvstone
