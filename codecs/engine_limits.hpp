#pragma once
// Settings that engines refuse for the shape of a model.

#include <cstdint>

#include "codecs/engines.hpp"

namespace kvstone {

/// Values of a head's K and V; 0: not known, and nothing is refused.
struct HeadValues {
    std::uint64_t k = 0;
    std::uint64_t v = 0;
};

/// As nearest_settings() of the codec alone, but without settings whose blocks do not divide a head: engines refuse
/// them (llama.cpp: "K cache type q4_0 with block size 32 does not divide n_embd_head_k"). The differences say which
/// settings were left out.
NearestSettings nearest_settings(Codec const& codec, HeadValues const& heads);

}  // namespace kvstone
