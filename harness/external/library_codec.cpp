#include "harness/external/external_codecs.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

std::shared_ptr<ExternalCodec> make_library_codec(ExternalDefinition const& definition) {
    throw ConfigError("this build loads no libraries", definition.library, {"command: [...]"});
}

}  // namespace kvstone
