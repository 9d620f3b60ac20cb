// Pages coded by vectors against the generic form of the same kernels, bit for bit, on every target that there is.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "codecs/kernels/block_floats.hpp"
#include "codecs/kernels/ggml_blocks.hpp"
#include "codecs/kernels/lloyd_max.hpp"
#include "codecs/kernels/nf4_kernels.hpp"
#include "codecs/kernels/nf4_levels.hpp"
#include "codecs/kernels/nuq_kernels.hpp"
#include "codecs/kernels/vector_levels.hpp"
#include "tests/each_target.hpp"

namespace kvstone {
namespace {

constexpr int kinds = 8;

/// Plain values, some that are no numbers, ties of coarse grids, huge and tiny ones, zeros of both signs.
std::vector<float> values_of(std::uint64_t count, int kind, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    float const odd[] = {NAN, -NAN, INFINITY, -INFINITY, 0.0F, -0.0F, 1e-45F, 3.4e38F, -3.4e38F, 1e-38F};
    std::vector<float> values(count);
    for (auto& value : values) {
        value = normal(random);
        if (kind == 1 && random() % 13 == 0) value = odd[random() % std::size(odd)];
        if (kind == 2) value = std::nearbyint(value * 4) / 4;
        if (kind == 3) value *= 1e38F;
        if (kind == 4) value *= 1e-38F;
        if (kind == 5) value *= 1e-44F;
        if (kind == 6) value = random() % 2 == 0 ? 0.0F : -0.0F;
        if (kind == 7) value = (random() % 2 == 0 ? 0.25F : -0.25F) * static_cast<float>(random() % 30);
        if (kind != 1 && !std::isfinite(value)) value = 3.4e38F;
    }
    return values;
}

struct PageShape {
    std::uint64_t tokens;
    std::uint64_t dim;
    std::uint64_t stride;
};

constexpr PageShape shapes[] = {{1, 1, 1},      {16, 7, 10},     {5, 8, 8},        {16, 32, 32},
                                {3, 64, 80},    {16, 80, 80},    {5, 100, 103},    {16, 128, 128},
                                {16, 129, 129}, {2, 2000, 2000}, {16, 4096, 4096}, {1, 5001, 5001}};

/// What is restored besides what was coded: any bytes in all planes, or those of payload alone where scales may meet NaN with NaN,
/// of which the result has either.
enum class AnyBytes : std::uint8_t { of_all, of_payload };

/// bytes[p]: of a token in plane p.
template <std::size_t Planes, class Operation>
void expect_same(Operation const& operation, PageShape const& shape, std::array<std::uint64_t, Planes> const& bytes,
                 AnyBytes any = AnyBytes::of_all) {
    for (int kind = 0; kind < kinds; ++kind) {
        SCOPED_TRACE(testing::Message() << "dim " << shape.dim << " tokens " << shape.tokens << " kind " << kind);
        auto const values = values_of(shape.tokens * shape.stride, kind, static_cast<unsigned>(shape.dim));
        std::array<std::vector<std::byte>, Planes> expected;
        std::array<std::vector<std::byte>, Planes> ours;
        std::array<std::byte*, Planes> to_expected;
        std::array<std::byte*, Planes> to_ours;
        std::array<std::byte const*, Planes> from;
        for (std::size_t p = 0; p < Planes; ++p) {
            // What lies behind has to stay.
            expected[p].assign(shape.tokens * bytes[p] + 64, std::byte{0x5a});
            ours[p] = expected[p];
            to_expected[p] = expected[p].data();
            from[p] = expected[p].data();
            to_ours[p] = ours[p].data();
        }
        Page<float const> const page{values.data(), shape.stride, shape.tokens, shape.dim, 0, 0, 0};
        operation(page, to_expected);
        operation.encode_page(page, to_ours);
        ASSERT_EQ(ours, expected);
        for (int of_any_bytes = 0; of_any_bytes < 2; ++of_any_bytes) {
            std::mt19937 random(3);
            for (std::size_t p = 0; p < (any == AnyBytes::of_all ? Planes : 1); ++p) {
                for (auto& byte : expected[p]) {
                    byte = of_any_bytes != 0 ? static_cast<std::byte>(random() & 0xffU) : byte;
                }
            }
            auto const room = (shape.tokens * shape.stride + 31) / 16 * 16;
            std::vector<float> restored(room + 16, 7);
            std::vector<float> by_vectors(room + 16, 7);
            auto const in_line = reinterpret_cast<std::uintptr_t>(by_vectors.data()) / sizeof(float) % 16;
            auto* const first = by_vectors.data() + (16 - in_line) % 16;
            auto* const other = restored.data() + (16 - in_line) % 16;
            Page<float> target{first, shape.stride, shape.tokens, shape.dim, 0, 0, 0};
            target.streaming = shape.stride % 16 == 0;
            operation(from, Page<float>{other, shape.stride, shape.tokens, shape.dim, 0, 0, 0});
            operation.decode_page(from, target);
            finish_stores();
            ASSERT_EQ(std::memcmp(by_vectors.data(), restored.data(), by_vectors.size() * sizeof(float)), 0);
        }
    }
}

NormalFloat nf4_of(ScaleFormat format, std::uint64_t block, KvShape const& shape, float const* steps) {
    float thresholds[15];
    for (unsigned k = 0; k < 15; ++k) {
        thresholds[k] = static_cast<float>((double{nf4_level(k)} + double{nf4_level(k + 1)}) / 2);
    }
    NormalFloat made{{}, {thresholds, 15}, format, block, Superblocks(shape, block), steps};
    for (unsigned k = 0; k < 16; ++k) made.levels[k] = nf4_level(k);
    EXPECT_TRUE(made.bins.usable);
    return made;
}

TEST(LevelPages, Nf4IsTheSame) {
    on_each_target([] {
        for (auto const& shape : shapes) {
            for (std::uint64_t const block : {8U, 24U, 32U, 64U, 128U, 4096U}) {
                for (auto const format : {ScaleFormat::fp32, ScaleFormat::fp16, ScaleFormat::log8}) {
                    SCOPED_TRACE(testing::Message() << "block " << block);
                    auto const made = nf4_of(format, block, {1, 1, shape.tokens, shape.dim}, nullptr);
                    expect_same<2>(
                        made, shape,
                        {packed_bytes(shape.dim, 4), made.superblocks.blocks_of_vector * scale_bytes(format)});
                }
            }
        }
    });
}

TEST(LevelPages, Nf4WithCodedScalesIsRestoredTheSame) {
    on_each_target([] {
        for (PageShape const shape : {PageShape{16, 128, 128}, PageShape{16, 80, 80}, PageShape{3, 4096, 4096}}) {
            for (std::uint64_t const block : {8U, 24U, 64U}) {
                std::vector<float> const steps = values_of(4096, 0, 5);
                // The page lies across superblocks.
                KvShape const of{2, 3, 1000, shape.dim};
                auto const made = nf4_of(ScaleFormat::fp32, block, of, steps.data());
                std::vector<std::byte> payload(shape.tokens * packed_bytes(shape.dim, 4));
                std::vector<std::byte> codes(shape.tokens * made.superblocks.blocks_of_vector);
                std::mt19937 random(1);
                for (auto* const plane : {&payload, &codes}) {
                    for (auto& byte : *plane) byte = static_cast<std::byte>(random() & 0xffU);
                }
                std::vector<float> expected(shape.tokens * shape.dim);
                auto ours = expected;
                std::array<std::byte const*, 2> const from{payload.data(), codes.data()};
                std::uint64_t const token = made.superblocks.tokens * 2 > 9 ? made.superblocks.tokens * 2 - 9 : 0;
                made(from, Page<float>{expected.data(), shape.dim, shape.tokens, shape.dim, 0, 1, token});
                made.decode_page(from, Page<float>{ours.data(), shape.dim, shape.tokens, shape.dim, 0, 1, token});
                ASSERT_EQ(ours, expected) << "block " << block << " dim " << shape.dim;
            }
        }
    });
}

template <class Blocks>
void expect_same_blocks(Blocks const& blocks, AnyBytes any) {
    on_each_target([&] {
        for (auto const& shape : shapes) {
            expect_same<2>(blocks, shape, {packed_bytes(shape.dim, Blocks::bits), Blocks::of_vector(shape.dim)}, any);
        }
    });
}

TEST(LevelPages, SmallFloatsAreTheSame) {
    float const global = 0.37F;
    expect_same_blocks(BlockFloats<E2M1, PowerScale<E2M1>>{nullptr}, AnyBytes::of_all);
    expect_same_blocks(BlockFloats<E2M1, GlobalScale>{reinterpret_cast<std::byte const*>(&global)}, AnyBytes::of_all);
    expect_same_blocks(BlockFloats<E4M3, PowerScale<E4M3>>{nullptr}, AnyBytes::of_payload);
    expect_same_blocks(BlockFloats<E5M2, PowerScale<E5M2>>{nullptr}, AnyBytes::of_payload);
}

TEST(LevelPages, GgmlBlocksAreTheSame) {
    on_each_target([] {
        auto const check = []<class Blocks>(Blocks const& blocks) {
            for (auto const& shape : shapes) {
                expect_same<1>(blocks, shape, {Blocks::of_vector(shape.dim) * Blocks::bytes});
            }
        };
        check(GgmlBlocks<8, false>{});
        check(GgmlBlocks<4, false>{});
        check(GgmlBlocks<4, true>{});
        check(GgmlBlocks<5, false>{});
        check(GgmlBlocks<5, true>{});
    });
}

TEST(LevelPages, LloydMaxIsTheSame) {
    float const scale = 0.83F;
    for (unsigned bits = 1; bits <= 8; ++bits) {
        LevelBook const book(bits, lloyd_max_levels(bits));
        std::vector<std::byte> memory(book.bytes());
        auto const table = book.put(Kokkos::DefaultHostExecutionSpace(), memory.data());
        on_each_target([&] {
            SCOPED_TRACE(bits);
            for (auto const& shape : shapes) {
                auto const row = packed_bytes(shape.dim, bits);
                for (auto const norm : {LevelNorm::none, LevelNorm::matched, LevelNorm::eden}) {
                    VectorLevels const levels{table, norm, std::sqrt(static_cast<double>(shape.dim))};
                    expect_same<2>(levels, shape, {row, sizeof(Float16)});
                }
                expect_same<1>(TensorLevels{table, reinterpret_cast<std::byte const*>(&scale)}, shape, {row});
            }
        });
    }
}

/// Levels of one layer.
std::vector<NuqLevels> nuq_levels(unsigned bits) {
    std::mt19937 random(bits);
    std::vector<float> levels(std::size_t{1} << bits);
    for (auto& level : levels) level = static_cast<float>(random() % 2000) / 1000 - 1;
    std::ranges::sort(levels);
    std::vector<NuqLevels> made(1);
    made[0].set(bits, levels.data());
    return made;
}

TEST(LevelPages, NuqByTokenIsTheSame) {
    for (unsigned bits = 2; bits <= most_kmeans_bits; ++bits) {
        auto const levels = nuq_levels(bits);
        on_each_target([&] {
            SCOPED_TRACE(bits);
            for (auto const& shape : shapes) {
                expect_same<3>(NuqByToken{bits, levels.data()}, shape,
                               {packed_bytes(shape.dim, bits), sizeof(Float16), sizeof(Float16)}, AnyBytes::of_payload);
            }
        });
    }
}

TEST(LevelPages, NuqByChannelIsTheSame) {
    for (unsigned bits = 2; bits <= most_kmeans_bits; ++bits) {
        auto const levels = nuq_levels(bits);
        on_each_target([&] {
            SCOPED_TRACE(bits);
            for (auto const& shape : shapes) {
                auto const zeros = values_of(shape.dim, 0, 1);
                auto factors = values_of(shape.dim, 0, 2);
                factors[shape.dim / 2] = 0;
                NuqByChannel const by_channel{bits, levels.data(), zeros.data(), factors.data(), 1, 0};
                expect_same<1>(by_channel, shape, {packed_bytes(shape.dim, bits)});
            }
        });
    }
}

TEST(LevelBins, KeepThresholdsApart) {
    float const close[] = {-1, 0, 0.01F, 1};
    EXPECT_FALSE(LevelBins(close, 4).usable) << "two in one bin";
    float const far[] = {-1, -0.5F, 0, 0.1F, 1};
    EXPECT_TRUE(LevelBins(far, 5).usable);
    float const one[] = {3};
    EXPECT_TRUE(LevelBins(one, 1).usable);
    float const odd[] = {1, NAN};
    EXPECT_FALSE(LevelBins(odd, 2).usable);
}

}  // namespace
}  // namespace kvstone
