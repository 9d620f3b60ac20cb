#pragma once
// How fast each family of codecs is meant to be on one thread.

#include <array>
#include <string>
#include <string_view>

namespace kvstone::bench {

/// M, as the head of codecs_bench.cpp has it; 0 where there is no figure.
struct Goal {
    double target;
    double reached;  ///< by a prototype, on a Xeon with AVX-512
};

struct Family {
    std::string_view name;
    std::array<std::string_view, 3> parts;  ///< all of which the codec's text has, at its start the first
    Goal encode;
    Goal decode;
};

/// The first that fits counts. A text that goes on behind its stage with another one is of no family.
inline constexpr std::array families{
    Family{"copy", {"raw"}, {0, 0}, {0, 0}},
    Family{"cast", {"fp16"}, {.92, .88}, {.98, 1.0}},
    Family{"cast", {"bf16"}, {.92, .73}, {.98, 1.0}},
    Family{"cast", {"fp8"}, {.78, .68}, {.95, .92}},
    Family{"int clipped", {"int8", "clip="}, {0, 0}, {.98, 1.0}},
    Family{"int range known", {"int8", "samples="}, {.80, .76}, {.98, 1.0}},
    Family{"int two passes", {"int8"}, {.70, .60}, {.98, 1.0}},
    Family{"int clipped", {"int:", "clip="}, {0, 0}, {0, 0}},
    Family{"int per channel", {"int:bits=4", "axis=channel"}, {.70, .65}, {1.0, 1.01}},
    Family{"int groups", {"int:bits=8", "axis=token", "group=32"}, {.75, .71}, {1.0, 0}},
    Family{"int groups", {"int:bits=4", "axis=token", "group=32"}, {.70, .62}, {1.0, 0}},
    Family{"int groups", {"int:bits=2", "axis=token", "group=32"}, {.70, .62}, {1.0, 0}},
    Family{"int packed", {"int:bits=10"}, {.75, .62}, {.97, .94}},
    Family{"int", {"int:"}, {0, 0}, {0, 0}},
    Family{"tables", {"nf4"}, {.70, .64}, {1.0, 1.05}},
    Family{"tables", {"lloydmax"}, {0, 0}, {0, 0}},
    Family{"tables", {"nuq"}, {0, 0}, {0, 0}},
    Family{"tables", {"nvfp4"}, {0, 0}, {0, 0}},
    Family{"tables", {"mxfp"}, {0, 0}, {0, 0}},
    Family{"ggml blocks", {"q8_"}, {0, 0}, {0, 0}},
    Family{"ggml blocks", {"q5_"}, {0, 0}, {0, 0}},
    Family{"ggml blocks", {"q4_"}, {0, 0}, {0, 0}},
};

inline Family const& family_of(std::string_view codec) {
    static constexpr Family pipelines{"pipelines", {}, {0, 0}, {0, 0}};
    static constexpr Family others{"others", {}, {0, 0}, {0, 0}};
    if (codec.find(" | ") != std::string_view::npos || codec.find('{') != std::string_view::npos) return pipelines;
    for (auto const& family : families) {
        bool fits = codec.starts_with(family.parts[0]);
        for (auto const part : family.parts) fits = fits && codec.find(part) != std::string_view::npos;
        if (fits) return family;
    }
    return others;
}

}  // namespace kvstone::bench
