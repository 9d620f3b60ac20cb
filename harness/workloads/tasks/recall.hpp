#pragma once
// Generated tasks of recall, in the manner of RULER (Hsieh et al. 2024, arXiv:2404.06654), in the words of the shipped
// model's text: simple English that other models can read, too.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/workloads/tasks/task_item.hpp"

namespace kvstone {

/// needle     where one person lives, told somewhere in a long story and asked for at its end
/// key_value  homes and belongings of twelve people, told once each in random order within a story; all are asked for
/// variables  where three people live; another lives where the first does, a third where the second: where does the last?
std::vector<std::string> const& recall_kinds();
/// The number of questions behind one story.
std::uint64_t recall_questions(std::string const& kind);

struct RecallSettings {
    std::string kind;
    std::uint64_t seed = 0;
    std::uint64_t story = 0;   ///< index: each story is drawn independently
    std::uint64_t tokens = 0;  ///< least tokens of the story; it ends with the sentence that reaches them
};

/// The number of tokens of a text.
using TokenCount = std::function<std::uint64_t(std::string_view)>;

/// The prefix is the story; facts are anywhere in it, each once. Items have one choice; `chance` is that of naming one
/// of the story's values of the right kind, 0 where it has no other. Throws ConfigError where the facts alone have more
/// tokens, SystemError where the words cannot be read.
TaskGroup recall_story(RecallSettings const& settings, TokenCount const& tokens_of);

}  // namespace kvstone
