#include "codecs/container/tensor_codec.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "codecs/container/container.hpp"
#include "codecs/pipeline/pipeline.hpp"
#include "codecs/pipeline/sections.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Beyond this no byte count of a tensor, its planes or its scratch can overflow.
constexpr std::uint64_t most_values = std::uint64_t{1} << 48;
/// No codec stores a value in fewer bytes than this share of it: this bounds the memory that a container can make us
/// allocate.
constexpr std::uint64_t most_values_per_byte = std::uint64_t{1} << 18;

bool too_large(KvShape const& shape) {
    std::uint64_t values = 1;
    for (auto const size : {shape.layers, shape.heads, shape.tokens, shape.dim}) {
        if (size > most_values) return true;
        if (size > 0 && values > most_values / size) return true;
        values *= std::max<std::uint64_t>(size, 1);
    }
    return false;
}

}  // namespace

struct TensorCodec::State {
    State(Codec const& codec_value, Component its_component, KvShape const& its_shape, ElementType its_type,
          BackendKind backend, Rope const* its_rope)
        : codec(codec_value),
          text(codec.text()),
          formats(stage_formats(codec)),
          component(its_component),
          shape(its_shape),
          type(its_type),
          kind(backend),
          rope(its_rope != nullptr ? std::optional(*its_rope) : std::nullopt),
          pipelines(pipelines_of(codec)),
          scratch(backend) {
        if (too_large(shape)) throw ConfigError("the tensor has more than 2^48 values");
        for (auto [section, rule, kept_plain] : cut_sections(codec, pipelines, component, shape, type)) {
            if (rope) section.rope = &*rope;
            sections.emplace_back(pipelines[rule], section, kind);
            windows.push_back(kept_plain);
        }
    }

    /// The stored planes as the container lists them, data in the backend's memory.
    std::vector<StoredPlane> planes() const {
        std::vector<StoredPlane> all;
        for (std::size_t s = 0; s < sections.size(); ++s) {
            for (std::size_t p = 0; p < sections[s].plane_count(); ++p) {
                auto const plane = sections[s].plane(p);
                all.push_back({line_of(s, p), plane.bytes, plane.data});
            }
        }
        return all;
    }
    LedgerLine line_of(std::size_t section, std::size_t plane) const {
        auto const line = sections[section].plane_spec(plane).line;
        return line == LedgerLine::payload && windows[section] ? LedgerLine::window : line;
    }
    KvView box(KvView const& tensor, Section const& section) const {
        return tensor.box(section.layer, section.head, section.token, section.shape);
    }
    void require_tensor(KvView const& tensor) const {
        if (tensor.shape != shape || tensor.type != type)
            throw std::invalid_argument("tensor of another shape or type");
    }
    void require_filled() const {
        if (!filled) throw std::logic_error("nothing encoded or loaded yet");
    }
    std::size_t plane_bytes() const {
        std::size_t bytes = 0;
        for (auto const& plane : planes()) bytes += plane.bytes;
        return bytes;
    }

    Codec codec;
    std::string text;
    std::string formats;
    Component component;
    KvShape shape;
    ElementType type;
    BackendKind kind;
    std::optional<Rope> rope;
    std::vector<Pipeline> pipelines;  ///< one a rule
    std::vector<SectionCodec> sections;
    std::vector<bool> windows;  ///< whether a section's payload is billed as window
    Scratch scratch;
    bool filled = false;
};

TensorCodec::TensorCodec(Codec const& codec, Component component, KvShape const& shape, ElementType type,
                         BackendKind backend, Rope const* rope)
    : state_(std::make_unique<State>(codec, component, shape, type, backend, rope)) {}
TensorCodec::~TensorCodec() = default;
TensorCodec::TensorCodec(TensorCodec&&) noexcept = default;

void TensorCodec::encode(KvView const& tensor) {
    state_->require_tensor(tensor);
    for (auto& section : state_->sections) section.encode(state_->box(tensor, section.section()), state_->scratch);
    state_->filled = true;
}

void TensorCodec::decode(KvView const& tensor, DecodeFor purpose) const {
    state_->require_tensor(tensor);
    state_->require_filled();
    state_->scratch.purpose = purpose;
    auto const decode_sections = [&] {
        for (auto& section : state_->sections) section.decode(state_->box(tensor, section.section()), state_->scratch);
    };
    if (purpose == DecodeFor::timing) {
        decode_sections();
    } else {
        decode_onto_poison(tensor, state_->kind, state_->component, decode_sections);
    }
}

ByteLedger TensorCodec::ledger() const {
    auto ledger = container_ledger(state_->text, state_->formats, state_->planes());
    ledger.bill(LedgerLine::workspace, state_->scratch.bytes());
    return ledger;
}

TensorCodec::Planned TensorCodec::planned() const {
    Planned planned;
    std::vector<StoredPlane> planes;
    for (std::size_t s = 0; s < state_->sections.size(); ++s) {
        for (std::size_t p = 0; p < state_->sections[s].plane_count(); ++p) {
            auto const& spec = state_->sections[s].plane_spec(p);
            planes.push_back({state_->line_of(s, p), spec.bytes, nullptr});
            planned.exact = planned.exact && !spec.variable;
        }
    }
    planned.ledger = container_ledger(state_->text, state_->formats, planes);
    return planned;
}

std::vector<std::byte> TensorCodec::seal() const {
    state_->require_filled();
    auto planes = state_->planes();
    std::vector<std::vector<std::byte>> host;
    if (state_->kind != BackendKind::openmp) {
        for (auto& plane : planes) {
            auto& copy = host.emplace_back(plane.bytes);
            copy_to_host(state_->kind, copy.data(), plane.data, plane.bytes);
            plane.data = copy.data();
        }
    }
    ContainerInfo const info{container_version, state_->text, state_->component, state_->shape, state_->type, {}};
    return write_container(info, state_->formats, planes);
}

void TensorCodec::load(std::span<std::byte const> container) {
    auto const contents = read_container(container);
    auto const& info = contents.info;
    if (info.codec != state_->text || info.component != state_->component || info.shape != state_->shape ||
        info.type != state_->type) {
        throw CorruptData(fmt::format("container of {} ({}) where {} ({}) of the tensor's shape is wanted", info.codec,
                                      name_of(info.component), state_->text, name_of(state_->component)));
    }
    if (contents.formats != state_->formats) {
        throw CorruptData(
            fmt::format("container of stage formats {}, this program reads {}", contents.formats, state_->formats));
    }
    state_->filled = false;
    std::size_t next = 0;
    for (std::size_t s = 0; s < state_->sections.size(); ++s) {
        for (std::size_t p = 0; p < state_->sections[s].plane_count(); ++p, ++next) {
            if (next >= contents.planes.size() || contents.planes[next].line != state_->line_of(s, p)) {
                throw CorruptData("container with other planes than its codec has");
            }
            state_->sections[s].load_plane(p, contents.planes[next].data, contents.planes[next].bytes);
        }
    }
    if (next != contents.planes.size()) throw CorruptData("container with more planes than its codec has");
    state_->filled = true;
}

double TensorCodec::nominal_bits_per_value() const {
    double bits = 0;
    for (auto const& section : state_->sections) {
        bits += section.nominal_bits() * static_cast<double>(section.section().shape.values());
    }
    auto const values = state_->shape.values();
    return values == 0 ? 0 : bits / static_cast<double>(values);
}

std::size_t TensorCodec::encode_traffic_bytes() const {
    double reads = 0;
    for (auto const& section : state_->sections) {
        reads += section.encode_reads() * static_cast<double>(section.section().shape.values());
    }
    return static_cast<std::size_t>(reads) * element_bytes(state_->type) + state_->plane_bytes();
}

std::size_t TensorCodec::decode_traffic_bytes() const {
    return state_->shape.values() * element_bytes(state_->type) + state_->plane_bytes();
}

std::vector<std::byte> decode_container(std::span<std::byte const> container) {
    auto const info = inspect_container(container);
    try {
        auto const codec = Codec::parse(info.codec);
        if (codec.text() != info.codec) throw CorruptData("container whose codec text is not canonical");
        if (too_large(info.shape) || info.shape.values() / most_values_per_byte > container.size()) {
            throw CorruptData("container too small for the tensor it claims to hold");
        }
        TensorCodec stored(codec, info.component, info.shape, info.type, BackendKind::openmp);
        stored.load(container);
        std::vector<std::byte> values(info.shape.values() * element_bytes(info.type));
        stored.decode({values.data(), info.type, info.shape, KvStrides::packed(info.shape)});
        return values;
    } catch (ConfigError const& error) {
        throw CorruptData(fmt::format("container with an invalid codec: {}", error.what()));
    }
}

}  // namespace kvstone
