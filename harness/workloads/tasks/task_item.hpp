#pragma once
// Questions to a model: items of several choices, or of one answer that it has to know, behind a common text.

#include <cstdint>
#include <string>
#include <vector>

namespace kvstone {

/// `continuation` is scored behind `context`.
struct TaskChoice {
    std::string context;
    std::string continuation;
    std::uint64_t answer_bytes = 0;  ///< of the continuation, without the separator before it
};

struct TaskItem {
    std::vector<TaskChoice> choices;  ///< one: the model must find it among all possible texts
    std::size_t gold = 0;             ///< the right choice
    double chance = 0;                ///< of guessing it
    std::string origin;               ///< its place, for errors: "FILE:LINE"
    /// The item as a part of other items' prefixes: question and right answer.
    std::string solved() const { return choices[gold].context + choices[gold].continuation; }
};

/// Items that are asked behind the same text, which is compressed.
struct TaskGroup {
    std::string prefix;
    std::vector<TaskItem> items;
};

}  // namespace kvstone
