#include "codecs/external/external_codec.hpp"

#include <utility>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

ExternalCodecs& provider() {
    static ExternalCodecs set;
    return set;
}

}  // namespace

void set_external_codecs(ExternalCodecs codecs) { provider() = std::move(codecs); }

std::shared_ptr<ExternalCodec> external_codec(std::string const& name, std::string const& hash) {
    if (!provider()) throw ConfigError("only an attempt runs codecs of a scenario's `codecs:`", name);
    return provider()(name, hash);
}

}  // namespace kvstone
