#include "results/record/metrics.hpp"

#include <algorithm>
#include <array>

namespace kvstone {
namespace {

using enum Better;
using enum Both;

// In formulas x is the original, y the values decoded from the stored container, e = y - x; sums run over all values of
// the component ("kv": K and V together).
constexpr std::array table{
    // Bytes.
    Metric{"bits_per_value", "bit", lower, true, "8 x stored bytes / values, every ledger line but the workspace",
           from_sums},
    Metric{"nominal_bits_per_value", "bit", lower, true, "bits per value that the method's name promises", from_sums},
    Metric{"ratio_vs_fp16", "1", higher, true, "2 x values / stored bytes", from_sums},
    Metric{"ratio_without_side_data", "1", higher, true,
           "2 x values / (stored bytes - codebooks and probability tables - headers and checksums)", from_sums},
    Metric{"ratio_vs_fp32", "1", higher, true, "4 x values / stored bytes", from_sums},
    Metric{"ledger_payload_bytes", "byte", lower, true, "stored bytes of coded values", sum},
    Metric{"ledger_scales_bytes", "byte", lower, true, "stored bytes of scales and norms", sum},
    Metric{"ledger_zeros_bytes", "byte", lower, true, "stored bytes of zero points and minima", sum},
    Metric{"ledger_outliers_bytes", "byte", lower, true, "stored bytes of outliers and their places", sum},
    Metric{"ledger_window_bytes", "byte", lower, true, "stored bytes of sinks and the recent window kept raw", sum},
    Metric{"ledger_codebooks_bytes", "byte", lower, true, "stored bytes of codebooks and probability tables", sum},
    Metric{"ledger_headers_bytes", "byte", lower, true, "stored bytes of headers and checksums", sum},
    Metric{"ledger_padding_bytes", "byte", lower, true, "stored bytes that only align others", sum},
    Metric{"ledger_mask_bytes", "byte", lower, true,
           "stored bytes of the bits that say which tokens stay, where a codec drops some; those of K and V are with K",
           sum},
    Metric{"ledger_workspace_bytes", "byte", lower, false, "memory needed while coding; never part of stored bytes",
           sum},
    Metric{"original_bytes", "byte", neither, true, "bytes of the tensors as the source has them", sum},
    Metric{"stored_bytes", "byte", lower, true, "bytes of the sealed containers: all ledger lines but the workspace",
           sum},
    Metric{"allocated_bytes", "byte", lower, false, "bytes the codec's buffers took from the backend's memory", sum},
    Metric{"peak_rss_bytes", "byte", lower, false,
           "VmHWM of the attempt's process, and of those that run its codecs from outside, added", together},
    Metric{"device_peak_bytes", "byte", lower, false, "peak of the device's memory in use by the attempt", together},
    // Tensor error.
    Metric{"mae", "value", lower, true, "mean |e|", pooled},
    Metric{"rmse", "value", lower, true, "sqrt(mean e^2)", pooled},
    Metric{"nmse", "1", lower, true, "mean e^2 / variance of x", pooled},
    Metric{"max_abs_error", "value", lower, true, "max |e|", pooled},
    Metric{"relative_error_l1", "1", lower, true, "sum |e| / sum |x|", pooled},
    Metric{"relative_error_mean", "1", lower, true, "mean of |e| / |x| over |x| above the stated floor", pooled},
    Metric{"relative_error_p50", "1", lower, true, "median of |e| / |x| over |x| above the stated floor", pooled},
    Metric{"relative_error_p95", "1", lower, true, "95th percentile of |e| / |x| over |x| above the stated floor",
           pooled},
    Metric{"relative_error_p99", "1", lower, true, "99th percentile of |e| / |x| over |x| above the stated floor",
           pooled},
    Metric{"relative_error_max", "1", lower, true, "maximum of |e| / |x| over |x| above the stated floor", pooled},
    Metric{"cosine", "1", higher, true, "<x, y> / (|x| |y|) over the whole component", pooled},
    Metric{"cosine_min", "1", higher, true, "smallest cosine of one head's vector at one token", pooled},
    Metric{"first_cycle_nmse", "1", lower, true, "nmse after encoding and decoding once", pooled},
    Metric{"last_cycle_nmse", "1", lower, true,
           "nmse after the last of n cycles, each fed the output of the one before", pooled},
    Metric{"cycle_drift", "value", lower, true, "max |y after the last cycle - y after the first|; 0: idempotent",
           pooled},
    // The original itself.
    Metric{"channel_rms_max_over_median", "1", neither, true,
           "per layer and head: largest channel RMS / median channel RMS of x; the largest over layers and heads",
           none},
    // Bounds. An element is a unit of a plane of the codec's payload: a number, or a byte of packed codes; H its
    // order-0 entropy from counts, one table a plane where nothing else is said.
    Metric{"entropy_word_bits", "bit", lower, true, "H of whole elements of 1 or 2 bytes / values", from_sums},
    Metric{"entropy_high_byte_bits", "bit", lower, true, "H of the elements' most significant bytes / values",
           from_sums},
    Metric{"entropy_low_byte_bits", "bit", lower, true, "H of the other bytes of 2-byte elements / values", from_sums},
    Metric{"entropy_high6_bits", "bit", lower, true, "H of sign and exponent of fp16 elements / values", from_sums},
    Metric{"entropy_exponent_bits", "bit", lower, true, "H of the elements' exponents / values", from_sums},
    Metric{
        "entropy_per_channel_bits", "bit", lower, true,
        "H of the high bytes with a table for each layer, head and channel, + (occurring - 1) / (2 ln 2) bits a table "
        "(Miller-Madow) / values; n: tokens behind a table",
        from_sums},
    Metric{"entropy_given_previous_token_bits", "bit", lower, true,
           "H of high bytes given that of the same channel in the token before, one table, Miller-Madow / values",
           from_sums},
    Metric{"huffman_best_high_byte_bits", "bit", lower, true, "bits of the best prefix code of the high bytes / values",
           from_sums},
    Metric{
        "entropy_ratio_bound_vs_fp16", "1", higher, true,
        "16 x values / (bits of side data + payload at H of its elements, of 4-byte ones at H of their byte planes); "
        "headers left out",
        from_sums},
    Metric{"duplicate_rows", "1", neither, true,
           "share of x's vectors that equal an earlier one of their head, bit by bit", from_sums},
    // Spread, of one head's channels and of the covariance of its vectors over tokens; figures are medians over layers and
    // heads.
    Metric{"channel_variance_ratio", "1", neither, true,
           "largest / least variance of a head's channels about their means", none},
    Metric{"channel_second_moment_ratio", "1", neither, true,
           "largest / least mean square of a head's channels, their means kept", none},
    Metric{"channel_mean_energy", "1", neither, true, "share of the sum of squares that channel means alone would give",
           none},
    Metric{"pca_eigenvalue_ratio", "1", neither, false, "first / last eigenvalue of a head's covariance, means removed",
           none},
    Metric{
        "pca_energy", "1", neither, false,
        "share of a head's variance, means removed, in its first principal components; a profile, position: how many",
        none},
    Metric{"pca_rank_90", "1", neither, false, "least rank with 90% of a head's variance, means removed", none},
    Metric{
        "spot_check_error", "1", lower, false,
        "sum (x' - x)^2 / sum x^2 of an encoding of K and one of V, drawn at random and decoded at the attempt's end; "
        "the larger; of codecs from outside",
        together},
    // Attention.
    // l = q.k / sqrt(dim) is a logit over the tokens that a query sees, p the softmax, o the output; a prime: of the
    // decoded K and V. Queries are a sample of each layer and query head.
    Metric{
        "attention_logit_error", "1", lower, true,
        "sqrt(sum (l' - l)^2 / sum (l - mean l)^2): RMS error of logits / their deviation around a query's mean; where "
        "tokens are dropped, the errors are of those that stay, the deviations of all",
        together},
    Metric{"attention_mass_kept", "1", higher, true,
           "mean over queries of sum p over the tokens that stay, where a codec drops some", together},
    Metric{"kept_share", "1", neither, true,
           "tokens of the prompt that stay / tokens of the prompt, mean over layers and heads", together},
    Metric{"attention_kl", "nat", lower, true, "mean over queries of KL(p || p') = sum p log(p / p')", together},
    Metric{"attention_kl_p999", "nat", lower, true, "99.9th percentile over queries of the same KL", together},
    Metric{"attention_output_error", "1", lower, true, "mean over queries of |o' - o| / |o|", together},
    Metric{"attention_output_error_p999", "1", lower, true, "99.9th percentile over queries of |o' - o| / |o|",
           together},
    Metric{"attention_top8_overlap", "1", higher, true,
           "mean over queries of the share of the 8 most attended tokens that stay among them", together},
    Metric{"attention_top8_overlap_p001", "1", higher, true, "0.1th percentile over queries of the same share",
           together},
    // Speed.
    Metric{"encode_ns", "ns", lower, false, "median time of one encoding pass over the component", sum},
    Metric{"decode_ns", "ns", lower, false, "median time of one decoding pass over the component", sum},
    Metric{"encode_mean_ns", "ns", lower, false, "mean time of one encoding pass over the component", sum},
    Metric{"decode_mean_ns", "ns", lower, false, "mean time of one decoding pass over the component", sum},
    Metric{"encode_gb_per_s", "GB/s", higher, false, "original bytes / encode_ns", from_sums},
    Metric{"decode_gb_per_s", "GB/s", higher, false, "original bytes / decode_ns", from_sums},
    Metric{"encode_traffic_bytes", "byte", neither, true, "bytes an encoding pass has to read and write", sum},
    Metric{"decode_traffic_bytes", "byte", neither, true, "bytes a decoding pass has to read and write", sum},
    Metric{"encode_roofline", "1", higher, false, "encode_traffic_bytes / encode_ns / the interleaved copy roofline",
           from_sums},
    Metric{"decode_roofline", "1", higher, false, "decode_traffic_bytes / decode_ns / the interleaved copy roofline",
           from_sums},
    // Energy of the domains that the row's host names, with their idle power.
    Metric{"encode_joules_per_gb", "J/GB", lower, false,
           "energy of an encoding pass, of passes for 100 steps of the counter or longer / original bytes", from_sums},
    Metric{"decode_joules_per_gb", "J/GB", lower, false,
           "energy of a decoding pass, of passes for 100 steps of the counter or longer / original bytes", from_sums},
    // Work: what an instrument counts in one pass.
    Metric{"encode_instructions", "instruction/value", lower, false,
           "instructions of one encoding pass by one thread / values; of appending in workload append", from_sums},
    Metric{"decode_instructions", "instruction/value", lower, false,
           "instructions of one decoding pass by one thread / values; of reading pages in workload append", from_sums},
    Metric{"encode_l1_misses", "miss/value", lower, false,
           "data misses of a simulated first-level cache of 32 KiB in the same pass / values", from_sums},
    Metric{"decode_l1_misses", "miss/value", lower, false,
           "data misses of a simulated first-level cache of 32 KiB in the same pass / values", from_sums},
    Metric{"encode_last_level_misses", "miss/value", lower, false,
           "misses of a simulated last-level cache of 1 MiB in the same pass / values", from_sums},
    Metric{"decode_last_level_misses", "miss/value", lower, false,
           "misses of a simulated last-level cache of 1 MiB in the same pass / values", from_sums},
    Metric{"encode_branch_misses", "miss/value", lower, false,
           "branches that a simulated predictor gets wrong in the same pass / values", from_sums},
    Metric{"decode_branch_misses", "miss/value", lower, false,
           "branches that a simulated predictor gets wrong in the same pass / values", from_sums},
    Metric{"start_instructions", "instruction", lower, false,
           "instructions from the start of the attempt's process to its main()", together},
    Metric{"program_bytes", "byte", lower, true, "bytes of the attempt's program", together},
    Metric{"append_ns_per_token", "ns", lower, false,
           "time to append a token of one sequence, all layers: median over rounds, each the mean over a page's steps",
           together},
    Metric{"append_gb_per_s", "GB/s", higher, false, "original bytes of a token / append_ns_per_token", together},
    Metric{"append_bits_per_value", "bit", lower, true,
           "8 x bytes that a grown cache holds / values: blocks begun and tokens held as they came included",
           from_sums},
    Metric{"page_read_ns", "ns", lower, false, "median time to read one page of one sequence back, all layers", sum},
    Metric{"page_read_gb_per_s", "GB/s", higher, false, "original bytes of a page / page_read_ns", from_sums},
    Metric{"break_even_gbit_per_s", "Gbit/s", higher, false,
           "link speed below which encode, send and decode beat sending the original", from_sums},
    // One step of attention over stored planes.
    Metric{"attention_step_ns", "ns", lower, false,
           "median time of a step: the queries of all layers, heads and sequences attend to their whole caches",
           together},
    Metric{"cache_bytes_read", "byte", lower, true, "bytes of the stored planes that a step reads", together},
    Metric{"attention_read_gb_per_s", "GB/s", higher, false, "cache_bytes_read / attention_step_ns", together},
    Metric{"attention_roofline", "1", higher, false, "attention_read_gb_per_s / the interleaved reading roofline",
           together},
    Metric{"attention_step_error", "1", lower, false,
           "largest |o' - o| / |o| of a query head's output, o in double precision over the decoded container",
           together},
    Metric{"fp16_step_ns", "ns", lower, false, "median time of a step of our kernel over fp16 in the same rounds",
           together},
    Metric{"speedup_vs_fp16", "1", higher, false, "fp16_step_ns / attention_step_ns", together},
    Metric{"ggml_f16_step_ns", "ns", lower, false, "median time of ggml's flash_attn_ext over f16 in the same rounds",
           together},
    Metric{"speedup_vs_ggml_f16", "1", higher, false, "ggml_f16_step_ns / attention_step_ns", together},
    Metric{"ggml_step_ns", "ns", lower, false,
           "median time of ggml's flash_attn_ext over the codec's own bytes in the same rounds", together},
    Metric{"speedup_vs_ggml", "1", higher, false, "ggml_step_ns / attention_step_ns", together},
    Metric{"ggml_step_error", "1", lower, false,
           "as attention_step_error, of ggml's flash_attn_ext over the codec's own bytes", together},
    // Model. Original, uncompressed, baseline: of the reference model where the source names one.
    Metric{"ppl", "1", lower, false, "exp(mean negative log likelihood of the scored tokens)", together},
    Metric{"ppl_standard_error", "1", lower, false,
           "ppl x standard error of the mean negative log likelihood, by token", together},
    Metric{"baseline_ppl", "1", lower, false,
           "ppl of the same tokens with the uncompressed cache, of the reference model where there is one", together},
    Metric{"unigram_ppl", "1", neither, false,
           "ppl of the same tokens from how often each occurs in the passages, itself left out, 1 added to each count",
           together},
    Metric{"weights_bytes", "byte", lower, true, "bytes of the model's tensors, as they lie in its file", together},
    Metric{"compute_bytes", "byte", lower, true,
           "bytes of the engine's buffers for a step of up to 512 tokens, by its own log, as the row ran", together},
    Metric{"ppl_delta_percent", "%", lower, false,
           "100 x (ppl / baseline_ppl - 1); interval from the paired differences, resampled by passage", together},
    Metric{"kld_mean", "nat", lower, false, "mean KL(next-token distribution, original || compressed)", together},
    Metric{"kld_median", "nat", lower, false, "median of the same KL over tokens", together},
    Metric{"kld_p99", "nat", lower, false, "99th percentile of the same KL over tokens", together},
    Metric{"kld_p999", "nat", lower, false, "99.9th percentile of the same KL; 1,000 scored tokens or more have one",
           together},
    Metric{"kld_max", "nat", lower, false, "largest of the same KL over tokens", together},
    Metric{"large_kld_share", "1", lower, false, "share of tokens whose KL is above 0.1 nat", together},
    Metric{"kld_mean_digits", "nat", lower, false, "mean of the same KL where the text goes on with digits alone",
           together},
    Metric{"kld_mean_punctuation", "nat", lower, false,
           "mean of the same KL where the text goes on with neither letters nor digits", together},
    Metric{"kld_mean_rare", "nat", lower, false,
           "mean of the same KL where the text goes on with a token that all passages have once, of no kind above",
           together},
    Metric{"top1_agreement", "1", higher, false, "share of tokens whose most likely successor stays the same",
           together},
    Metric{"sure_top1_flips", "1", lower, false,
           "share of tokens with another most likely successor, of those where its probability was above 0.9",
           together},
    Metric{"first_divergence_token", "token", higher, false,
           "mean over passages of how many generated tokens agree before the first that does not (greedy decoding)",
           together},
    Metric{"exact_match", "1", higher, false, "share of passages whose generated tokens all agree (greedy decoding)",
           together},
    // Tasks: items of several choices (acc), or of one answer that must come (recall_accuracy). baseline_: with the
    // uncompressed cache. Intervals of shares are Wilson's, those of differences a paired bootstrap.
    Metric{"acc", "1", higher, false, "share of items whose right choice has the largest summed log likelihood",
           together},
    Metric{"acc_norm", "1", higher, false, "the same with log likelihood / bytes of the choice (UTF-8)", together},
    Metric{"recall_accuracy", "1", higher, false,
           "share of generated items whose answer is, token by token, the most likely text (greedy decoding)",
           together},
    Metric{"baseline_acc", "1", higher, false, "acc with the uncompressed cache", together},
    Metric{"baseline_acc_norm", "1", higher, false, "acc_norm with the uncompressed cache", together},
    Metric{"baseline_recall_accuracy", "1", higher, false, "recall_accuracy with the uncompressed cache", together},
    Metric{"acc_delta", "1", higher, false, "acc - baseline_acc, item by item", together},
    Metric{"acc_norm_delta", "1", higher, false, "acc_norm - baseline_acc_norm, item by item", together},
    Metric{"recall_accuracy_delta", "1", higher, false, "recall_accuracy - baseline_recall_accuracy, item by item",
           together},
    Metric{"flips_to_wrong", "item", lower, false, "items answered rightly with the uncompressed cache alone",
           together},
    Metric{"flips_to_right", "item", neither, false, "items answered rightly with the compressed cache alone",
           together},
    Metric{"mcnemar_p", "1", neither, false,
           "two-sided exact p of flips_to_wrong of all flips where both ways are equally likely; items taken as "
           "independent",
           together},
    Metric{"minimum_detectable_effect", "1", lower, false,
           "difference that a test at 5% finds in 80% of trials: 2.80 x standard error of the paired difference, or 6 "
           "flips one way",
           together},
    Metric{"chance_accuracy", "1", neither, true, "mean chance of guessing the right answer", together},
    Metric{"task_items", "item", neither, true, "items asked", together},
    Metric{"task_context_tokens", "token", neither, true, "mean tokens compressed in front of the items", together},
    Metric{"compressed_read_fraction", "1", neither, false,
           "share of the K and V vectors that scored tokens attended to that came through the codec; below 0.5 not "
           "engaged",
           together},
    Metric{"passages", "1", neither, true, "passages of the text that were scored", together},
    Metric{"context_tokens", "token", neither, true, "tokens of each passage's context", together},
    Metric{"cache_layers", "1", neither, true, "layers of the model's cache", none},
    Metric{"cache_heads", "1", neither, true, "heads of K, or of V, in a layer of the model's cache", none},
    Metric{"cache_head_dim", "1", neither, true, "values of one head's vector in the model's cache", none},
    Metric{"cache_room_tokens", "token", neither, true, "tokens that the engine's own cache was made for", together},
    Metric{"cache_memory_growth_bytes", "byte", lower, false,
           "VmRSS of the process after the engine made its own cache - before", together},
    Metric{"prefill_tokens_per_s", "token/s", higher, false, "prompt tokens / prefill time", together},
    Metric{"decode_tokens_per_s", "token/s", higher, false, "generated tokens / generation time", together},
    Metric{"prefill_tokens_per_joule", "token/J", higher, false,
           "prompt tokens / energy of the prefill, of the domains that the row's host names, with their idle power",
           together},
    Metric{"decode_tokens_per_joule", "token/J", higher, false,
           "generated tokens / energy of the generation, of the same domains", together},
    // Cache.
    Metric{"hit_rate", "1", higher, true, "tokens served from the cache / tokens asked for", together},
    // Prefix cache. A hit is an entry (of a block, or of one layer of it) all of whose ancestors are hits, too.
    Metric{"block_lookups", "entry", neither, true, "entries that requests ask for", together},
    Metric{"block_hits", "entry", higher, true, "entries found, up to each request's first miss", together},
    Metric{"block_hit_rate", "1", higher, true, "block_hits / block_lookups", together},
    Metric{"token_lookups", "token", neither, true, "tokens of all requests", together},
    Metric{"token_hits", "token", higher, true, "min(blocks found x tokens of a block, tokens), over requests",
           together},
    Metric{"token_hit_rate", "1", higher, true, "token_hits / token_lookups", together},
    Metric{"token_hits_unbounded", "token", higher, true, "token_hits of a cache that holds everything", together},
    Metric{"tokens_shared_below_block", "token", neither, true,
           "tokens that some earlier request has, too, behind the blocks that both begin with: too few for a block",
           together},
    Metric{"tokens_not_shared", "token", neither, true,
           "token_lookups - token_hits_unbounded - tokens_shared_below_block: no earlier request begins with them",
           together},
    Metric{"request_lookups", "request", neither, true, "requests", together},
    Metric{"request_hits_any", "request", higher, true, "requests whose first block was found", together},
    Metric{"request_hits_all", "request", higher, true, "requests all of whose tokens were found", together},
    Metric{"request_any_hit_rate", "1", higher, true, "request_hits_any / request_lookups", together},
    Metric{"request_all_hit_rate", "1", higher, true, "request_hits_all / request_lookups", together},
    Metric{"stored_entry_bytes", "byte", lower, true, "ledger of one entry, headers included", together},
    Metric{"entries", "entry", higher, true, "entries that fit: budget / stored_entry_bytes, rounded down", together},
    Metric{"entries_held", "entry", neither, true, "entries in the cache after the last request", together},
    Metric{"held_bytes", "byte", neither, true, "entries_held x stored_entry_bytes", together},
    Metric{"entry_writes", "entry", lower, true, "entries written", together},
    Metric{"written_bytes", "byte", lower, true, "entry_writes x stored_entry_bytes", together},
    Metric{"write_amplification", "1", lower, true,
           "written_bytes / bytes of the different blocks that were asked for: 1 where each was written once",
           together},
    Metric{"writes_avoided", "entry", neither, true, "entries not written because no earlier request asked for them",
           together},
    Metric{"evictions", "entry", lower, true, "entries that left to make room", together},
    Metric{"evicted_bytes", "byte", neither, true, "bytes of the entries that were evicted", together},
    Metric{"expirations", "entry", neither, true, "entries that left since their time was over", together},
    Metric{"expired_bytes", "byte", neither, true,
           "bytes of the entries that expired; written_bytes = held_bytes + evicted_bytes + expired_bytes", together},
    Metric{"entries_verified", "entry", neither, true,
           "entries found whose decoded values were those of their writing (once a window of requests)", together},
    Metric{"block_lookups_per_s", "entry/s", higher, false,
           "block_lookups / time of looking up and writing: of mode account with keys at hand, of mode live with "
           "everything that clients do",
           together},
    Metric{"hashed_lookups_per_s", "entry/s", higher, false,
           "block_lookups / time of hashing tokens, looking up and writing, without tensors", together},
    Metric{"hash_ns_per_block", "ns", lower, false, "time of a client for a block's tokens and their SHA-256",
           together},
    Metric{"prefill_us_per_token", "us/token", lower, false, "a of T(n) = a n + b n^2, fitted to four lengths",
           together},
    Metric{"prefill_ns_per_token_squared", "ns/token^2", lower, false, "b of it", together},
    Metric{"prefill_fit_error_percent", "%", lower, false, "largest |T(n) / measured - 1| of the lengths", together},
    Metric{"refused_hits", "request", lower, false, "requests whose hit would take longer to load than to compute",
           together},
    // Two tiers. Entries in memory are hot, those on disk cold; both together are the cache that block_hits and the like are of.
    Metric{"hot_entry_bytes", "byte", lower, true,
           "one entry in memory: ledger, headers included, or tensors' own bytes", together},
    Metric{"cold_entry_bytes", "byte", lower, true, "one entry on disk, likewise, without the record around it",
           together},
    Metric{"hot_entries", "entry", higher, true, "entries that fit memory: its budget / hot_entry_bytes, rounded down",
           together},
    Metric{"cold_entries", "entry", higher, true,
           "entries that fit the disk: its budget / cold_entry_bytes, rounded down", together},
    Metric{"hot_hits", "entry", higher, true, "those of block_hits that were in memory", together},
    Metric{"cold_hits", "entry", neither, true, "those of block_hits that were on disk", together},
    Metric{"hot_alone_hits", "entry", neither, true, "block_hits of the entries in memory if there were no disk",
           together},
    Metric{"promotions", "entry", neither, true, "entries that moved from disk to memory", together},
    Metric{"demotions", "entry", lower, true, "entries that moved from memory to disk", together},
    Metric{"demoted_bytes", "byte", lower, true, "demotions x cold_entry_bytes", together},
    Metric{"lost_entries", "entry", lower, true, "entries that the disk dropped since its files were full", together},
    Metric{"hot_entries_held", "entry", neither, true, "entries in memory after the last request", together},
    Metric{"cold_entries_held", "entry", neither, true, "entries on disk after the last request", together},
    Metric{"hot_peak_bytes", "byte", lower, true, "most bytes of entries in memory at a time, as encoded", together},
    Metric{"cold_held_bytes", "byte", neither, true, "bytes of entries on disk after the last request, as encoded",
           together},
    Metric{"cold_file_bytes", "byte", lower, false, "segment files after the last request: live and dead records",
           together},
    Metric{"file_write_amplification", "1", lower, false,
           "bytes written to segment files / bytes of the entries in them", together},
    Metric{"hot_nmse", "1", lower, true, "nmse of values from hits in memory, against the computed ones", together},
    Metric{"cold_nmse", "1", lower, true, "nmse of values from hits on disk, against the computed ones", together},
    Metric{"hot_relative_error_l1", "1", lower, true, "relative_error_l1 of values from hits in memory", together},
    Metric{"cold_relative_error_l1", "1", lower, true, "relative_error_l1 of values from hits on disk", together},
    Metric{"hot_hit_ns", "ns", lower, false,
           "decoding an entry found in memory: median over requests, each the mean over its hits", together},
    Metric{"cold_hit_ns", "ns", lower, false,
           "fetching an entry from disk and decoding it, overlapped: median over requests, each the mean over its hits",
           together},
    Metric{"transfer_entries", "entry", neither, true, "entries that a timed pass to or from the disk has", together},
    Metric{"disk_write_gb_per_s", "GB/s", higher, false,
           "stored bytes of entries / time to write them, made durable by sync", together},
    Metric{"disk_read_gb_per_s", "GB/s", higher, false, "stored bytes of entries / time to read them and for the link",
           together},
    Metric{"write_overlap_fraction", "1", higher, false,
           "the longer of encoding alone and writing alone / the time of both overlapped; median over passes",
           together},
    Metric{"read_overlap_fraction", "1", higher, false,
           "the longer of decoding alone and reading alone / the time of both overlapped; median over passes",
           together},
    Metric{
        "break_even_gb_per_s", "GB/s", higher, false,
        "link below which fetching coded and then decoding beats fetching raw: (original - stored bytes) / decode time",
        together},
    Metric{"crossing_gb_per_s", "GB/s", higher, false,
           "the same as seen: where the times of both fetches cross over links of 0.1 to 10 GB/s; none: they do not",
           together},
    Metric{"crossing_over_computed", "1", neither, false,
           "crossing_gb_per_s / break_even_gb_per_s: 1 where the formula holds", together},
    Metric{"raw_fetch_ns", "ns", lower, false,
           "fetching an entry's original bytes; a profile, position: the link's MB/s", together},
    Metric{"coded_fetch_ns", "ns", lower, false,
           "fetching an entry's stored bytes, then decoding them; a profile, position: the link's MB/s", together},
    Metric{"bytes_saved", "byte", higher, true, "original bytes - stored bytes (of a cache: over its content)", sum},
    Metric{"time_saved_percent", "%", higher, false, "100 x (1 - time with the cache / time without)", together},
    Metric{"time_saved_by_clock_percent", "%", higher, false,
           "100 x (1 - time that requests took / time to compute them all from their first tokens), both measured",
           together},
    Metric{"write_gb_per_s", "GB/s", higher, false, "original bytes put into the cache / time", together},
    Metric{"read_gb_per_s", "GB/s", higher, false, "original bytes taken from the cache / time", together},
};

}  // namespace

std::span<Metric const> metrics() { return table; }

bool is_speed(Metric const& metric) {
    return metric.unit == "ns" || metric.unit == "GB/s" || metric.unit == "Gbit/s" || metric.unit == "token/s" ||
           metric.name.ends_with("_roofline") || metric.name == "time_saved_percent";
}

bool is_work(Metric const& metric) {
    return metric.unit == "instruction/value" || metric.unit == "miss/value" || metric.unit == "instruction" ||
           metric.name == "program_bytes";
}

bool is_energy(Metric const& metric) { return metric.unit == "J/GB" || metric.unit == "token/J"; }

Metric const* find_metric(std::string_view name) {
    auto const found =
        std::find_if(table.begin(), table.end(), [&](Metric const& metric) { return metric.name == name; });
    return found == table.end() ? nullptr : &*found;
}

std::string_view how_made(Both both) {
    switch (both) {
        case sum:
            return "K's + V's";
        case from_sums:
            return "the formula over K's + V's bytes, values and times";
        case pooled:
            return "the formula over all values of K and V as one; K or V alone may be worse";
        case together:
            return "K and V are measured together";
        case none:
            break;
    }
    return "none: K and V alone";
}

std::string_view name_of(Better better) {
    switch (better) {
        case lower:
            return "lower";
        case higher:
            return "higher";
        case neither:
            break;
    }
    return "neither";
}

}  // namespace kvstone
