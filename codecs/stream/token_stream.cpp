#include "codecs/stream/token_stream.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "codecs/container/container.hpp"
#include "codecs/pipeline/sections.hpp"
#include "codecs/stream/stream_run.hpp"

namespace kvstone {
namespace {

/// Layers and heads that all rules take alike.
struct Part {
    Section columns;
    std::uint64_t window_tokens = 0;
    std::vector<StreamRun> runs;
};

/// A part's share of a section.
struct Share {
    Part* part = nullptr;
    StreamRun* run = nullptr;  ///< the one whose coded tokens the section starts with, null where it has none
    std::uint64_t coded = 0;   ///< how many of them
    std::uint64_t layer = 0;   ///< within the section
    std::uint64_t head = 0;
};

/// Stored planes in host memory.
struct PlaneBytes {
    LedgerLine line;
    std::vector<std::byte> bytes;
};

KvView packed(Buffer& memory, KvShape const& shape, ElementType type) {
    memory.reserve_discard(shape.values() * element_bytes(type));
    return {memory.data(), type, shape, KvStrides::packed(shape)};
}

}  // namespace

struct TokenStream::State {
    State(Codec const& codec_value, Component its_component, KvShape const& its_shape, ElementType its_type,
          BackendKind backend, std::uint64_t page, Rope const* its_rope)
        : codec(codec_value),
          component(its_component),
          shape(its_shape),
          type(its_type),
          kind(backend),
          rope(its_rope != nullptr ? std::optional(*its_rope) : std::nullopt),
          pipelines(pipelines_of(codec)),
          scratch(backend),
          gathered(backend) {
        if (page == 0) throw std::invalid_argument("pages without tokens");
        shape.tokens = 0;
        auto const cuts = cut_columns(codec, component, shape);
        for (std::size_t l = 0; l + 1 < cuts.layers.size(); ++l) {
            for (std::size_t h = 0; h + 1 < cuts.heads.size(); ++h) {
                Section columns{component, type, cuts.layers[l], cuts.heads[h], 0, shape, rope ? &*rope : nullptr};
                columns.shape.layers = cuts.layers[l + 1] - cuts.layers[l];
                columns.shape.heads = cuts.heads[h + 1] - cuts.heads[h];
                TokenRules const rules(codec.rules(), pipelines, columns, shape.layers);
                Part part{columns, rules.window_tokens(), {}};
                for (auto const& run : rules.lasting_runs()) {
                    part.runs.emplace_back(pipelines[run.rule], run, columns, page, kind);
                }
                parts.push_back(std::move(part));
            }
        }
    }

    void append(KvView const& view) {
        require(view);
        auto const last = shape.tokens + view.shape.tokens;
        for (auto& part : parts) {
            auto const final_tokens = last - std::min(part.window_tokens, last);
            auto const box = part_of(view, part);
            for (auto& run : part.runs) {
                auto const first = std::clamp(run.run().first, shape.tokens, last) - shape.tokens;
                auto const end = std::clamp(run.run().end, shape.tokens, last) - shape.tokens;
                auto const own = box.box(0, 0, first, {box.shape.layers, box.shape.heads, end - first, shape.dim});
                auto const of_run = std::clamp(final_tokens, run.run().first, run.run().end) - run.run().first;
                run.append(own, of_run, scratch);
            }
        }
        shape.tokens = last;
    }

    void require(KvView const& view) const {
        if (view.type != type || view.shape.layers != shape.layers || view.shape.heads != shape.heads ||
            view.shape.dim != shape.dim) {
            throw std::invalid_argument("tokens of another shape or type");
        }
    }
    static KvView part_of(KvView const& view, Part const& part) {
        auto size = part.columns.shape;
        size.tokens = view.shape.tokens;
        return view.box(part.columns.layer, part.columns.head, 0, size);
    }

    /// Tokens [first, first + n) of the part's layers and heads, as they can be had: decoded, or as they came.
    void read(Part& part, std::uint64_t first, KvView const& view) {
        auto const end = first + view.shape.tokens;
        for (auto& run : part.runs) {
            auto const start = run.run().first;
            auto const coded = start + run.coded_tokens();
            auto const read_between = [&](std::uint64_t from, std::uint64_t to, auto const& action) {
                from = std::max(from, first);
                to = std::min(to, end);
                if (from >= to) return;
                action(from - start,
                       view.box(0, 0, from - first, {view.shape.layers, view.shape.heads, to - from, view.shape.dim}));
            };
            read_between(start, coded, [&](auto token, auto const& box) { run.read_coded(token, box, scratch); });
            read_between(coded, start + run.tokens(), [&](auto token, auto const& box) { run.read_held(token, box); });
        }
    }

    std::vector<RuledSection> sections() const {
        auto all = cut_sections(codec, pipelines, component, shape, type);
        for (auto& cut : all) cut.section.rope = rope ? &*rope : nullptr;
        return all;
    }

    /// The parts that make up a section: it is a box of whole parts.
    std::vector<Share> shares(RuledSection const& cut) {
        auto const& section = cut.section;
        std::vector<Share> all;
        for (auto& part : parts) {
            auto const& columns = part.columns;
            if (columns.layer < section.layer || columns.layer >= section.layer + section.shape.layers ||
                columns.head < section.head || columns.head >= section.head + section.shape.heads) {
                continue;
            }
            Share share{&part, nullptr, 0, columns.layer - section.layer, columns.head - section.head};
            for (auto& run : part.runs) {
                if (run.run().first != section.token || run.run().rule != cut.rule || run.coded_tokens() == 0) continue;
                share.run = &run;
                share.coded = run.coded_tokens();
            }
            all.push_back(share);
        }
        return all;
    }

    /// Codes the held tokens of a section, or of a part of it behind its coded tokens.
    SectionCodec code_held(Pipeline const& pipeline, Section const& section, std::vector<Share> const& of) {
        auto const view = packed(gathered, section.shape, type);
        for (auto const& share : of) {
            auto size = share.part->columns.shape;
            size.tokens = section.shape.tokens;
            read(*share.part, section.token,
                 view.box(share.part->columns.layer - section.layer, share.part->columns.head - section.head, 0, size));
        }
        SectionCodec coded(pipeline, section, kind);
        coded.encode(view, scratch);
        return coded;
    }
    /// The part's share of a section without the tokens that are coded.
    static Section rest_of(Section const& section, Share const& share) {
        auto rest = section;
        rest.layer += share.layer;
        rest.head += share.head;
        rest.token += share.coded;
        rest.shape.layers = share.part->columns.shape.layers;
        rest.shape.heads = share.part->columns.shape.heads;
        rest.shape.tokens -= share.coded;
        return rest;
    }

    std::vector<PlaneBytes> planes() {
        std::vector<PlaneBytes> all;
        for (auto const& cut : sections()) {
            auto const first = all.size();
            auto const own = shares(cut);
            bool const appended = std::ranges::any_of(own, [](auto const& share) { return share.coded > 0; });
            if (!appended) {
                auto const coded = code_held(pipelines[cut.rule], cut.section, own);
                for (std::size_t p = 0; p < coded.plane_count(); ++p) {
                    auto const plane = coded.plane(p);
                    all.push_back({coded.plane_spec(p).line, std::vector<std::byte>(plane.bytes)});
                    copy_to_host(kind, all.back().bytes.data(), plane.data, plane.bytes);
                }
            } else {
                SectionCodec const whole(pipelines[cut.rule], cut.section, kind);
                for (std::size_t p = 0; p < whole.plane_count(); ++p) {
                    auto const& spec = whole.plane_spec(p);
                    all.push_back({spec.line, std::vector<std::byte>(spec.bytes)});
                }
                for (auto const& share : own) put_together(cut, share, whole, std::span(all).subspan(first));
            }
            for (auto p = first; p < all.size(); ++p) {
                if (cut.kept_plain && all[p].line == LedgerLine::payload) all[p].line = LedgerLine::window;
            }
        }
        return all;
    }

    /// Writes a part's share of a section: its coded pages, and behind them those that are held as they came.
    void put_together(RuledSection const& cut, Share const& share, SectionCodec const& whole,
                      std::span<PlaneBytes> planes) {
        auto const rest = rest_of(cut.section, share);
        std::optional<SectionCodec> coded;
        if (rest.shape.tokens > 0) coded.emplace(code_held(pipelines[cut.rule], rest, {share}));
        for (std::size_t p = 0; p < planes.size(); ++p) {
            auto& bytes = planes[p].bytes;
            bool const once = whole.plane_spec(p).once;
            auto const heads = cut.section.shape.heads;
            auto const head_stride = once ? 0 : bytes.size() / (cut.section.shape.layers * heads);
            auto* const to = bytes.data() + (share.layer * heads + share.head) * head_stride;
            if (share.run != nullptr) share.run->copy_plane(p, to, heads * head_stride, head_stride);
            if (!coded || once) continue;
            auto const plane = coded->plane(p);
            std::vector<std::byte> host(plane.bytes);
            copy_to_host(kind, host.data(), plane.data, plane.bytes);
            auto const columns = rest.shape.layers * rest.shape.heads;
            auto const tail = plane.bytes / columns;
            for (std::uint64_t column = 0; column < columns; ++column) {
                auto const at = (column / rest.shape.heads * heads + column % rest.shape.heads) * head_stride;
                std::copy_n(host.data() + column * tail, tail, to + at + head_stride - tail);
            }
        }
    }

    void decode(KvView const& tensor) {
        for (auto const& cut : sections()) {
            auto const& section = cut.section;
            auto const own = shares(cut);
            auto const box = tensor.box(section.layer, section.head, section.token, section.shape);
            if (std::ranges::none_of(own, [](auto const& share) { return share.coded > 0; })) {
                code_held(pipelines[cut.rule], section, own).decode(box, scratch);
                continue;
            }
            for (auto const& share : own) {
                auto size = share.part->columns.shape;
                size.tokens = share.coded;
                if (share.coded > 0) read(*share.part, section.token, box.box(share.layer, share.head, 0, size));
                auto const rest = rest_of(section, share);
                if (rest.shape.tokens == 0) continue;
                code_held(pipelines[cut.rule], rest, {share})
                    .decode(box.box(share.layer, share.head, share.coded, rest.shape), scratch);
            }
        }
    }

    Codec codec;
    Component component;
    KvShape shape;
    ElementType type;
    BackendKind kind;
    std::optional<Rope> rope;
    std::vector<Pipeline> pipelines;
    std::vector<Part> parts;
    Scratch scratch;
    Buffer gathered;  ///< a section that is held as it came
};

TokenStream::TokenStream(Codec const& codec, Component component, KvShape const& shape, ElementType type,
                         BackendKind backend, std::uint64_t page, Rope const* rope)
    : state_(std::make_unique<State>(codec, component, shape, type, backend, page, rope)) {}
TokenStream::~TokenStream() = default;
TokenStream::TokenStream(TokenStream&&) noexcept = default;

void TokenStream::append(KvView const& tokens) { state_->append(tokens); }
std::uint64_t TokenStream::tokens() const { return state_->shape.tokens; }

std::uint64_t TokenStream::settled_tokens() const {
    auto settled = tokens();
    for (auto const& part : state_->parts) {
        for (auto const& run : part.runs) {
            if (run.run().first >= tokens() || run.coded_tokens() == run.tokens()) continue;
            settled = std::min(settled, run.run().first + run.coded_tokens());
            break;
        }
    }
    return settled;
}

std::uint64_t TokenStream::held_from() const {
    std::uint64_t end = 0;
    for (auto const& part : state_->parts)
        for (auto const& run : part.runs)
            if (run.coded_tokens() > 0) end = std::max(end, run.run().first + run.coded_tokens());
    return end;
}

std::uint64_t TokenStream::coded_vectors() const {
    std::uint64_t vectors = 0;
    for (auto const& part : state_->parts) {
        auto const columns = part.columns.shape.layers * part.columns.shape.heads;
        for (auto const& run : part.runs) {
            auto const& where = state_->codec.rules()[run.run().rule].selector;
            bool const kept = where.sink_tokens || where.window_tokens;
            if (!kept || !state_->pipelines[run.run().rule].plain) vectors += columns * run.coded_tokens();
        }
    }
    return vectors;
}

void TokenStream::decode(KvView const& tensor) const {
    state_->require(tensor);
    if (tensor.shape.tokens != tokens()) throw std::invalid_argument("a tensor of another length");
    state_->scratch.purpose = DecodeFor::checking;
    decode_onto_poison(tensor, state_->kind, state_->component, [&] { state_->decode(tensor); });
}

void TokenStream::decode_pages(std::uint64_t first, KvView const& view, DecodeFor purpose) const {
    state_->require(view);
    if (first > tokens() || view.shape.tokens > tokens() - first)
        throw std::invalid_argument("tokens that did not come");
    state_->scratch.purpose = purpose;
    auto const read_parts = [&] {
        for (auto& part : state_->parts) state_->read(part, first, State::part_of(view, part));
    };
    if (purpose == DecodeFor::timing) {
        read_parts();
    } else {
        decode_onto_poison(view, state_->kind, state_->component, read_parts);
    }
}

std::vector<std::byte> TokenStream::seal() const {
    auto const planes = state_->planes();
    std::vector<StoredPlane> stored;
    for (auto const& plane : planes) stored.push_back({plane.line, plane.bytes.size(), plane.bytes.data()});
    ContainerInfo const info{container_version, state_->codec.text(), state_->component,
                             state_->shape,     state_->type,         {}};
    return write_container(info, stage_formats(state_->codec), stored);
}

ByteLedger TokenStream::ledger() const {
    auto ledger = inspect_container(seal()).ledger;
    auto workspace = state_->scratch.bytes() + state_->gathered.size();
    for (auto const& part : state_->parts) {
        for (auto const& run : part.runs) workspace += run.workspace_bytes();
    }
    ledger.bill(LedgerLine::workspace, workspace);
    return ledger;
}

TokenStream::Block TokenStream::block_of(std::uint64_t token) const {
    Block largest;
    for (auto const& part : state_->parts) {
        for (auto const& run : part.runs) {
            auto const tokens = run.block_tokens();
            if (token < run.run().first || token >= run.run().end || tokens <= largest.tokens) continue;
            largest = {token - (token - run.run().first) % tokens, tokens};
        }
    }
    return largest;
}

std::size_t TokenStream::held_bytes() const {
    std::size_t bytes = 0;
    for (auto const& part : state_->parts) {
        for (auto const& run : part.runs) bytes += run.held_bytes();
    }
    return bytes;
}

}  // namespace kvstone
