#include "cluster/transport.hpp"

#include <fmt/format.h>

namespace kvstone {

RankLost::RankLost(int lost_rank, std::string const& why)
    : SystemError(fmt::format("rank {} is lost: {}", lost_rank, why)), rank_(lost_rank) {}

}  // namespace kvstone
