// Integer codes by vector units are those of the kernels for every processor, to the last bit, with each unit there is.

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "codecs/kernels/int_kernels.hpp"
#include "tests/each_target.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t room = 4096;  // behind pages, which kernels may ask for ahead of time

/// Normal numbers; every seventh part of eight values has something else in it.
std::vector<float> values_of(std::uint64_t count) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal(0.5F, 2);
    constexpr float inf = std::numeric_limits<float>::infinity();
    float const odd[] = {std::nanf("5"), inf, -inf, -std::nanf(""), -0.0F, 0x1p-149F, FLT_MAX, -FLT_MAX, 65520.0F};
    std::vector<float> values(count + room);
    for (std::uint64_t i = 0; i < values.size(); ++i) {
        values[i] = i / 8 % 7 == 3 && i % 8 > i / 56 % 8 ? odd[i / 56 % std::size(odd)] : normal(random);
    }
    return values;
}

template <std::size_t Planes>
struct Coded {
    explicit Coded(std::array<std::size_t, Planes> const& sizes) {
        for (std::size_t p = 0; p < Planes; ++p) planes[p].assign(sizes[p] + 1, std::byte{0xa5});
    }
    template <class Byte>
    std::array<Byte*, Planes> places() {
        std::array<Byte*, Planes> at;
        for (std::size_t p = 0; p < Planes; ++p) at[p] = planes[p].data();
        return at;
    }
    bool operator==(Coded const&) const = default;
    std::array<std::vector<std::byte>, Planes> planes;
};

struct Case {
    UniformGrid grid;
    std::uint64_t tokens, dim, stride;
    std::string text(std::uint64_t group) const {
        return fmt::format("{} bits, {}, format {}, {} tokens of {}, {} apart, group {}", grid.bits,
                           grid.symmetric ? "symmetric" : "asymmetric", static_cast<int>(grid.format), tokens, dim,
                           stride, group);
    }
};

/// Encodes and decodes a page with the call operator and with the host's functions.
template <std::size_t Planes, class Operation>
void expect_same(Operation const& operation, Case const& of, std::array<std::size_t, Planes> const& sizes,
                 std::vector<float> const& values, std::string const& text) {
    Page<float const> const page{values.data(), of.stride, of.tokens, of.dim, 0, 0, 0};
    Coded<Planes> expected(sizes);
    Coded<Planes> coded(sizes);
    operation(page, expected.template places<std::byte>());
    operation.encode_page(page, coded.template places<std::byte>());
    ASSERT_EQ(coded, expected) << text;
    for (bool const streaming : {false, true}) {
        if (streaming && of.stride % 16 != 0) continue;
        std::vector<float> memory(2 * (of.tokens * of.stride + 16), -7.0F);
        auto const lines = [&](float* from) {
            while (reinterpret_cast<std::uintptr_t>(from) % cache_line_bytes != 0) ++from;
            return from;
        };
        auto* const one = lines(memory.data());
        auto* const other = lines(one + of.tokens * of.stride);
        operation(expected.template places<std::byte const>(), Page<float>{one, of.stride, of.tokens, of.dim, 0, 0, 0});
        operation.decode_page(expected.template places<std::byte const>(),
                              Page<float>{other, of.stride, of.tokens, of.dim, 0, 0, 0, streaming});
        finish_stores();
        for (std::uint64_t i = 0; i < of.tokens * of.stride; ++i) {
            ASSERT_EQ(Kokkos::bit_cast<std::uint32_t>(one[i]), Kokkos::bit_cast<std::uint32_t>(other[i]))
                << text << (streaming ? ", streaming" : "") << ", value " << i;
        }
    }
}

template <class Action>
void for_cases(Action const& action) {
    for (unsigned bits = 1; bits <= 12; ++bits) {
        for (bool const symmetric : {false, true}) {
            if (symmetric && bits == 1) continue;
            for (auto const format : {ScaleFormat::fp16, ScaleFormat::fp32, ScaleFormat::log8}) {
                for (std::uint64_t const dim : {8, 40, 64, 96, 128, 320}) {
                    // Fewer combinations of what does not meet: formats of scales and shapes.
                    if (format != ScaleFormat::fp16 && dim != 128) continue;
                    action(Case{{bits, symmetric, format}, dim == 128 ? 9U : 3U, dim, dim == 64 ? dim + 16 : dim});
                }
            }
        }
    }
}

template <class Action>
void with_code(unsigned bits, Action const& action) {
    with_code_type(bits, action);
}

TEST(IntPages, TokenGroupsAreThoseOfTheKernels) {
    auto const values = values_of(9 * 512);
    on_each_target([&] {
        for_cases([&](Case const& of) {
            for (std::uint64_t const group : {8, 24, 32, 64, 128, 320}) {
                auto const size = std::min(group, of.dim);
                auto const groups = (of.dim + size - 1) / size * of.tokens;
                with_code(of.grid.bits, [&]<class Code>(Code) {
                    expect_same<3>(TokenGroups<Code>{of.grid, size}, of,
                                   {of.tokens * packed_bytes(of.dim, of.grid.bits),
                                    groups * scale_bytes(of.grid.format), groups * of.grid.zero_bytes_of_group()},
                                   values, of.text(size));
                });
                if (testing::Test::HasFatalFailure()) return;
            }
        });
    });
}

TEST(IntPages, ChannelGroupsAreThoseOfTheKernels) {
    auto const values = values_of(9 * 512);
    on_each_target([&] {
        for_cases([&](Case const& of) {
            with_code(of.grid.bits, [&]<class Code>(Code) {
                expect_same<3>(ChannelGroups<Code>{of.grid}, of,
                               {of.tokens * packed_bytes(of.dim, of.grid.bits), of.dim * scale_bytes(of.grid.format),
                                of.dim * of.grid.zero_bytes_of_group()},
                               values, of.text(0));
            });
        });
    });
}

TEST(IntPages, SharedStepsAreThoseOfTheKernels) {
    auto const values = values_of(9 * 512);
    for (float const scale : {0.25F, 0.0F, 3.0e4F}) {
        float const zero = -1.5F;
        std::byte scales[4];
        std::byte zeros[4];
        on_each_target([&] {
            for_cases([&](Case const& of) {
                float stored = scale;
                float origin = zero;
                store_scales(of.grid.format, &stored, 1, scales);
                store_zeros(of.grid.format, &origin, 1, zeros);
                with_code(of.grid.bits, [&]<class Code>(Code) {
                    expect_same<1>(SharedGroups<Code>{of.grid, scales, zeros, 0, 0}, of,
                                   {of.tokens * packed_bytes(of.dim, of.grid.bits)}, values,
                                   of.text(0) + fmt::format(", scale {}", scale));
                });
            });
        });
    }
}

}  // namespace
}  // namespace kvstone
