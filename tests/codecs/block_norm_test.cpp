// Pages of blocks with kept values: what vector units store and give back is what plain loops do.

#include "codecs/kernels/block_norm.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/codecs/stored.hpp"
#include "tests/each_target.hpp"

namespace kvstone {
namespace {

struct NormCut {
    std::uint64_t dim;
    std::uint64_t size;
    std::uint64_t kept;
    std::uint64_t tail_kept;
    unsigned bits;
};

class BlockNormPages : public testing::TestWithParam<NormCut> {};

/// Three planes with room for a page, all bytes the same before.
struct NormPlanes {
    std::vector<std::byte> bytes[3];
    explicit NormPlanes(std::uint64_t values) {
        for (auto& plane : bytes) plane.assign(2 * values + 64, std::byte{0x5a});
    }
    std::array<std::byte*, 3> to() { return {bytes[0].data(), bytes[1].data(), bytes[2].data()}; }
    std::array<std::byte const*, 3> from() const { return {bytes[0].data(), bytes[1].data(), bytes[2].data()}; }
};

template <class Code>
void compare(NormCut const& cut) {
    constexpr std::uint64_t tokens = 9;
    BlockNorm<Code> const operation{{cut.bits, true, ScaleFormat::fp16}, cut.size, cut.kept, cut.tail_kept};
    auto values = normal_values(tokens * cut.dim, cut.bits);
    values[0] = NAN;
    values[cut.dim] = INFINITY;
    values[2 * cut.dim + 1] = -INFINITY;
    for (std::uint64_t c = 0; c < cut.dim; ++c) {
        values[3 * cut.dim + c] = 2;
        values[4 * cut.dim + c] = c % 2 == 0 ? 0.0F : -0.0F;
        values[5 * cut.dim + c] *= 1e30F;
        values[6 * cut.dim + c] *= 1e-41F;
        values[7 * cut.dim + c] = std::round(4 * values[7 * cut.dim + c]);
    }
    Page<float const> const page{values.data(), cut.dim, tokens, cut.dim, 0, 0, 0};
    NormPlanes plain(values.size());
    operation(page, plain.to());
    std::vector<float> plain_back(values.size() + 1, 7);
    operation(plain.from(), Page<float>{plain_back.data(), cut.dim, tokens, cut.dim, 0, 0, 0});
    NormPlanes own(values.size());
    operation.encode_page(page, own.to());
    for (int p = 0; p < 3; ++p) EXPECT_EQ(own.bytes[p], plain.bytes[p]) << "plane " << p;
    std::vector<float> back(values.size() + 1, 7);
    operation.decode_page(own.from(), Page<float>{back.data(), cut.dim, tokens, cut.dim, 0, 0, 0});
    EXPECT_EQ(std::memcmp(back.data(), plain_back.data(), back.size() * sizeof(float)), 0);
    // Indices that nothing wrote: each value is written once, within the page.
    for (auto& byte : own.bytes[2]) byte = static_cast<std::byte>(std::to_integer<unsigned>(byte) * 167U + 13U);
    operation(own.from(), Page<float>{plain_back.data(), cut.dim, tokens, cut.dim, 0, 0, 0});
    operation.decode_page(own.from(), Page<float>{back.data(), cut.dim, tokens, cut.dim, 0, 0, 0});
    EXPECT_EQ(std::memcmp(back.data(), plain_back.data(), back.size() * sizeof(float)), 0);
}

TEST_P(BlockNormPages, AreThoseOfPlainLoopsOnEveryTarget) {
    on_each_target([] { with_code_type(GetParam().bits, []<class Code>(Code) { compare<Code>(GetParam()); }); });
}

INSTANTIATE_TEST_SUITE_P(Cuts, BlockNormPages,
                         testing::Values(NormCut{128, 128, 3, 0, 10}, NormCut{128, 128, 3, 0, 8},
                                         NormCut{80, 32, 2, 1, 4}, NormCut{300, 256, 64, 11, 3},
                                         NormCut{64, 64, 0, 0, 12}, NormCut{24, 4, 1, 0, 2}, NormCut{256, 256, 6, 0, 9},
                                         NormCut{17, 16, 3, 0, 11}));

}  // namespace
}  // namespace kvstone
