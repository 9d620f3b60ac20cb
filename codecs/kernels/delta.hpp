#pragma once
// Each element less (or xor) the one before it, and back: plain loops. Along tokens "before" is a row earlier, and loops
// over a row vectorise; along channels it is an element earlier, and decoding goes one by one.

#include <cstdint>

#include <Kokkos_Macros.hpp>

namespace kvstone {

/// The difference modulo 2^bits, the bits being those of `mask`.
template <class T>
struct DifferenceBySubtraction {
    T mask;
    KOKKOS_INLINE_FUNCTION T apart(T value, T before) const { return static_cast<T>((value - before) & mask); }
    KOKKOS_INLINE_FUNCTION T together(T difference, T before) const {
        return static_cast<T>((difference + before) & mask);
    }
};
template <class T>
struct DifferenceByXor {
    KOKKOS_INLINE_FUNCTION T apart(T value, T before) const { return static_cast<T>(value ^ before); }
    KOKKOS_INLINE_FUNCTION T together(T difference, T before) const { return static_cast<T>(difference ^ before); }
};

/// out = in less in, a row earlier, but for the first of `rows` rows, which is kept.
template <class T, class Difference>
inline void apart_along_tokens(T const* __restrict in, std::uint64_t rows, std::uint64_t row, Difference difference,
                               T* __restrict out) {
    for (std::uint64_t i = 0; i < row; ++i) out[i] = in[i];
    for (std::uint64_t i = row; i < rows * row; ++i) out[i] = difference.apart(in[i], in[i - row]);
}
template <class T, class Difference>
inline void together_along_tokens(T const* __restrict in, std::uint64_t rows, std::uint64_t row, Difference difference,
                                  T* out) {
    for (std::uint64_t i = 0; i < row; ++i) out[i] = in[i];
    for (std::uint64_t r = 1; r < rows; ++r) {
        T const* const before = out + (r - 1) * row;
        T* __restrict const now = out + r * row;
        for (std::uint64_t i = 0; i < row; ++i) now[i] = difference.together(in[r * row + i], before[i]);
    }
}

/// The same along each row, whose first element is kept.
template <class T, class Difference>
inline void apart_along_channels(T const* __restrict in, std::uint64_t rows, std::uint64_t row, Difference difference,
                                 T* __restrict out) {
    for (std::uint64_t first = 0; first < rows * row; first += row) {
        out[first] = in[first];
        for (auto i = first + 1; i < first + row; ++i) out[i] = difference.apart(in[i], in[i - 1]);
    }
}
template <class T, class Difference>
inline void together_along_channels(T const* __restrict in, std::uint64_t rows, std::uint64_t row,
                                    Difference difference, T* __restrict out) {
    for (std::uint64_t first = 0; first < rows * row; first += row) {
        T sum = 0;
        for (auto i = first; i < first + row; ++i) out[i] = sum = difference.together(in[i], sum);
    }
}

}  // namespace kvstone
