#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// Serving's shape: `batch` sequences, each a cache in pages of `page` tokens, that grow by one token per step.
///
/// Every sequence has as many tokens as the context; sequence s reads the source's tokens from s x context / batch on,
/// and starts again at the source's end. The first half is its prompt and comes in one piece, untimed. Each step then
/// appends one token of all layers and heads to every sequence, K and V apart, from memory as a model would fill it: a
/// small packed tensor [layer, head, sequence, dim]. Steps are timed one by one, fenced, and averaged over rounds of a
/// page's tokens (rounded up to whole groups of the codec), since some steps only hold a token and others code a page.
/// Where the second half is too short for the stopping rule, sequences start again from their prompts. Then single
/// pages of single sequences are read back in random order. `timing: off` makes one pass and leaves the speed figures
/// out.
///
/// Memory: for K and V each the source, batch x the stored bytes of the context, and one more tensor at the end.
///
/// - Figures, `kv` of K and V together: append_ns_per_token (a round's K and V are summed first), append_gb_per_s,
///   page_read_ns (K's and V's medians summed), page_read_gb_per_s, append_bits_per_value of all sequences, and
///   bits_per_value of their sealed containers.
/// - Status verify_failed: a sequence's sealed stream differs from the bulk encoding of its tokens, byte for byte; or a
///   value read back page by page equals neither bulk decoding nor the original.
void run_append(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
