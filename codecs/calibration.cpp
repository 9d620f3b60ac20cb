#include "codecs/calibration.hpp"

#include <utility>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

CalibrationReader& reader() {
    static CalibrationReader set;
    return set;
}

}  // namespace

std::string text_of(CalibrationGroups const& groups) {
    return fmt::format("over={}{}{}{}", groups.over, groups.layers > 1 ? fmt::format(",layers={}", groups.layers) : "",
                       groups.heads > 0 ? fmt::format(",heads={}", groups.heads) : "", groups.mean ? ",mean=yes" : "");
}

void set_calibration_reader(CalibrationReader set) { reader() = std::move(set); }

std::shared_ptr<Calibration const> read_calibration(std::string const& path) {
    if (!reader()) throw ConfigError("this program reads no bases of `kvstone calibrate`", path);
    return reader()(path);
}

void check_other_text(Codec const& codec, std::string const& text_sha256) {
    for (auto const& rule : codec.rules()) {
        for (auto const& stage : rule.pipeline) {
            auto const file = stage.options.find("bases");
            if (file == stage.options.end() || file->second == "none" || stage.options.at("own_text") == "yes")
                continue;
            if (read_calibration(file->second)->text_sha256 != text_sha256) continue;
            throw ConfigError(
                "these bases were fitted to this very text: their error on it says nothing of another text",
                file->second, {"bases of another text (kvstone calibrate ... --text FILE)", "own_text=yes"});
        }
    }
}

}  // namespace kvstone
