#include "tests/codecs/conformance.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <stdexcept>

#include <fmt/format.h>

#include "codecs/container/container.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/stored.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

/// The least gain where a few channels have most of the energy.
constexpr double with_outliers = 0.2;

std::vector<float> outlier_channels(KvShape const& shape) {
    auto values = normal_values(shape.values(), 3);
    for (std::size_t i = 0; i < values.size(); ++i) {
        if (i % shape.dim % 16 == 5) values[i] *= 10;
    }
    return values;
}

/// K and V of golden/captured_cache.safetensors: layers 0 and 3 of the shipped model over the first 32 tokens of the shipped
/// text, as `kvstone dump` writes them, rounded to binary16.
CheckedTensor captured(Component component) {
    KvShape const shape{2, 2, 32, 64};
    auto const path = source_folder() + "/tests/golden/captured_cache.safetensors";
    std::ifstream file(path, std::ios::binary);
    std::uint64_t header_bytes = 0;
    file.read(reinterpret_cast<char*>(&header_bytes), sizeof(header_bytes));
    file.seekg(static_cast<std::streamoff>(sizeof(header_bytes) + header_bytes +
                                           (component == Component::v ? shape.values() * sizeof(Float16) : 0)));
    std::vector<Float16> halves(shape.values());
    file.read(reinterpret_cast<char*>(halves.data()), static_cast<std::streamsize>(halves.size() * sizeof(Float16)));
    if (!file) throw std::runtime_error("cannot read " + path);
    std::vector<float> values;
    for (auto const half : halves) values.push_back(to_float(half));
    return {fmt::format("captured {}", name_of(component)), with_outliers, component, shape, values};
}

/// The largest share of idle bytes that a stage of the codec declares.
double idle_share(std::string const& text) {
    double share = 0;
    auto const codec = Codec::parse(text);
    for (auto const& rule : codec.rules()) {
        for (auto const& stage : rule.pipeline) {
            share = std::max(share, stage_registry().at(stage.name).info.idle_bytes.share);
        }
    }
    return share;
}

std::string stage_of(std::string const& text) {
    for (auto const& [name, entry] : stage_registry()) {
        if (std::ranges::find(entry.info.examples, text) != entry.info.examples.end()) return name;
    }
    auto const codec = Codec::parse(text);
    if (codec.rules().size() > 1) return "rules";
    auto const& pipeline = codec.rules()[0].pipeline;
    return std::ranges::find(pipeline, StageKind::quantiser,
                             [](StageText const& stage) { return stage_registry().at(stage.name).kind; })
        ->name;
}

bool decodes_to(std::span<std::byte const> container, std::vector<std::byte> const& expected) {
    try {
        return decode_container(container) == expected;
    } catch (CorruptData const&) {
        return false;
    }
}

}  // namespace

std::vector<std::string> conformance_examples() {
    std::vector<std::string> all;
    for (auto const& [name, entry] : stage_registry()) {
        if (name.starts_with(mutant_stage)) continue;
        if (entry.kind == StageKind::selector) continue;  // of K and V together
        all.insert(all.end(), entry.info.examples.begin(), entry.info.examples.end());
    }
    // Rules cut sections, which stages meet as strided boxes.
    all.emplace_back("sink(2){raw} k,window(3){bf16} layers(0){int8:scheme=asymmetric} rest{fp16 | zstd}");
    all.emplace_back("sink(4){raw} window(8){raw} rest{int:bits=4,scheme=asymmetric,axis=channel,group=16}");
    return all;
}

std::string as_test_name(std::string text) {
    for (auto& c : text) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return text;
}

std::string test_name_of(std::string const& codec) {
    return as_test_name(stage_of(codec)) + "__" + as_test_name(codec);
}

std::string beyond_bounds(std::vector<float> const& original, std::vector<float> const& result,
                          std::vector<double> const& bounds) {
    for (std::size_t i = 0; i < original.size(); ++i) {
        double const error = std::fabs(static_cast<double>(result[i]) - original[i]);
        if (!(error <= bounds[i]) && !std::isinf(bounds[i])) {
            return fmt::format("value {}: {} became {}, allowed {}", i, original[i], result[i], bounds[i]);
        }
    }
    return "";
}

std::vector<CheckedTensor> const& checked_tensors() {
    static std::vector<CheckedTensor> const all = [] {
        KvShape const shape{2, 2, 64, 64};
        std::vector<CheckedTensor> tensors;
        for (auto const component : {Component::k, Component::v}) {
            auto const name = name_of(component);
            tensors.push_back(
                {fmt::format("normal {}", name), 0.5, component, shape, normal_values(shape.values(), 2)});
            tensors.push_back({fmt::format("outlier channels in {}", name), with_outliers, component, shape,
                               outlier_channels(shape)});
            tensors.push_back(captured(component));
        }
        return tensors;
    }();
    return all;
}

Fidelity fidelity(std::string const& codec, CheckedTensor const& tensor) {
    TestTensor const original(tensor.shape, ElementType::f32, tensor.values);
    auto const result = decoded(encoded(codec, original, tensor.component), tensor.shape, ElementType::f32).values();
    double xx = 0, xy = 0, sum = 0, errors = 0;
    for (std::size_t i = 0; i < result.size(); ++i) {
        double const x = tensor.values[i];
        double const y = result[i];
        sum += x;
        xx += x * x;
        xy += x * y;
        errors += (x - y) * (x - y);
    }
    return {xy / xx, errors / (xx - sum * sum / static_cast<double>(result.size()))};
}

std::string fidelity_fault(std::string const& codec) {
    for (auto const& tensor : checked_tensors()) {
        auto const found = fidelity(codec, tensor);
        // Not a number fails, too.
        if (!(found.gain > tensor.least_gain && found.gain < 1.5 && found.nmse < 1))
            return fmt::format("{}: gain {:.3f}, NMSE {:.3f}", tensor.name, found.gain, found.nmse);
    }
    return "";
}

std::string idle_bytes_fault(std::string const& codec) {
    KvShape const shape{1, 2, 12, 32};  // blocks of up to 32 are full: values that fill one up decide nothing
    auto const container = encoded(codec, TestTensor(shape, ElementType::f32, test_values(shape))).seal();
    auto const expected = decode_container(container);
    auto altered = container;
    std::size_t payload_bytes = 0;
    std::size_t idle = 0;
    for (auto const& plane : read_container(container).planes) {
        bool const payload = plane.line == LedgerLine::payload || plane.line == LedgerLine::window;
        auto const first = static_cast<std::size_t>(plane.data - container.data());
        for (std::size_t i = first; i < first + plane.bytes; ++i) {
            bool decides = false;
            for (int const flip : {0xff, 0x01, 0x80, 0x02, 0x40, 0x04, 0x20, 0x08, 0x10}) {
                altered[i] = container[i] ^ static_cast<std::byte>(flip);
                reseal_container(altered);
                decides = !decodes_to(altered, expected);
                if (decides || !payload) break;  // of other planes: whatever happens, nothing crashes
            }
            altered[i] = container[i];
            payload_bytes += payload;
            idle += payload && !decides;
        }
    }
    if (static_cast<double>(idle) <= idle_share(codec) * static_cast<double>(payload_bytes)) return "";
    return fmt::format("{} of {} payload bytes decide nothing", idle, payload_bytes);
}

std::string unwritten_fault(std::string const& codec, ElementType type) {
    KvShape const shape{2, 3, 37, 80};
    try {
        decoded(encoded(codec, TestTensor(shape, type, test_values(shape))), shape, type);
    } catch (UnwrittenValues const& fault) {
        return fault.what();
    }
    return "";
}

}  // namespace kvstone
