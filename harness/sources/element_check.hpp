#pragma once
// Whether an array's elements are of the type they are read as, judged by the sizes of their values.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kvstone {

struct ElementCheck {
    /// Binades (powers of two) between the quartiles of |x|, of the finite values other than 0; 1.85 for normal values. NaN
    /// where there are too few to tell.
    double spread = 0;
    std::string likely;  ///< the type that the bytes look like instead; empty: nothing speaks against the one they have
    std::string evidence;  ///< the figures it rests on, where `likely` is said
};

/// Looks at the bytes of an array of "f32 f16 bf16 i8 f8_e4m3" (of other types it says nothing), a sample of 65,536
/// elements where there are more. Told apart are f16 and bf16, either and f32 (which has half as many elements), and
/// signed bytes from 8-bit floats. It says so only where the values could hardly be any: sizes that spread over 8 binades
/// and more, as values of both signs that are never small, or one of two neighbours being noise.
ElementCheck check_elements(std::span<std::byte const> bytes, std::string_view dtype);

}  // namespace kvstone
