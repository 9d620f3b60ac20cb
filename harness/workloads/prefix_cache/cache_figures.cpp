#include "harness/workloads/prefix_cache/cache_figures.hpp"

namespace kvstone {

double share_of(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void add_hits(FigureWriter& figures, ReplayResult const& replayed) {
    auto const& blocks = replayed.blocks;
    figures.add_count("block_lookups", blocks.lookups);
    figures.add_count("block_hits", blocks.hits);
    figures.add("block_hit_rate", share_of(blocks.hits, blocks.lookups));
    figures.add_count("token_lookups", replayed.token_lookups);
    figures.add_count("token_hits", replayed.token_hits);
    figures.add("token_hit_rate", share_of(replayed.token_hits, replayed.token_lookups));
    figures.add_count("request_lookups", replayed.requests);
    figures.add_count("request_hits_any", replayed.request_hits_any);
    figures.add_count("request_hits_all", replayed.request_hits_all);
    figures.add("request_any_hit_rate", share_of(replayed.request_hits_any, replayed.requests));
    figures.add("request_all_hit_rate", share_of(replayed.request_hits_all, replayed.requests));
}

}  // namespace kvstone
