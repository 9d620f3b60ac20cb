#include "scenarios/errors.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kvstone {
namespace {

std::string describe(std::string const& message, std::string const& offending, std::vector<std::string> const& accepted,
                     TextPlace const& place) {
    std::string text;
    if (!place.file.empty()) text += place.file + ":";
    if (place.line > 0) text += fmt::format("{}:", place.line);
    if (place.line > 0 && place.column > 0) text += fmt::format("{}:", place.column);
    if (!text.empty()) text += " ";
    text += message;
    if (!offending.empty()) text += fmt::format(": '{}'", offending);
    if (!accepted.empty()) {
        text += fmt::format("; accepted: {}", fmt::join(accepted, ", "));
        auto const nearest = nearest_name(offending, accepted);
        if (!nearest.empty()) text += fmt::format(" (did you mean '{}'?)", nearest);
    }
    return text;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            std::size_t const substituted = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({row[j] + 1, diagonal + 1, substituted});
        }
    }
    return row.back();
}

}  // namespace

ConfigError::ConfigError(std::string message, std::string offending, std::vector<std::string> accepted, TextPlace place)
    : std::runtime_error(describe(message, offending, accepted, place)),
      message_(std::move(message)),
      offending_(std::move(offending)),
      accepted_(std::move(accepted)),
      place_(std::move(place)) {}

ConfigError ConfigError::at(TextPlace place) const {
    return ConfigError(message_, offending_, accepted_, std::move(place));
}

SystemError::SystemError(std::string const& what, int error_number)
    : std::runtime_error(what + ": " + std::strerror(error_number)) {}

std::string nearest_name(std::string_view offending, std::vector<std::string> const& accepted) {
    std::string nearest;
    std::size_t best = std::max<std::size_t>(2, offending.size() / 3) + 1;
    for (auto const& name : accepted) {
        auto const distance = edit_distance(offending, name);
        // Something must be shared; and an accepted name itself is a mistake of another kind.
        if (distance < best && distance < offending.size() && distance > 0) {
            best = distance;
            nearest = name;
        }
    }
    return nearest;
}

}  // namespace kvstone
