#pragma once
// Whether a codec from outside keeps the rules of its interface, as far as this can be seen from outside: `check-codec`.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "codecs/external/external_codec.hpp"

namespace kvstone {

struct CodecCheck {
    enum class Result : std::uint8_t { pass, fail, fact };  ///< fact: no rule asks for either answer
    std::string name;
    Result result = Result::pass;
    std::string detail;  ///< of a failure its first case; of a fact the answer; of the first check a line on the codec
};

/// Makes the codec anew, in new processes, for which `threads` processors are allowed. Its requests have to be answered in a
/// time that the caller chose; every check has one of its own.
using CodecMaker = std::function<std::shared_ptr<ExternalCodec>(int threads)>;

/// Runs all checks; where the first one fails, because the codec does not start, the others are left out. Values are the same
/// in every run.
std::vector<CodecCheck> check_codec(CodecMaker const& make);

}  // namespace kvstone
