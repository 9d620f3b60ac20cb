#include "tests/bench/codecs/peers.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#ifdef KVSTONE_GGML
#include <dlfcn.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>
#include <link.h>
#endif

#include <Kokkos_BitManipulation.hpp>

#include "codecs/codec.hpp"

namespace kvstone::bench {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// A bare pipeline of one quantiser, or nothing.
std::optional<StageText> only_stage(std::string const& text) {
    auto const codec = Codec::parse(text);
    if (codec.rules().size() != 1 || codec.rules()[0].pipeline.size() != 1) return std::nullopt;
    return codec.rules()[0].pipeline[0];
}

std::function<void()> half_loop(bool encode, float const* values, float* result, std::size_t n) {
    auto const halves = std::make_shared<std::vector<_Float16>>(n);
    if (encode) {
        return [=] {
            for (std::size_t i = 0; i < n; ++i) (*halves)[i] = static_cast<_Float16>(values[i]);
        };
    }
    for (std::size_t i = 0; i < n; ++i) (*halves)[i] = static_cast<_Float16>(values[i]);
    return [=] {
        for (std::size_t i = 0; i < n; ++i) result[i] = static_cast<float>((*halves)[i]);
    };
}

std::function<void()> bfloat_loop(bool encode, float const* values, float* result, std::size_t n) {
    auto const halves = std::make_shared<std::vector<std::uint16_t>>(n);
    auto const narrow = [=] {
        for (std::size_t i = 0; i < n; ++i) {
            auto const bits = Kokkos::bit_cast<std::uint32_t>(values[i]);
            (*halves)[i] = static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
        }
    };
    if (encode) return narrow;
    narrow();
    return [=] {
        for (std::size_t i = 0; i < n; ++i) {
            result[i] = Kokkos::bit_cast<float>(static_cast<std::uint32_t>((*halves)[i]) << 16);
        }
    };
}

float largest_magnitude_of(float const* values, std::size_t n) {
    float largest = 0;
    for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(values[i]));
    return largest;
}

/// Symmetric, one scale. Without a range pass it is taken as known.
std::function<void()> int8_loop(bool encode, bool range_pass, float const* values, float* result, std::size_t n) {
    auto const codes = std::make_shared<std::vector<std::int8_t>>(n);
    float const known = largest_magnitude_of(values, n) / 127.0F;
    auto const quantise = [=] {
        float const inverse = 1.0F / (range_pass ? largest_magnitude_of(values, n) / 127.0F : known);
        for (std::size_t i = 0; i < n; ++i) {
            (*codes)[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(values[i] * inverse), -127.0F, 127.0F));
        }
    };
    if (encode) return quantise;
    quantise();
    return [=] {
        for (std::size_t i = 0; i < n; ++i) result[i] = static_cast<float>((*codes)[i]) * known;
    };
}

/// Minimum and scale of every 32 values side by side, two codes a byte.
std::function<void()> int4_group_loop(bool encode, float const* values, float* result, std::size_t n) {
    struct Group {
        float scale;
        float zero;
        std::uint8_t codes[16];
    };
    auto const groups = std::make_shared<std::vector<Group>>(n / 32);
    auto const quantise = [=] {
        for (std::size_t g = 0; g < groups->size(); ++g) {
            auto const* const x = values + g * 32;
            float const low = *std::min_element(x, x + 32);
            float const high = *std::max_element(x, x + 32);
            float const scale = (high - low) / 15.0F;
            float const inverse = scale > 0 ? 1.0F / scale : 0.0F;
            auto& group = (*groups)[g];
            group.scale = scale;
            group.zero = low;
            for (std::size_t i = 0; i < 16; ++i) {
                auto const even = static_cast<unsigned>(std::nearbyint((x[2 * i] - low) * inverse));
                auto const odd = static_cast<unsigned>(std::nearbyint((x[2 * i + 1] - low) * inverse));
                group.codes[i] = static_cast<std::uint8_t>(even | odd << 4);
            }
        }
    };
    if (encode) return quantise;
    quantise();
    return [=] {
        for (std::size_t g = 0; g < groups->size(); ++g) {
            auto const& group = (*groups)[g];
            for (std::size_t i = 0; i < 16; ++i) {
                result[g * 32 + 2 * i] = group.zero + static_cast<float>(group.codes[i] & 15U) * group.scale;
                result[g * 32 + 2 * i + 1] = group.zero + static_cast<float>(group.codes[i] >> 4) * group.scale;
            }
        }
    };
}

/// Quantiles of magnitudes (one) or values (two) through nth_element, on a copy as it needs one.
std::function<void()> clip_loop(bool symmetric, double clip, float const* values, std::size_t n) {
    auto const copy = std::make_shared<std::vector<float>>(n);
    return [=] {
        auto const select = [&](double p) {
            auto const at = std::clamp<double>(std::ceil(p * static_cast<double>(n)), 1, static_cast<double>(n)) - 1;
            std::nth_element(copy->begin(), copy->begin() + static_cast<std::ptrdiff_t>(at), copy->end());
        };
        for (std::size_t i = 0; i < n; ++i) (*copy)[i] = symmetric ? std::fabs(values[i]) : values[i];
        if (symmetric) return select(clip);
        select((1 - clip) / 2);
        select((1 + clip) / 2);
    };
}

}  // namespace

std::function<void()> plain_loop(Request const& request, float const* values, float* result, KvShape const& shape) {
    auto const n = shape.values();
    auto const stage = only_stage(request.codec);
    if (!stage) return {};
    auto const option = [&](char const* name) -> std::string {
        auto const found = stage->options.find(name);
        return found == stage->options.end() ? "" : found->second;
    };
    if (stage->name == "fp16") return half_loop(request.encode, values, result, n);
    if (stage->name == "bf16") return bfloat_loop(request.encode, values, result, n);
    bool const symmetric = option("scheme") == "symmetric";
    if (stage->name == "int8") {
        if (request.encode && option("clip") != "1" && option("samples") == "0") {
            return clip_loop(symmetric, std::stod(option("clip")), values, n);
        }
        return symmetric ? int8_loop(request.encode, option("samples") == "0", values, result, n)
                         : std::function<void()>();
    }
    if (stage->name == "int" && !symmetric && option("bits") == "4" && option("axis") == "token" &&
        option("group") == "32" && option("clip") == "1") {
        return int4_group_loop(request.encode, values, result, n);
    }
    return {};
}

#ifdef KVSTONE_GGML
namespace {

/// The fastest functions that libggml has for this processor lie in a plugin that it chooses by itself.
ggml_type_traits_cpu const* processor_traits(ggml_type type) {
    using Find = ggml_type_traits_cpu const* (*)(ggml_type);
    static Find const find = [] {
        ggml_backend_load_all();
        Find found = nullptr;
        dl_iterate_phdr(
            [](dl_phdr_info* library, std::size_t, void* to) {
                if (std::string_view(library->dlpi_name).find("libggml-cpu") == std::string_view::npos) return 0;
                void* const handle = dlopen(library->dlpi_name, RTLD_NOW | RTLD_NOLOAD);
                if (handle == nullptr) return 0;
                *static_cast<Find*>(to) = reinterpret_cast<Find>(dlsym(handle, "ggml_get_type_traits_cpu"));
                return 1;
            },
            &found);
        return found;
    }();
    return find == nullptr ? nullptr : find(type);
}

}  // namespace

std::function<void()> ggml_rows(Request const& request, float const* values, float* result, KvShape const& shape) {
    auto const stage = only_stage(request.codec);
    if (!stage) return {};
    for (auto const type : {GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1}) {
        if (stage->name != ggml_type_name(type)) continue;
        auto const row_bytes = ggml_row_size(type, static_cast<std::int64_t>(shape.dim));
        auto const rows = shape.vectors();
        auto const coded = std::make_shared<Bytes>(row_bytes * rows);
        auto const* const traits = processor_traits(type);
        auto const to_row = traits != nullptr ? traits->from_float : ggml_get_type_traits(type)->from_float_ref;
        auto const from_row = ggml_get_type_traits(type)->to_float;
        auto const dim = static_cast<std::int64_t>(shape.dim);
        auto const encode = [=] {
            for (std::size_t r = 0; r < rows; ++r) to_row(values + r * shape.dim, coded->data() + r * row_bytes, dim);
        };
        if (request.encode) return encode;
        encode();
        return [=] {
            for (std::size_t r = 0; r < rows; ++r) from_row(coded->data() + r * row_bytes, result + r * shape.dim, dim);
        };
    }
    return {};
}
#else
std::function<void()> ggml_rows(Request const&, float const*, float*, KvShape const&) { return {}; }
#endif

}  // namespace kvstone::bench
