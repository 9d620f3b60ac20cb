#include "harness/external/external_codecs.hpp"

#include <map>

#include "scenarios/errors.hpp"

namespace kvstone {

CellCodecs::CellCodecs(Cell const& cell, std::optional<Deadline> deadline) {
    std::map<std::string, std::shared_ptr<ExternalCodec>> codecs;  // by name and hash, as codec text has them
    for (auto const& json : cell.locator.value("codecs", Json::array())) {
        auto const definition = external_definition_from_json(json);
        auto codec = definition.kind == "command"   ? make_command_codec(definition, deadline)
                     : definition.kind == "library" ? make_library_codec(definition, deadline)
                                                    : make_declared_codec(definition);
        // Of values that were decoded elsewhere nothing is proven here: they are other tensors' as soon as the input is.
        if (definition.kind != "declared") codec = with_spot_checks(std::move(codec), checks_);
        codecs[definition.name + ' ' + definition.hash()] = std::move(codec);
    }
    set_external_codecs([codecs = std::move(codecs)](std::string const& name, std::string const& hash) {
        auto const found = codecs.find(name + ' ' + hash);
        if (found == codecs.end())
            throw ConfigError("the cell does not say what this codec is: `codecs:` of its scenario does", name);
        return found->second;
    });
}

CellCodecs::~CellCodecs() { set_external_codecs({}); }

}  // namespace kvstone
