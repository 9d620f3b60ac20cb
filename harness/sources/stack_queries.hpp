#pragma once

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Puts the queries of each K head, those of its group one behind the other, behind the head's keys: k and k_prerope
/// become f32 of tokens x (1 + query heads of a K head) tokens. k gets queries after RoPE, k_prerope queries before it;
/// k_prerope is dropped where the queries' rotation is not known. Throws ConfigError where there are no queries, or not
/// one per token and query head.
void add_queries(KvTensors& tensors);

}  // namespace kvstone
