// Declared error bounds tell decoders that are a little wrong from right ones.

#include <bit>
#include <cmath>

#include <gtest/gtest.h>

#include "codecs/container/error_bounds.hpp"
#include "tests/codecs/conformance.hpp"

namespace kvstone {
namespace {

/// Decoders that are a little wrong: the declared bounds must tell each from the right one.
struct BoundMutant {
    std::string codec;
    std::string name;
    float (*decode)(float original, float range);
};

class BoundMutants : public testing::TestWithParam<BoundMutant> {};

TEST_P(BoundMutants, AreBeyondTheBound) {
    KvShape const shape{1, 1, 64, 64};
    auto const values = test_values(shape);
    float range = 0;
    for (auto const value : values) range = std::max(range, std::fabs(value));
    std::vector<float> wrong;
    for (auto const value : values) wrong.push_back(GetParam().decode(value, range));
    auto const bounds =
        declared_error_bounds(Codec::parse(GetParam().codec), Component::k, shape, ElementType::f32, values);
    EXPECT_NE(beyond_bounds(values, wrong, bounds), "");
}

std::string mutant_name(testing::TestParamInfo<BoundMutant> const& info) {
    return test_name_of(info.param.codec) + "_" + info.param.name;
}

INSTANTIATE_TEST_SUITE_P(
    All, BoundMutants,
    testing::Values(
        BoundMutant{"raw", "one_ulp", [](float x, float) { return std::nextafter(x, 0.0F); }},
        BoundMutant{"fp16", "truncated",
                    [](float x, float) {
                        auto const bits = std::bit_cast<std::uint32_t>(x) & ~std::uint32_t{0x1fff};
                        return std::bit_cast<float>(bits);
                    }},
        BoundMutant{"bf16", "truncated",
                    [](float x, float) {
                        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & ~std::uint32_t{0xffff});
                    }},
        BoundMutant{"fp8:format=e4m3", "truncated",
                    [](float x, float) {
                        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & ~std::uint32_t{0xfffff});
                    }},
        BoundMutant{"fp8:format=e4m3", "of_two_bits",
                    [](float x, float) {
                        auto const bits = std::bit_cast<std::uint32_t>(x);
                        return std::bit_cast<float>((bits + 0xfffff + (bits >> 21 & 1)) & ~std::uint32_t{0x1fffff});
                    }},
        BoundMutant{"fp8:format=e5m2", "truncated",
                    [](float x, float) {
                        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & ~std::uint32_t{0x1fffff});
                    }},
        BoundMutant{"fp8:format=e4m3,scale=tensor", "range_in_half",
                    [](float x, float range) { return std::fmax(std::fmin(x, range / 2), -range / 2); }},
        BoundMutant{"int8", "truncated",
                    [](float x, float range) { return std::trunc(x / (range / 127)) * (range / 127); }},
        BoundMutant{"int8", "scale_off_by_one_percent",
                    [](float x, float range) { return std::nearbyint(x / (range / 127)) * (range / 127) * 1.01F; }},
        BoundMutant{"int8", "range_over_128",
                    [](float x, float range) {
                        return std::fmin(std::nearbyint(x / (range / 128)), 127.0F) * (range / 128) *
                               (x > 0 ? 1.0F : 1.004F);
                    }},
        BoundMutant{"nf4", "smaller_by_a_fifth", [](float x, float) { return x * 0.8F; }},
        BoundMutant{"nf4:scale=fp32", "truncated",
                    [](float x, float range) { return std::trunc(x / range * 8) * range / 8; }},
        BoundMutant{"lloydmax:bits=4", "smaller_by_a_fifth", [](float x, float) { return x * 0.8F; }},
        BoundMutant{"lloydmax:bits=6,norm=eden", "smaller_by_a_tenth", [](float x, float) { return x * 0.9F; }},
        BoundMutant{"nuq:bits=4,axis=channel", "smaller_by_a_fifth", [](float x, float) { return x * 0.8F; }},
        BoundMutant{"exl3:bits=4", "zero", [](float, float) { return 0.0F; }},
        BoundMutant{"higgs:bits=4", "smaller_by_a_fifth", [](float x, float) { return x * 0.8F; }},
        BoundMutant{"cachegen:bins=32", "of_16_bins",
                    [](float x, float range) { return std::nearbyint(x / (range / 7)) * (range / 7); }},
        BoundMutant{"cq:channels=4,bits=8", "twice_the_range_away", [](float x, float range) { return x + 2 * range; }},
        BoundMutant{"qjl:sketch=4", "fifty_times_as_large", [](float x, float) { return x * 50; }},
        BoundMutant{"int8:scheme=asymmetric", "of_symmetric_steps",
                    [](float x, float range) { return std::floor(x / (range / 127)) * (range / 127); }}),
    mutant_name);

}  // namespace
}  // namespace kvstone
