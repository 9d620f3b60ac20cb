#include "tests/bench/codecs/peers.hpp"

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

namespace kvstone::bench {

std::optional<StageText> only_stage(std::string const& text) {
    auto const codec = Codec::parse(text);
    if (codec.rules().size() != 1 || codec.rules()[0].pipeline.size() != 1) return std::nullopt;
    return codec.rules()[0].pipeline[0];
}

#ifdef KVSTONE_GGML
namespace {

/// A function of the plugin that libggml chooses by itself, which has the fastest for this processor; null without one.
void* plugin_function(char const* name) {
    static void* const plugin = [] {
        ggml_backend_load_all();
        void* found = nullptr;
        dl_iterate_phdr(
            [](dl_phdr_info* library, std::size_t, void* to) {
                if (std::string_view(library->dlpi_name).find("libggml-cpu") == std::string_view::npos) return 0;
                auto& handle = *static_cast<void**>(to);
                handle = dlopen(library->dlpi_name, RTLD_NOW | RTLD_NOLOAD);
                return handle == nullptr ? 0 : 1;
            },
            &found);
        return found;
    }();
    return plugin == nullptr ? nullptr : dlsym(plugin, name);
}

ggml_from_float_t encoder_of(ggml_type type) {
    using Find = ggml_type_traits_cpu const* (*)(ggml_type);
    auto const find = reinterpret_cast<Find>(plugin_function("ggml_get_type_traits_cpu"));
    auto const* const traits = find == nullptr ? nullptr : find(type);
    if (traits != nullptr && traits->from_float != nullptr) return traits->from_float;
    return ggml_get_type_traits(type)->from_float_ref;
}

ggml_to_float_t decoder_of(ggml_type type) {
    auto const* const cast = type == GGML_TYPE_F16    ? "ggml_cpu_fp16_to_fp32"
                             : type == GGML_TYPE_BF16 ? "ggml_cpu_bf16_to_fp32"
                                                      : nullptr;
    void* const found = cast == nullptr ? nullptr : plugin_function(cast);
    return found != nullptr ? reinterpret_cast<ggml_to_float_t>(found) : ggml_get_type_traits(type)->to_float;
}

/// ggml's type of the same name as one of our stages, among those it can both make and read.
std::optional<ggml_type> type_named(std::string const& stage) {
    auto const name = stage == "fp16" ? "f16" : stage;
    for (int i = 0; i < GGML_TYPE_COUNT; ++i) {
        auto const type = static_cast<ggml_type>(i);
        auto const* const known = ggml_type_name(type);
        if (type == GGML_TYPE_F32 || known == nullptr || name != known) continue;
        if (encoder_of(type) != nullptr && decoder_of(type) != nullptr) return type;
    }
    return std::nullopt;
}

}  // namespace

std::function<void()> ggml_rows(Request const& request, float const* values, float* result, KvShape const& shape) {
    auto const stage = only_stage(request.codec);
    if (!stage) return {};
    auto const type = type_named(stage->name);
    if (!type || shape.dim % static_cast<std::uint64_t>(ggml_blck_size(*type)) != 0) return {};
    auto const row_bytes = ggml_row_size(*type, static_cast<std::int64_t>(shape.dim));
    auto const rows = shape.vectors();
    auto const coded = std::make_shared<std::vector<std::uint8_t>>(row_bytes * rows);
    auto const to_row = encoder_of(*type);
    auto const from_row = decoder_of(*type);
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
#else
std::function<void()> ggml_rows(Request const&, float const*, float*, KvShape const&) { return {}; }
#endif

}  // namespace kvstone::bench
