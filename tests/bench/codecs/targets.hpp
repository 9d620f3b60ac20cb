#pragma once
// How fast each family of codecs is meant to be on one thread, by class of vector unit.

#include <array>
#include <string>
#include <string_view>

#include "backends/kernels/simd_target.hpp"

namespace kvstone::bench {

/// M of encoding and decoding, as the head of codecs_bench.cpp has it; 0: no goal.
struct Goals {
    double encode = 0;
    double decode = 0;
};

struct Family {
    std::string_view name;
    std::array<std::string_view, 3> parts;  ///< all of which the codec's text has, the first at its start
    Goals avx512;
    Goals avx2;
    bool beats_ggml = false;  ///< no slower than ggml's own functions, on every vector unit

    /// Other units have registers too small for figures like these: their goals are those over peers alone.
    Goals goals(SimdLevel level) const {
        return level == SimdLevel::avx512 ? avx512 : level == SimdLevel::avx2 ? avx2 : Goals{};
    }
};

/// The first that fits counts. A text of several stages fits no family of one, but those that begin with its first stage and
/// a bar, or with a transform.
inline constexpr std::array families{
    Family{"copy", {"raw"}, {}, {}},
    Family{"cast to 16 bits", {"fp16"}, {.92, .98}, {.85, .95}},
    Family{"cast to 16 bits", {"bf16"}, {.92, .98}, {.85, .95}},
    Family{"cast to 8 bits", {"fp8"}, {.78, .95}, {}},
    Family{"int clipped", {"int8", "clip="}, {0, .98}, {}},
    Family{"int range known", {"int8", "samples="}, {.80, .98}, {}},
    Family{"int two passes", {"int8"}, {.70, .98}, {.65, 0}},
    Family{"int clipped", {"int:", "clip="}, {}, {}},
    Family{"int channel groups", {"int:bits=4", "axis=channel"}, {.70, 1.0}, {.60, .95}},
    Family{"int token groups", {"int:bits=8", "axis=token", "group=32"}, {.75, 1.0}, {}},
    Family{"int token groups", {"int:bits=4", "axis=token", "group=32"}, {.70, 1.0}, {.60, .95}},
    Family{"int token groups", {"int:bits=2", "axis=token", "group=32"}, {.70, 1.0}, {.60, 0}},
    Family{"int packed", {"int:bits=10"}, {.75, .97}, {}},
    Family{"int", {"int:"}, {}, {}},
    Family{"nf4", {"nf4"}, {.70, 1.0}, {.50, .90}},
    Family{"lloydmax", {"lloydmax"}, {.50, .80}, {.50, .80}},
    Family{"nuq", {"nuq"}, {.50, .80}, {.50, .80}},
    Family{"nvfp4", {"nvfp4"}, {.50, .80}, {.50, .80}, true},
    Family{"mx blocks", {"mxfp"}, {}, {}, true},
    Family{"blocknorm", {"blocknorm"}, {.40, .60}, {.40, .60}},
    Family{"ggml blocks", {"q8_"}, {}, {}, true},
    Family{"ggml blocks", {"q5_"}, {}, {}, true},
    Family{"ggml blocks", {"q4_"}, {}, {}, true},
    Family{"hadamard alone", {"hadamard | raw"}, {.65, .65}, {.65, .65}},
    Family{"hadamard and what follows", {"hadamard"}, {.50, 0}, {.50, 0}},
    Family{"outliers and what follows", {"outliers"}, {}, {}},
    Family{"center and what follows", {"center"}, {}, {}},
};

inline Family const& family_of(std::string_view codec) {
    static constexpr Family pipelines{"pipelines", {}, {}, {}};
    static constexpr Family others{"others", {}, {}, {}};
    bool const rules = codec.find('{') != std::string_view::npos;
    bool const several = codec.find(" | ") != std::string_view::npos;
    for (auto const& family : families) {
        bool const of_several =
            family.parts[0].find(" | ") != std::string_view::npos || family.name.ends_with("what follows");
        bool fits = !rules && several == of_several && codec.starts_with(family.parts[0]);
        for (auto const part : family.parts) fits = fits && codec.find(part) != std::string_view::npos;
        if (fits) return family;
    }
    return rules || several ? pipelines : others;
}

}  // namespace kvstone::bench
