// Files of tasks, and of labels, a part of which was replaced: items that can be asked and scored, or a ConfigError.
//
// Input: one byte that picks the format and which of the two files is altered; the rest alters it.

#include <cstdint>
#include <cstdlib>

#include "harness/workloads/tasks/formats.hpp"
#include "scenarios/errors.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/spliced.hpp"

namespace kvstone {
namespace {

struct Example {
    std::string format, items, labels;
};

Example const examples[] = {
    {"arc",
     "{\"question\":{\"stem\":\"Why?\",\"choices\":[{\"text\":\"so\",\"label\":\"A\"},{\"text\":\"no\",\"label\":\"B\"}"
     "]},"
     "\"answerKey\":\"B\"}\n"
     "{\"question\":\"Why?\",\"choices\":{\"text\":[\"so\",\"no\"],\"label\":[\"1\",\"2\"]},\"answerKey\":\"1\"}\n",
     "A\n2\n"},
    {"hellaswag",
     "{\"activity_label\":\"Baking\",\"ctx_a\":\"[header] She stirs [title] it.\",\"ctx_b\":\"then  she\",\"label\":3,"
     "\"endings\":[\"eats [step] it.\",\"sleeps.\",\" goes [substeps].\",\"sings.\"]}\n",
     "2\n"},
    {"piqa", "{\"goal\":\"Open it\",\"sol1\":\"push\",\"sol2\":\"pull\",\"label\":1}\r\n\n", "0\n"},
    {"winogrande",
     "{\"sentence\":\"Ann thanked Eve because _ was "
     "kind.\",\"option1\":\"Ann\",\"option2\":\"Eve\",\"answer\":\"2\"}\n",
     "1\n"}};

void check(TaskItem const& item) {
    bool good = item.choices.size() > 1 && item.gold < item.choices.size() && item.chance > 0 && item.chance <= 0.5;
    for (auto const& choice : item.choices)
        good = good && choice.answer_bytes > 0 && choice.answer_bytes < choice.continuation.size();
    if (!good || item.solved().empty() || item.origin.empty()) std::abort();
}

}  // namespace
}  // namespace kvstone

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace kvstone;
    if (size == 0) return 0;
    auto const& example = examples[data[0] % std::size(examples)];
    bool const altered_labels = data[0] & 4;
    auto const altered = spliced(altered_labels ? example.labels : example.items, data + 1, size - 1);
    MemoryFile const items(altered_labels ? example.items : altered);
    MemoryFile const labels(altered_labels ? altered : example.labels);
    bool const own_labels = !altered_labels && (data[0] & 8);
    try {
        for (auto const& item : read_items(example.format, items.path(), own_labels ? "" : labels.path())) check(item);
    } catch (ConfigError const&) {
        if (size - 1 < least_altering) throw;
    }
    return 0;
}
