// Compiled as the codecs are: compilers define a macro for every instruction set they may use.

#include "results/record/processor.hpp"
#include "results/record/processor_features.hpp"

namespace kvstone {
namespace {

// A macro that is not defined stays its own name; one that is, is 1.
#define KVSTONE_TEXT_OF(value) #value
#define KVSTONE_BIT(name, macro, ...) (KVSTONE_TEXT_OF(macro)[0] == '1'),
constexpr bool used[] = {KVSTONE_PROCESSOR_FEATURES(KVSTONE_BIT) false};
#undef KVSTONE_BIT
#undef KVSTONE_TEXT_OF

constexpr ProcessorFeatures bits() {
    ProcessorFeatures features = 0;
    for (unsigned i = 0; i < sizeof used / sizeof used[0]; ++i)
        if (used[i]) features |= ProcessorFeatures{1} << i;
    return features;
}

}  // namespace

constinit ProcessorFeatures const built_for = bits();

}  // namespace kvstone
