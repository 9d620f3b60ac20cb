#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// Reads passages of the source's text with the codec in the model's cache (harness/workloads/model/codec_path.hpp) and
/// without it, and compares the answers. grid.context is the context of a passage (0: half of the length that the model
/// was trained on); all protocols score the same tokens: those of the continuation except the first.
///
/// - Figures, `kv`: ppl, its standard error, baseline_ppl, unigram_ppl, ppl_delta_percent, kld_mean, _median, _p99, _p999,
///   _max, by kind of token, large_kld_share, top1_agreement, sure_top1_flips, compressed_read_fraction, bytes and ratios
///   of K, V and both, weights_bytes, compute_bytes; protocol decode: exact_match,
///   first_divergence_token and append_bits_per_value. Intervals resample passages; one passage gives none.
///   Unless `timing: off`: prefill_tokens_per_s, and decode_tokens_per_s for protocol decode; with `energy: on` both also per joule.
/// - Profiles along position, over the tokens of a bin that starts there: ppl, kld_mean, _max, _p99 (of 100 tokens or more),
///   large_kld_share, top1_agreement, sure_top1_flips (of bins with tokens that the model was sure of).
/// - Status verify_failed: Evaluation::prove() on the first passage fails, or scored tokens have no finite likelihood.
///   Status skipped: the source is no model, or the protocol cannot run the codec. Status ok with a reason:
///   "not_engaged: ..." where less than half of the values read had passed through the codec (engagement.hpp), "poor_baseline: ..."
///   where the model without a codec is no better than unigrams; the latter is also printed on standard error.
void run_model(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
