#pragma once

#include <string>

#include "harness/sources/tensor_source.hpp"
#include "results/record/screen.hpp"

namespace kvstone {

/// Facts about a source's tensors for those who want to compress them. One member per tensor ("k", "v",
/// "k_prerope", "q"):
///   type, layers, heads, tokens, dim, bytes
///   holds the narrowest of f16, bf16 and f32 in which every value is exact: it reveals f16 values in an f32 file
///    low_zero_bits how many of an element's lowest bits are 0 in every value (13 of f32 where f16 values were widened)
///
///   type_check       element_check.hpp: spread (null where there are too few values); likely and evidence where the bytes
///                    look like another type's
///   padding          where any of them is above 0: channels and tokens, how many of the last are 0 in every head; heads,
///                    how many of all layers are 0
///   min, max, mean, rms, zeros (share of values)
///   layout           verdict of layout_check.hpp, with the structure it rests on; axes, where other names of the axes fit;
///                    contradicted, whether a run refuses this layout
///   by_layer         per layer: rms, min, max; channel_ratio (largest over median RMS of the channels of all its heads),
///                    outlier_channels (those above 4x the median); variance_ratio (largest over least variance of a
///                    head's channels, the median of the heads; null where a channel does not vary);
///                    second_moment_ratio (the same of mean squares, means kept), pca_ratio (first over last eigenvalue of
///                    a head's covariance over tokens; null where there are no more tokens than channels) and rank_90 (the
///                    least rank of a head that holds 90% of its variance), medians of the heads; pca_energy (share of the
///                    variance of all heads that their first 1, 2, ... principal components hold); mean_energy (share
///                    of the sum of squares that lies in the channels' means over tokens); first_token (RMS of the first
///                    token over the median token's), sink_tokens (those above 4x or below 1/4 of the median);
///                    duplicate_rows (share of vectors whose bytes are those of an earlier token of their head);
///                    head_rms (one a head). Ratios are null over a median of 0.
/// "attention" where there are K and Q that belong together: first_token, one a layer (attention_share.hpp);
/// and "rope" where known: its parameters; mean_share_rotated and mean_share_unrotated, the share of K's variance that
/// lies between channels' means as it is and with RoPE undone; error (relative L2 of RoPE applied to k_prerope against
/// k) where both are there. "latent" of latent attention: channels of the latent, and other_channels before it, which RoPE
/// turns. "metadata" is the source's own.
Json inspect(KvTensors const& tensors);

/// The same for people: a block for each tensor, with tables of its layers.
std::string inspection_text(Json const& inspection, Screen const& screen = {});

}  // namespace kvstone
