#include <fmt/format.h>

#include "results/record/build.hpp"

namespace kvstone {

std::string build_name(std::string const& git_sha, std::string const& source_hash) {
    constexpr std::string_view dirty = "-dirty";
    bool const edited = git_sha.ends_with(dirty);
    auto name = git_sha.substr(0, git_sha.size() - (edited ? dirty.size() : 0)).substr(0, 12);
    if (edited) name += dirty;
    if (!source_hash.empty() && (edited || git_sha == "unknown")) name += "-" + source_hash.substr(0, 8);
    return name;
}

std::string build_name_sql(std::string_view build) {
    return fmt::format(
        "substr(replace({0}.git_sha, '-dirty', ''), 1, 12) || iif({0}.git_sha LIKE '%-dirty', '-dirty', '') || "
        "iif({0}.source_hash <> '' AND ({0}.git_sha LIKE '%-dirty' OR {0}.git_sha = 'unknown'), '-' || "
        "substr({0}.source_hash, 1, 8), '')",
        build);
}

std::string campaign_build_sql(std::string_view uid) {
    return fmt::format(
        "(SELECT {} FROM campaign of_uid JOIN build made_by ON made_by.id = of_uid.build WHERE of_uid.uid = {})",
        build_name_sql("made_by"), uid);
}

}  // namespace kvstone
