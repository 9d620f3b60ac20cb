#pragma once
// Whether a tensor lies as it is read, judged by its values.

#include <string>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// How much a tensor looks like a cache: channels that keep their own mean and size over tokens, and tokens that
/// resemble their neighbours; values beyond 10 times the median size count as that. Each between 0 (or, by chance, one over the tokens) and 1.
struct Structure {
    double mean_share = 0;   ///< of the variance of x, between channels of a head
    double size_share = 0;   ///< of the variance of |x|, between channels of a head
    double correlation = 0;  ///< of a channel's deviations from its mean, one token to the next; 0 where negative
    double sum() const { return mean_share + size_share + correlation; }
};
Structure structure_of(HostTensor const& tensor);

struct LayoutCheck {
    std::string verdict;  ///< "confirmed", "suspect" or "undecided"
    Structure as_read;
    std::string best_other;  ///< what the values would be read as otherwise, best first; empty: there is no other way
    Structure as_best_other;
    /// The right names of what was read as head, token and dim, in this order ("token head dim"), where other names of the
    /// same axes are clearly better; the bytes are then in best_other's order of these names, with other lengths.
    std::string axes = {};
    /// The structure is less than half, and far from, that of the best other reading: nothing measured on it would mean
    /// anything.
    bool contradicted = false;
    /// Suspect for this alone: it looks as well with the axes of heads and channels called by each other's names, and then has
    /// more channels than heads, as models do.
    bool more_heads_than_channels = false;
};

/// Compares the structure as read with what it would be if the same bytes lay in any other order of head, token and
/// dim, if the axes were called by each other's names, or had been swapped (head, token) while reading. `suspect` where
/// another order shows clearly more structure, `confirmed` where every other shows clearly less, `undecided` where the
/// values do not tell (plain noise, or too few). Padding and heads that repeat the one before are not looked at.
LayoutCheck check_layout(HostTensor const& tensor);

/// What a layout (layout.hpp) should have been called, from `axes` of its check; empty where that cannot be said.
std::string renamed_layout(std::string const& layout, std::string const& axes);

}  // namespace kvstone
