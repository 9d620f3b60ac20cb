#include "harness/workloads/attention/attention.hpp"

#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "backends/spaces.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/quality/compare_attention.hpp"
#include "harness/sources/latent.hpp"
#include "harness/sources/query_sample.hpp"
#include "harness/sources/tensor_source.hpp"
#include "harness/workloads/attention/attention_figures.hpp"
#include "harness/workloads/attention/dropped_tokens.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/counted_work.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/external_definition.hpp"

namespace kvstone {
namespace {

// These never change: an option at its default is left out of the identity of cells.
constexpr std::uint64_t default_queries = 64;
constexpr char const* default_spread = "half";
constexpr std::uint64_t most_queries = 65536;

QuerySample sample_of(Json const& options) {
    return {options.value("queries", default_queries), query_spread_named(options.value("spread", default_spread))};
}

/// Says so where K, V or Q is not there. Latent attention has no V.
bool lacks_tensors(KvTensors const& tensors, Measurement& measurement) {
    for (auto const& [name, tensor] : {std::pair{"K", &tensors.k}, {"V", &tensors.v}, {"Q", &tensors.q}}) {
        if (tensor->has_value() || (tensor == &tensors.v && tensors.latent != 0)) continue;
        measurement.status = Status::skipped;
        measurement.reason = fmt::format("attention needs K, V and Q, and the source has no {}", name);
        return true;
    }
    return false;
}

void require_shapes(KvTensors const& tensors) {
    auto const& k = tensors.k->shape;
    auto const& v = tensors.v ? tensors.v->shape : k;
    auto const& q = tensors.q->shape;
    if (k.heads == 0 || q.heads % k.heads != 0)
        throw CorruptData(fmt::format("{} query heads are no multiple of {} KV heads", q.heads, k.heads));
    if (q.layers != k.layers || v.layers != k.layers || v.heads != k.heads || v.tokens != k.tokens || q.dim != k.dim)
        throw CorruptData(fmt::format("Q of {} x {} layers and channels, K of {} x {}, V of {} layers", q.layers, q.dim,
                                      k.layers, k.dim, v.layers));
    if (q.values() == 0 || v.values() == 0) throw CorruptData("attention over nothing");
}

struct Stored {
    std::uint64_t original_bytes = 0;
    std::uint64_t bytes = 0;
    std::uint64_t values = 0;
    std::uint64_t mask_bytes = 0;

    Stored& operator+=(Stored const& other) {
        original_bytes += other.original_bytes;
        bytes += other.bytes;
        values += other.values;
        mask_bytes += other.mask_bytes;
        return *this;
    }
};

void check_decoded(Component component, Workbench const& bench, Measurement& measurement) {
    auto const& [type, shape, bytes] = bench.tensor();
    bench.with_decoded([&](std::byte const* decoded) {
        check_values(measure_distortion(shape, type, bytes.get(), decoded).total, std::string(name_of(component)),
                     measurement);
    });
}

/// Fills the bench's decoded side from a sealed container. `counted`: both passes are run once more, for their instructions.
Stored decode_stored(Component component, Workbench const& bench, Codec const& text, BackendKind kind, Rope const* rope,
                     bool counted, Measurement& measurement) {
    auto const type = bench.tensor().type;
    auto const& shape = bench.tensor().shape;
    std::vector<std::byte> container;
    auto const count = [&](char const* pass, auto const& run) {
        if (counted) count_pass(pass, name_of(component), shape.values(), run);
    };
    {
        TensorCodec encoder(text, component, shape, type, kind, rope);
        auto const encode = [&] { encoder.encode(bench.original()); };
        encode();
        count("encode", encode);
        container = encoder.seal();
    }
    TensorCodec decoder(text, component, shape, type, kind);
    decoder.load(container);
    auto const decode = [&] { decoder.decode(bench.decoded()); };
    decode();
    count("decode", decode);
    check_decoded(component, bench, measurement);
    return {bench.bytes(), container.size(), shape.values(), 0};
}

void add_bytes(std::string const& component, Stored const& stored, bool drops, Measurement& measurement) {
    auto const add = [&](char const* metric, double value) {
        measurement.figures.push_back({component, metric, value, 1, {}, {}});
    };
    auto const bytes = static_cast<double>(stored.bytes);
    auto const values = static_cast<double>(stored.values);
    add("original_bytes", static_cast<double>(stored.original_bytes));
    add("stored_bytes", bytes);
    add("bits_per_value", 8 * bytes / values);
    add("ratio_vs_fp16", 2 * values / bytes);
    if (drops && component != "v") add("ledger_mask_bytes", static_cast<double>(stored.mask_bytes));
}

/// Where the model that was captured has layers which do not see all that is attended to here.
void warn_of_window(Json const& metadata, std::uint64_t tokens, Measurement& measurement) {
    auto const stated = metadata.value("window_tokens", "");
    std::uint64_t window = 0;
    std::from_chars(stated.data(), stated.data() + stated.size(), window);
    if (window == 0 || window >= tokens) return;
    warn(measurement,
         fmt::format("sliding_window: layers of this model see the last {} tokens, and all {} were attended to", window,
                     tokens));
}

/// The tensors that queries read.
struct Cache {
    KvView k, v, k_decoded, v_decoded;
    double scale;
    std::vector<std::uint8_t> stays;  ///< AttentionTensors::stays; empty: all do
};

std::vector<QueryComparison> compare(HostTensor const& q, std::vector<std::uint64_t> const& positions,
                                     Cache const& cache, BackendKind kind) {
    Buffer const queries(kind, q.span().size());
    copy_to_backend(kind, queries.data(), q.bytes.get(), q.span().size());
    auto const position_bytes = positions.size() * sizeof(positions[0]);
    Buffer const last_visible(kind, position_bytes);
    copy_to_backend(kind, last_visible.data(), reinterpret_cast<std::byte const*>(positions.data()), position_bytes);
    Buffer const stays(kind, cache.stays.size());
    copy_to_backend(kind, stays.data(), reinterpret_cast<std::byte const*>(cache.stays.data()), cache.stays.size());
    std::vector<QueryComparison> results(q.shape.vectors());
    auto const result_bytes = results.size() * sizeof(results[0]);
    Buffer const found(kind, result_bytes);
    AttentionTensors const tensors{.q = {queries.data(), q.type, q.shape, KvStrides::packed(q.shape)},
                                   .last_visible = reinterpret_cast<std::uint64_t const*>(last_visible.data()),
                                   .k = cache.k,
                                   .v = cache.v,
                                   .k_decoded = cache.k_decoded,
                                   .v_decoded = cache.v_decoded,
                                   .scale = cache.scale,
                                   .stays = reinterpret_cast<std::uint8_t const*>(stays.data())};
    with_space(
        kind, [&](auto space) { compare_attention(space, tensors, reinterpret_cast<QueryComparison*>(found.data())); });
    copy_to_host(kind, reinterpret_cast<std::byte*>(results.data()), found.data(), result_bytes);
    return results;
}

/// The codec's part of the workload alone: attention itself is the harness's.
void count_passes(KvTensors& tensors, Codec const& codec, BackendKind kind, Measurement& measurement) {
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    take_k_and_v(tensors, [&](Component component, HostTensor tensor) {
        decode_stored(component, Workbench(std::move(tensor), kind), codec, kind, rope, true, measurement);
    });
}

}  // namespace

std::vector<WorkloadOption> attention_options() {
    using enum WorkloadOption::Kind;
    return {{"queries", number, default_queries, {}, 1, most_queries, "of each query head, at most"},
            {"spread", choice, default_spread, query_spreads(), 0, 0,
             "where in the context: its second half, everywhere, or the last tokens"}};
}

std::string attention_skips(Codec const& codec, Json const& options) {
    if (!codec.selection() || sample_of(options).spread == QuerySpread::last) return {};
    return fmt::format("stage {} would see the queries that judge it: '{}'; accepted: `spread: last`",
                       codec.selection()->name, with_plain_names(codec.text()));
}

std::optional<std::uint64_t> attention_prompt(std::uint64_t context, Json const& options) {
    auto const sample = sample_of(options);
    if (sample.spread != QuerySpread::last) return std::nullopt;
    return sample.positions(context).front();
}

void run_attention(AttemptRequest const& request, Measurement& measurement) {
    auto const& cell = request.cell;
    auto const kind = backend_named(cell.backend);
    auto const codec = Codec::parse(cell.codec);
    auto const& keep = codec.selection();
    bool const counted = request.measure.work.has_value();
    if (counted && keep)
        throw NotApplicable("the work of dropping tokens is not counted", keep->name,
                            {"a scenario without `measure: {work: ...}`", "the codec behind it alone"});
    auto const sample = sample_of(cell.options);
    bool const whole_q = keep && needs_queries(*keep);
    auto tensors =
        load_cell_tensors(request, {.q = !counted, .q_sample = whole_q ? QuerySample{} : sample}, measurement);
    if (counted) return count_passes(tensors, codec, kind, measurement);
    if (lacks_tensors(tensors, measurement)) return;
    require_shapes(tensors);
    auto const judged = whole_q ? queries_at(*tensors.q, sample.positions(tensors.k->shape.tokens)) : *tensors.q;
    auto const positions = whole_q ? sample.positions(tensors.k->shape.tokens) : tensors.q_positions;
    if (positions.size() != judged.shape.tokens || positions.back() >= tensors.k->shape.tokens)
        throw CorruptData("Q and K are not of the same tokens");
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    auto const query_dim = tensors.query_dim != 0 ? tensors.query_dim : judged.shape.dim;
    std::optional<Selection> selection;
    if (keep) selection = select_before(positions.front(), *keep, tensors);
    tensors.q.reset();
    Workbench const k(*std::exchange(tensors.k, {}), kind);
    std::optional<Workbench> v;
    if (tensors.v) v.emplace(*std::exchange(tensors.v, {}), kind);
    auto const of_v = [&](KvView const& of_k, auto const& side) {
        return v ? side(*v) : latent_of(of_k, tensors.latent);
    };
    Cache const cache{k.original(),
                      of_v(k.original(), [](Workbench const& bench) { return bench.original(); }),
                      k.decoded(),
                      of_v(k.decoded(), [](Workbench const& bench) { return bench.decoded(); }),
                      1 / std::sqrt(static_cast<double>(query_dim)),
                      selection ? stays_of(*selection, k.tensor().shape.tokens) : std::vector<std::uint8_t>()};
    Stored stored_k, stored_v;
    if (selection) {
        auto const bytes = decode_kept(k, v ? &*v : nullptr, codec, *selection, kind);
        check_decoded(Component::k, k, measurement);
        if (v) check_decoded(Component::v, *v, measurement);
        stored_k = {k.bytes(), bytes.k.stored_bytes(), k.tensor().shape.values(), bytes.k[LedgerLine::mask]};
        if (v) stored_v = {v->bytes(), bytes.v.stored_bytes(), v->tensor().shape.values(), 0};
        measurement.figures.push_back({"kv", "kept_share", selection->share(), 1, {}, {}});
    } else {
        stored_k = decode_stored(Component::k, k, codec, kind, rope, false, measurement);
        if (v) stored_v = decode_stored(Component::v, *v, codec, kind, rope, false, measurement);
    }
    if (measurement.status != Status::ok) return;
    add_attention_figures(compare(judged, positions, cache, kind), judged.shape.layers, judged.shape.heads,
                          selection.has_value(), measurement);
    add_bytes("k", stored_k, selection.has_value(), measurement);
    if (v) add_bytes("v", stored_v, selection.has_value(), measurement);
    add_bytes("kv", Stored(stored_k) += stored_v, selection.has_value(), measurement);
    add_memory_peaks(measurement);
    warn_of_window(tensors.metadata, cache.k.shape.tokens, measurement);
}

}  // namespace kvstone
