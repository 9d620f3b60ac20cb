// engine: the cache that llama.cpp keeps by itself, in its own types.
//
// Purpose    a serving engine's setting (-ctk, -ctv), measured as it is deployed beside codecs of this program. Workloads with
//            a model in the loop give the types to the engine, which codes every token as it is written and reads the coded
//            cache in its own attention. No other workload can run it: this program neither encodes nor decodes it.
// Source     llama.cpp with ggml 0.27: types of a cache in common/arg.cpp, blocks in ggml-common.h
// Planes     payload: of each vector dim / 32 blocks: codes, and with them their steps and origins, as ggml's structures
//            are; bills only, no bytes are made here.
//            f32, f16, bf16   4, 2 and 2 bytes a value
//            q8_0 34, q5_1 24, q5_0 22, q4_1 20, q4_0 and iq4_nl 18 bytes a block of 32 values
// Example    engine:k=q8_0,v=q4_0 on a vector of 64 values: 68 bytes of K and 36 of V
// Error      nothing is promised.
// NaN, Inf, denormals: the engine's own answer; not tested here.

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct EngineType {
    char const* name;
    std::uint64_t values;  ///< of a block
    std::uint64_t bytes;   ///< of a block
};
constexpr std::array<EngineType, 9> engine_types{{{"q8_0", 32, 34},
                                                  {"f32", 1, 4},
                                                  {"f16", 1, 2},
                                                  {"bf16", 1, 2},
                                                  {"q5_1", 32, 24},
                                                  {"q5_0", 32, 22},
                                                  {"q4_1", 32, 20},
                                                  {"q4_0", 32, 18},
                                                  {"iq4_nl", 32, 18}}};

struct EngineCodec : Quantiser {
    static StageInfo info() {
        StageInfo info;
        info.name = "engine";
        info.summary = "llama.cpp's own cache in its own types, in workloads with a model alone";
        info.source = "llama.cpp, -ctk and -ctv";
        info.non_finite = NonFinite::any;
        info.engines = {{.differs = "measured in llama.cpp itself; the others have nothing of these names"}};
        std::vector<std::string> types;
        for (auto const& type : engine_types) types.emplace_back(type.name);
        info.options = {choice_option("k", std::nullopt, types, "type of K"),
                        choice_option("v", std::nullopt, types, "type of V"),
                        choice_option("flash", "auto", {"auto", "on", "off"},
                                      "flash attention; the engine needs it where V has blocks"),
                        choice_option("rotation", "auto", {"auto", "off"},
                                      "auto: the engine rotates types with blocks where the head dimension allows it")};
        return info;
    }
    explicit EngineCodec(Options const& options) {
        for (auto const& type : engine_types) {
            if (options.choice("k") == type.name) types_[0] = type;
            if (options.choice("v") == type.name) types_[1] = type;
        }
        if (types_[1].values > 1 && options.choice("flash") == "off")
            throw ConfigError("the engine keeps V in blocks with flash attention only", "flash=off", {"flash=on"});
    }

    std::vector<PlaneSpec> planes(Section const& section) const {
        auto const& type = of(section);
        if (section.shape.dim % type.values != 0)
            throw NotApplicable("the engine codes blocks of " + std::to_string(type.values) + " values within a head",
                                "head dimension " + std::to_string(section.shape.dim),
                                {"a head dimension that is a multiple of 32"});
        auto const row = section.shape.dim / type.values * type.bytes;
        return {{LedgerLine::payload, section.shape.vectors() * row, false, 1, row}};
    }
    double nominal_bits(Section const& section) const {
        auto const& type = of(section);
        return 8.0 * static_cast<double>(type.bytes) / static_cast<double>(type.values);
    }
    void error_bounds(Section const& section, float const*, double* bounds) const {
        std::fill_n(bounds, section.shape.values(), std::numeric_limits<double>::infinity());
    }

    template <class Space>
    void encode(Space const&, Section const&, KvSpan<float const>, Planes, Workspace) const {
        refuse();
    }
    template <class Space>
    void decode(Space const&, Section const&, ConstPlanes, KvSpan<float>, Workspace) const {
        refuse();
    }

  private:
    EngineType const& of(Section const& section) const { return types_[section.component == Component::k ? 0 : 1]; }
    [[noreturn]] static void refuse() {
        throw NotApplicable("the engine's own cache is run by the engine alone", "engine",
                            {"workload model or tasks with protocol inline or decode"});
    }

    std::array<EngineType, 2> types_{};
};

static Register<EngineCodec> const engine_registered;

}  // namespace kvstone
