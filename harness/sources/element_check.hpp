#pragma once
// A check of whether an array's elements have the type they are read as, judged by the sizes of their values.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace kvstone {

struct ElementCheck {
    /// Binades (powers of two) between the quartiles of |x|, of the finite values other than 0; 1.85 for normal values.
    /// NaN where there are too few values.
    double spread = 0;
    std::string likely;    ///< a more likely type of the bytes; empty: the present one is plausible
    std::string evidence;  ///< the figures behind `likely`, where that is given
};

/// Reads the bytes of an array of "f32 f16 bf16 i8 f8_e4m3" (other types are not judged), a sample of 65,536 elements
/// where there are more. It tells f16 from bf16, either from f32 (which has half as many elements), and signed bytes
/// from 8-bit floats. It reports only clear cases: sizes that spread over 8 binades and more, as values of both signs
/// that are never small, or one of two neighbours being noise.
ElementCheck check_elements(std::span<std::byte const> bytes, std::string_view dtype);

}  // namespace kvstone
