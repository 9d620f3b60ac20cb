#pragma once
// Codecs in Python, as definitions of a scenario.

#include <cstdlib>
#include <string>
#include <vector>

#include "scenarios/content_hash.hpp"
#include "scenarios/external_definition.hpp"
#include "tests/places.hpp"

namespace kvstone {

/// A Python that has the module: KVSTONE_TEST_PYTHON or python3; empty: neither has.
inline std::string python_with(std::string const& module) {
    char const* const named = std::getenv("KVSTONE_TEST_PYTHON");
    for (auto const& python : {std::string(named != nullptr ? named : ""), std::string("python3")})
        if (!python.empty() && std::system((python + " -c 'import " + module + "' 2>/dev/null").c_str()) == 0)
            return python;
    return {};
}

inline ExternalDefinition python_codec(std::string const& python, std::string const& folder, std::string const& file) {
    ExternalDefinition definition;
    definition.name = "mine";
    definition.kind = "command";
    definition.folder = source_folder() + "/" + folder;
    definition.command = {python, file};
    auto const path = definition.folder + "/" + file;
    definition.files = {{file, path, content_hash(path)}};
    return definition;
}

/// The codec of external/codec.py.
inline ExternalDefinition codec_py(std::vector<std::string> const& arguments) {
    auto definition = python_codec("python3", "tests/harness/external", "codec.py");
    definition.command.insert(definition.command.end(), arguments.begin(), arguments.end());
    return definition;
}

}  // namespace kvstone
