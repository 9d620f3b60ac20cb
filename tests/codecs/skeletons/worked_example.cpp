// example-int4: every value as a signed integer of four bits, with a scale for each vector.
//
// Purpose    an example of a whole quantiser: a scale a vector, codes of less than a byte, bounds.
// Source     round to nearest, symmetric, as `int:bits=4,axis=token` does it.
// Planes     payload: codes of 4 bits, two a byte, the first in the low half; each vector from a byte of its own, in
//            [layer, head, token] order
//            scales:  one f32 a vector, the largest finite magnitude (at least 2^-100) / 7
// Example    (7, -3.6, 0, 1): scale 1, codes 15, 4, 8, 9 (value + 8): payload 4f 98, scales 00 00 80 3f
// Error      half the scale.
// NaN, Inf, denormals: NaN becomes 0, Inf the largest finite magnitude of its vector with its sign; denormals become 0.

#include "codecs/kernels/vector_quantiser.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

struct ExampleInt4 : VectorQuantiser<ExampleInt4> {
    static StageInfo info() {
        StageInfo info;
        info.name = "example-int4";
        info.summary = "integers of four bits, a scale a vector";
        info.non_finite = NonFinite::saturated;
        info.examples = {"example-int4", "example-int4 | zstd"};
        info.side_bits = {0.5, "a scale of 32 bits for 64 values"};
        return info;
    }
    explicit ExampleInt4(Options const&) {}

    static constexpr unsigned bits = 4;
    // What is stored for a vector: here the step between two integers, so that the largest magnitude is 7 steps.
    KOKKOS_INLINE_FUNCTION float scale_of(float largest) const { return largest / 7; }
    // A value in steps as a code, and a code in steps. Integers are the default; your code takes their place.
    KOKKOS_INLINE_FUNCTION unsigned code(float x) const {
        return static_cast<unsigned>(static_cast<int>(Kokkos::rint(Kokkos::fmax(-7.0F, Kokkos::fmin(7.0F, x)))) + 8);
    }
    KOKKOS_INLINE_FUNCTION float level(unsigned code) const { return static_cast<float>(code) - 8; }
};

static Register<ExampleInt4> const registered;

}  // namespace kvstone
