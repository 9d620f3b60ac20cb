#pragma once

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Puts the queries of each K head, those of its group one behind the other, behind the head's keys: k and k_prerope become f32
/// of tokens x (1 + query heads of a K head) tokens. Queries are taken after RoPE for k, and as they were before it for
/// k_prerope, which is dropped where it is not known how they were rotated. Throws ConfigError where there are no queries, or
/// not one a token and query head.
void add_queries(KvTensors& tensors);

}  // namespace kvstone
