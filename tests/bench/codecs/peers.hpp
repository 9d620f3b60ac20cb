#pragma once
// References for the passes of codecs: a plain loop, and ggml's own rows.

#include <functional>
#include <optional>

#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "tests/bench/codecs/rounds.hpp"

namespace kvstone::bench {

/// A bare pipeline of one quantiser, or nothing.
std::optional<StageText> only_stage(std::string const& text);

/// A pass of a plain loop of one thread that does what the request does; empty for codecs that have none here. Encoders
/// read `values` into memory of their own, which decoders then turn into `result`.
std::function<void()> plain_loop(Request const& request, float const* values, float* result, KvShape const& shape);

/// The same through libggml, for codecs named as its types; empty also where this build is without it.
std::function<void()> ggml_rows(Request const& request, float const* values, float* result, KvShape const& shape);

}  // namespace kvstone::bench
