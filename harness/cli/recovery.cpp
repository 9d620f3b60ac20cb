#include "harness/cli/recovery.hpp"

#include <map>

#include <fmt/format.h>

#include "cluster/spool.hpp"

namespace kvstone {

void recover_spools(Store& store, std::string const& folder, std::function<void(std::string const&)> const& notice) {
    collect_spools(folder, [&](std::string const& path, SpoolContent const& content) {
        std::map<std::string, std::vector<Measurement>> by_campaign;
        for (auto const& [campaign, measurement] : content.attempts) by_campaign[campaign].push_back(measurement);
        std::size_t stored = 0;
        bool all_known = true;
        for (auto const& [campaign, measurements] : by_campaign) {
            auto const recovered = store.recover(campaign, measurements);
            stored += recovered.value_or(0);
            if (recovered) continue;
            all_known = false;
            notice(fmt::format("{}: the database has no campaign {}: kept there", path, campaign));
        }
        for (auto const& text : content.notices) notice(fmt::format("{}: {}", path, text));
        if (stored > 0)
            notice(fmt::format("{}: {} attempts that an earlier run had not stored are stored", path, stored));
        return all_known;
    });
}

}  // namespace kvstone
