#pragma once
// Files of multiple-choice items, as their authors publish them: one JSON object a line.

#include <string>
#include <vector>

#include "harness/workloads/tasks/task_item.hpp"

namespace kvstone {

/// Questions and scored texts follow lm-evaluation-harness (lm_eval/tasks), so that figures can be compared:
///
/// piqa       {"goal", "sol1", "sol2", ["label": 0 | 1]}: "Question: GOAL\nAnswer:" + " SOL"
/// arc        {"question": {"stem", "choices": [{"text", "label"}]}, "answerKey"}, or
///            {"question": TEXT, "choices": {"text": [...], "label": [...]}, "answerKey"}: likewise
/// hellaswag  {"activity_label", "ctx_a", "ctx_b", "endings": 4 of them, ["label": 0 to 3]}: "ACTIVITY: A B" + " ENDING",
///            B with a capital, the marks of WikiHow ("[title]", "[step]") taken out; files without "ctx_a" have all of
///            it in "ctx", which is taken unchanged except for the marks
/// winogrande {"sentence": with "_", "option1", "option2", ["answer": 1 | 2]}: the rest of the sentence is scored
///            behind its beginning with each option put in
std::vector<std::string> const& item_formats();

/// `labels`: a file with the right answers, one per line, which replace those of the items; empty: none. Throws
/// ConfigError with file and line where a line is broken, a member is missing, or an answer is none of the choices;
/// SystemError where a file cannot be read.
std::vector<TaskItem> read_items(std::string const& format, std::string const& path, std::string const& labels);

}  // namespace kvstone
