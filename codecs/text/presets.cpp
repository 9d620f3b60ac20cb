#include "codecs/text/presets.hpp"

#include <algorithm>
#include <array>

namespace kvstone {
namespace {

// Attention sinks (Xiao et al., "Efficient Streaming Language Models with Attention Sinks", ICLR 2024) and the recent
// window stay fp16 in all of them. balanced and aggressive are the settings of Liu et al., "KIVI", ICML 2024. The texts are
// frozen: cells are identified by what a preset stands for, and a better choice is a preset of another name.
constexpr std::array table{
    Preset{"conservative", "sink(4){fp16} window(128){fp16} rest{int:bits=8,axis=token,group=64}",
           "8 bits in groups of 64 channels of a token, about half of fp16"},
    Preset{"balanced",
           "sink(4){fp16} window(128){fp16} k{int:bits=4,scheme=asymmetric,axis=channel,group=32} "
           "v{int:bits=4,scheme=asymmetric,axis=token,group=32}",
           "4 bits, K per channel and V per token, about a third of fp16"},
    Preset{"aggressive",
           "sink(4){fp16} window(128){fp16} k{int:bits=2,scheme=asymmetric,axis=channel,group=32} "
           "v{int:bits=2,scheme=asymmetric,axis=token,group=32}",
           "2 bits, K per channel and V per token, about a fifth of fp16"},
};

}  // namespace

std::span<Preset const> presets() { return table; }

Preset const* find_preset(std::string_view name) {
    auto const found = std::ranges::find(table, name, &Preset::name);
    return found == table.end() ? nullptr : &*found;
}

}  // namespace kvstone
