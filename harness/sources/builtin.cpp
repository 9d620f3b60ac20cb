#include "harness/sources/builtin.hpp"

#include <map>

#include "scenarios/own_program.hpp"

namespace kvstone {

std::string builtin_path(std::string const& name) {
    static std::map<std::string, std::string> const files{
        {"tiny", "models/tiny.gguf"},   {"tiny-q8_0", "models/tiny-q8_0.gguf"}, {"tiny-q4_0", "models/tiny-q4_0.gguf"},
        {"builtin", "models/text.txt"}, {"words", "models/words.json"},         {"library", "scenarios"},
        {"data", "data.txt"},           {"known_models", "known_models.txt"},   {"python", "python"}};
    auto const found = files.find(name);
    return found == files.end() ? std::string() : shipped_file(found->second).string();
}

}  // namespace kvstone
