#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// Asks the model questions behind a text whose K and V went through the codec
/// (harness/workloads/model/codec_path.hpp), and also behind the same text without it.
///
/// - Items of a file (harness/workloads/tasks/formats.hpp) are scored by the summed log likelihood of each choice. The text before
///   them consists of other items of the file with their answers, as few as have grid.context tokens (0:
/// min_context_tokens): the first items of the file for all others, coded once, and where all items are wanted, the
/// items behind those for the first. No item is asked behind itself. `items` are taken in the file's order, behind the
/// first prefix first.
/// - Generated items (harness/workloads/tasks/recall.hpp) are asked behind a story of grid.context tokens (0: half of
///   the length that the model was trained on), several behind one; an answer is right where each of its tokens is the
///   most likely one.
///
/// Figures: add_task_figures(), compressed_read_fraction of the scored tokens, task_context_tokens, bytes and ratios of
/// K, V and both. Status and reason as in run_model(); "poor_baseline: ..." where the model without a codec is no
/// better than guessing.
void run_tasks(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
