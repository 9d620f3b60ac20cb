#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// Reads passages of the source's text with the codec in the model's cache (harness/workloads/model/codec_path.hpp) and without, and
/// compares what it says. grid.context is the context of a passage (0: half of what the model was trained on); all
/// protocols score the same tokens: those of the continuation but the first.
///
/// - Figures, `kv`: ppl, its standard error, baseline_ppl, unigram_ppl, ppl_delta_percent, kld_mean, _median, _p99, _max,
///   top1_agreement, compressed_read_fraction, bytes and ratios of K, V and both; protocol decode: exact_match,
///   first_divergence_token and append_bits_per_value. Intervals resample passages; one passage gives none.
///   Unless `timing: off`: prefill_tokens_per_s, and decode_tokens_per_s for protocol decode.
/// - Profiles along position, the mean over the tokens of a bin that starts there: ppl, kld_mean, top1_agreement.
/// - Status verify_failed: Evaluation::prove() on the first passage does not hold, or scored tokens have no
///   finite likelihood. Status skipped: the source is no model,
///   or the protocol cannot run the codec. Status ok with a reason: "not_engaged: ..." where less than half of what was
///   read came through the codec, "poor_baseline: ..." where the model without a codec is no better than unigrams; the
///   latter on standard error, too.
void run_model(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
