#include "harness/workloads/model/engagement.hpp"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/workloads/model/model_session.hpp"
#include "harness/workloads/verify.hpp"

namespace kvstone {
namespace {

/// Why with protocol context most reads passed the codec by, and what would change that.
std::string why_passed_by(Measurement const& measurement, double read_fraction, std::uint64_t continuation) {
    auto context = value_of(measurement, "context_tokens");
    if (!context) context = value_of(measurement, "task_context_tokens");
    auto const share = value_of(measurement, "kept_share");
    if (!context) return {};
    auto const kept = share.value_or(1) * *context;
    auto text = share ? fmt::format(": {:.0f} of {:.0f} tokens of the context stay", kept, *context)
                      : fmt::format(": the context has {:.0f} tokens", *context);
    std::vector<std::string> accepted;
    if (continuation == 0) {
        text += ", and what follows it is read as it came";
    } else {
        text += fmt::format(", and the {} behind it are read as they came", continuation);
        if (auto const most = longest_engaged_continuation(read_fraction, kept, continuation); most > 0)
            accepted.push_back(fmt::format("continuation: {} or less", most));
    }
    accepted.emplace_back("a longer context");
    if (share) accepted.emplace_back("a larger share");
    return text + fmt::format("; accepted: {}", fmt::join(accepted, ", "));
}

}  // namespace

std::uint64_t longest_engaged_continuation(double read_fraction, double kept, std::uint64_t continuation) {
    if (continuation < 2) return 0;
    double inverses = 0;
    for (std::uint64_t j = 0; j + 1 < continuation; ++j) inverses += 1 / (kept + static_cast<double>(j) + 1);
    auto const coded = read_fraction * static_cast<double>(continuation - 1) / inverses;
    // The mean falls with every token.
    std::uint64_t most = 0;
    double sum = 0;
    for (std::uint64_t scored = 1; scored < continuation; ++scored) {
        sum += coded / (kept + static_cast<double>(scored));
        if (sum < engaged_fraction * static_cast<double>(scored)) break;
        most = scored + 1;
    }
    return most;
}

void warn_unless_engaged(Measurement& measurement, Protocol protocol, std::uint64_t continuation) {
    auto const read = value_of(measurement, "compressed_read_fraction").value_or(0);
    if (read >= engaged_fraction) return;
    warn(measurement, fmt::format("not_engaged: {:.0f}% of the K and V read came through the codec{}", 100 * read,
                                  protocol == Protocol::context ? why_passed_by(measurement, read, continuation) : ""));
}

}  // namespace kvstone
