#pragma once
// A check of whether a tensor has the layout in which it is read, judged by its values.

#include <string>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// How much a tensor looks like a cache: channels that keep their own mean and size over tokens, and tokens that
/// resemble their neighbours; values beyond 10 times the median size count as 10 times. Each between 0 (or, by chance,
/// one over the tokens) and 1.
struct Structure {
    double mean_share = 0;   ///< of the variance of x, between channels of a head
    double size_share = 0;   ///< of the variance of |x|, between channels of a head
    double correlation = 0;  ///< of a channel's deviations from its mean, from one token to the next; 0 where negative
    double sum() const { return mean_share + size_share + correlation; }
};
Structure structure_of(HostTensor const& tensor);

struct LayoutCheck {
    std::string verdict;  ///< "confirmed", "suspect" or "undecided"
    Structure as_read;
    std::string best_other;  ///< the best other reading; empty: there is no other
    Structure as_best_other;
    /// The right names for the axes that were read as head, token and dim, in this order ("token head dim"), where
    /// other names are clearly better; the bytes are then in best_other's order of these names, with other lengths.
    std::string axes = {};
    /// The structure is less than half, and far from, that of the best other reading: figures measured on it would be
    /// meaningless.
    bool contradicted = false;
    /// Suspect for this reason alone: with the names of heads and channels exchanged it looks as good, and then has
    /// more channels than heads, as models do.
    bool more_heads_than_channels = false;
};

/// Compares the structure as read with other readings of the same bytes: any other order of head, token and dim,
/// exchanged names of the axes, or axes (head, token) swapped while reading. `suspect` where another reading has
/// clearly more structure, `confirmed` where every other has clearly less, `undecided` where the values do not tell
/// (plain noise, or too few). Padding and heads that repeat the one before are ignored.
LayoutCheck check_layout(HostTensor const& tensor);

/// The right text of a layout (layout.hpp), from `axes` of its check; empty where it is not known.
std::string renamed_layout(std::string const& layout, std::string const& axes);

}  // namespace kvstone
