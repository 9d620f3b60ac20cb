// external: values coded by a command or a shared library that the scenario's `codecs:` defines.
//
// Purpose    to measure a codec that is not part of this program. In YAML its own name stands wherever a stage can; this is
//            the canonical form of that name, which says which code made the bytes.
// Source     the codec's author. docs/external.md has the rules for both kinds.
// Options    name=NAME           of the definition
//            kind=command|library|declared
//            hash=H              SHA-256 of the definition begins so: of its kind, arguments or options, stated bits and the
//                                content of its files. Another definition of the same name is another codec.
//            access=whole|token  token: no token's values depend on another's (`by_token: true`)
// Planes     payload: the bytes that the codec returned, as many as it returned.
// Example    none: it has no bytes of its own.
// Error      nothing is promised, so the bounds are infinite; errors are measured as those of all other codecs.
// NaN, Inf, denormals: handed to the codec as they are; it answers for the rest.

#include <algorithm>
#include <limits>
#include <string>

#include <fmt/format.h>

#include "backends/kernels/map_values.hpp"
#include "backends/timer.hpp"
#include "codecs/external/external_codec.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class External : public Quantiser {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "external";
        info.summary = "a codec of the scenario's `codecs:`, a command or a shared library";
        info.source = "the codec's author";
        info.non_finite = NonFinite::any;
        info.fixed_rate = false;
        info.engines = {{.differs = "a codec from outside: no engine is known to have it"}};
        info.options = {text_option("name", std::nullopt, "of the definition"),
                        choice_option("kind", std::nullopt, {"command", "library", "declared"},
                                      "how it is run; declared: its decoded values were given"),
                        text_option("hash", std::nullopt, "the SHA-256 of its definition and files begins so"),
                        choice_option("access", "whole", {"whole", "token"},
                                      "token: it codes every token by itself, as its definition says")};
        return info;
    }
    explicit External(Options const& options) : name_(options.text("name")), hash_(options.text("hash")) {}

    std::uint64_t page_tokens(Section const&) const { return 0; }
    std::vector<PlaneSpec> planes(Section const& section) const {
        return {{LedgerLine::payload, codec().max_bytes(section), true, 1, 0}};
    }
    std::size_t workspace_bytes(Section const& section) const { return section.shape.values() * sizeof(float); }
    double nominal_bits(Section const&) const {
        return codec().nominal_bits().value_or(std::numeric_limits<double>::quiet_NaN());
    }

    template <class Space>
    void encode(Space const& space, Section const& section, KvSpan<float const> values, Planes planes,
                Workspace workspace) const {
        if constexpr (!runs_on_host<Space>) {
            refuse_device();
        } else {
            auto* const packed = reinterpret_cast<float*>(workspace);
            {
                UncountedTime const time;  // of the frame
                map_to_packed(space, values, packed, AsItIs{});
                space.fence();
            }
            planes[0].bytes = codec().encode(section, packed, {planes[0].data, planes[0].bytes});
        }
    }
    template <class Space>
    void decode(Space const& space, Section const& section, ConstPlanes planes, KvSpan<float> values,
                Workspace workspace) const {
        if constexpr (!runs_on_host<Space>) {
            refuse_device();
        } else {
            auto* const packed = reinterpret_cast<float*>(workspace);
            codec().decode(section, {planes[0].data, planes[0].bytes}, packed);
            UncountedTime const time;
            map_from_packed(space, static_cast<float const*>(packed), values, AsItIs{});
            space.fence();
        }
    }
    void error_bounds(Section const& section, float const*, double* bounds) const {
        std::fill_n(bounds, section.shape.values(), std::numeric_limits<double>::infinity());
    }

  private:
    struct AsItIs {
        KOKKOS_INLINE_FUNCTION float operator()(float value) const { return value; }
    };

    [[noreturn]] static void refuse_device() {
        throw NotApplicable("a codec from outside is given host memory", "external", {"backend: openmp"});
    }
    /// Asked for when it is used: reading codec text starts nothing.
    ExternalCodec& codec() const {
        if (!codec_) codec_ = external_codec(name_, hash_);
        return *codec_;
    }

    std::string name_;
    std::string hash_;
    mutable std::shared_ptr<ExternalCodec> codec_;
};

static Register<External> const external_registered;

}  // namespace kvstone
