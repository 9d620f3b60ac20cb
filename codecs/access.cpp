#include "codecs/access.hpp"

#include "codecs/from_outside.hpp"
#include "codecs/registry.hpp"

namespace kvstone {

CodecNeeds needs_of(StageText const& stage) {
    auto const info = under_options(stage_named(stage.name).info, stage.options);
    return {info.needs_positions, info.mixes_heads, info.mixes_layers, info.fixed_rate, info.calibrated};
}

std::uint64_t page_tokens_of(StageText const& stage) {
    auto const& entry = stage_named(stage.name);
    if (entry.kind == StageKind::entropy || entry.kind == StageKind::selector) return 0;
    Section section;
    section.shape = {1, 1, 4096, 128};
    Options const options(stage.name, entry.info.options, {stage.options.begin(), stage.options.end()});
    return entry.kind == StageKind::transform ? entry.make_transform(options)->page_tokens(section)
                                              : entry.make_quantiser(options)->page_tokens(section);
}

bool codes_by_token(StageText const& stage) {
    auto const access = stage.options.find("access");
    return page_tokens_of(stage) == 1 ||
           (is_from_outside(stage.name) && access != stage.options.end() && access->second == "token");
}

std::optional<StageText> whole_tensor_stage(Codec const& codec) {
    if (codec.selection()) return codec.selection();
    for (auto const& rule : codec.rules()) {
        if (rule.selector.window_tokens) continue;
        for (auto const& stage : rule.pipeline)
            if (page_tokens_of(stage) == 0) return stage;
    }
    return std::nullopt;
}

NotApplicable drops_tokens(StageText const& selection) {
    return NotApplicable("drops tokens of K and V together, and a tensor by itself cannot lose them", selection.name,
                         {"the codec behind it alone"});
}

}  // namespace kvstone
