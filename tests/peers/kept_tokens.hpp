#pragma once
// The tokens that stage `keep` keeps of a dump's K, V and Q.

#include <stdexcept>
#include <string>

#include "codecs/selection/selection.hpp"
#include "harness/sources/sources.hpp"

namespace kvstone {

/// `keep`: the stage alone. The dump has to have K, V and Q of every token, and RoPE's parameters.
inline Selection kept_tokens(KvTensors const& dump, std::string const& keep) {
    if (!dump.k || !dump.v || !dump.q || !dump.rope) throw std::invalid_argument("a dump without K, V, Q or RoPE");
    auto const view = [](HostTensor const& tensor) -> KvView {
        return {const_cast<std::byte*>(tensor.bytes.get()), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)};
    };
    return select_tokens(*Codec::parse(keep + " | raw").selection(),
                         {.k = view(*dump.k), .v = view(*dump.v), .q = view(*dump.q), .rope = &*dump.rope});
}

}  // namespace kvstone
