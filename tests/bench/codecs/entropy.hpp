#pragma once
// Entropy coders beside their peers: rates, and bits beside the entropy.

namespace kvstone::bench {

/// Measures on one thread for half a minute, and prints a table whose head entropy.cpp explains.
void print_entropy_coders();

}  // namespace kvstone::bench
