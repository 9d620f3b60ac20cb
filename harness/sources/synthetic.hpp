#pragma once
// K, V and Q of a model that was never run.
//
// Distributions of independent values, without RoPE (Q is N(0,1) in all of them):
//   `normal`: N(0,1), for closed forms.
//   `biased`: N(4,1), positive except 1 value in 30,000: a case for a zero point.
//   `uniform`: uniform in [-sqrt(3), sqrt(3)], variance 1, no tails at all.
//   `heavy`: Student's t with 4 degrees of freedom over sqrt(2), variance 1 and no fourth moment: outliers anywhere.
// `llama` imitates trained caches, in two formats:
//   K before RoPE: channel c of a head is mean[c] + deviation[c] * z[t], where z is an AR(1) process over tokens with
//   correlation 0.9. Most means are N(0, 0.5^2) and deviations log-normal around 1 (sigma 0.315). Of every 32 channels
//   one (at least one a head) is an outlier channel with a mean of +-(8 to 12): those lie among the pairs that RoPE
//   turns slowest, as in trained models, so that rotation leaves them outliers. K is then rotated by RoPE with the
//   source's base, pairs (i, i + dim/2), all channels; a base of 0 means no RoPE (learned positions).
//   V: correlation 0.5 over tokens, no RoPE; deviations log-normal around 0.5 (sigma 0.158), means N(0, 0.07^2), and of
//   every 64 channels one (at least one a head) with a mean of +-(2.75 to 3.25) * 0.5.
//   Q: N(0,1) with correlation 0.5 over tokens and, in the outlier channels of its K, a mean of the other sign, so that
//   the product of the means lowers every logit by 7.5; rotated as K is.
//   The first token is an attention sink: K without the means and with half the deviation, V times 0.23.
//   Format 2 has these numbers, which match those of a trained model (docs/results/smollm2-cache.md) within a factor of
//   two. Format 1, of earlier versions: sigma 0.4 for K; V is N(0, 0.5^2) and Q N(0,1), both without means; no sink.
//
// With `latent`, the channels behind the first head_dim - latent are a latent as in multi-head latent attention (DeepSeek-V2,
// 2024, section 2.1): the cache is that one vector a token, K of all query heads and V alike, so there is no V here. RoPE
// turns the first channels alone, which stand in front as llama.cpp has them and hold the outlier channels; the latent's
// means and deviations are those of K. No trained latent has been measured for it.
//
// Every value is a function of seed, tensor, layer, head, channel and token alone: it depends neither on threads nor on
// the context, so the first tokens of a longer context are the same values.

#include <string>
#include <vector>

namespace kvstone {

/// Names for a synthetic source's `distribution`, the default first.
std::vector<std::string> const& synthetic_distributions();

}  // namespace kvstone
