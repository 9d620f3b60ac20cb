// Undone RoPE against its definition in long double.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/error_bounds.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

/// Keys before RoPE, values packed, of the first head's tokens and all others alike.
std::vector<float> reference(std::vector<float> const& values, KvShape const& shape, Rope const& rope,
                             std::uint64_t first_token = 0) {
    auto result = values;
    auto const pairs = rope.dims / 2;
    for (std::uint64_t vector = 0; vector < shape.vectors(); ++vector) {
        auto const position = static_cast<long double>(vector % shape.tokens + first_token);
        for (std::uint64_t i = 0; i < pairs; ++i) {
            auto frequency = static_cast<long double>(rope.scale) *
                             std::pow(static_cast<long double>(rope.base),
                                      -2.0L * static_cast<long double>(i) / static_cast<long double>(rope.dims));
            if (!rope.frequency_factors.empty()) frequency /= rope.frequency_factors[i];
            auto const first = vector * shape.dim + (rope.interleaved ? 2 * i : i);
            auto const second = first + (rope.interleaved ? 1 : pairs);
            auto const cosine = std::cos(position * frequency);
            auto const sine = std::sin(position * frequency);
            result[first] = static_cast<float>(values[first] * cosine + values[second] * sine);
            result[second] = static_cast<float>(values[second] * cosine - values[first] * sine);
        }
    }
    return result;
}

double furthest(std::vector<float> const& ours, std::vector<float> const& expected) {
    double worst = 0;
    for (std::size_t i = 0; i < ours.size(); ++i) worst = std::max(worst, std::fabs(double{ours[i]} - expected[i]));
    return worst;
}

std::vector<float> floats_of(std::vector<std::byte> const& bytes) {
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

/// The tensor that `text` passes to `raw`, with RoPE known.
std::vector<float> unroped(std::string const& text, KvShape const& shape, std::vector<float> const& values,
                           Rope const* rope) {
    TestTensor const tensor(shape, ElementType::f32, values);
    TensorCodec codec(Codec::parse(text), Component::k, shape, ElementType::f32, BackendKind::openmp, rope);
    codec.encode(tensor.view());
    auto const container = codec.seal();
    auto const plane = read_container(container).planes.back();
    return floats_of({plane.data, plane.data + plane.bytes});
}

TEST(Unrope, WorkedExample) {
    auto const planes = planes_of("k{unrope:base=100 | raw} v{raw}", {1, 1, 2, 4}, {1, 0, 0, 0, 1, 0, 0, 0});
    ASSERT_EQ(planes.size(), 2U);
    EXPECT_EQ(planes[0], bytes_of({4,    0,    0,    0,    0,    0,    0,    0,     //
                                   0,    0,    0,    0,    0,    0,    0xf0, 0x3f,  //
                                   0x9a, 0x99, 0x99, 0x99, 0x99, 0x99, 0xb9, 0x3f}));
    EXPECT_EQ(planes[1], bytes_of({0,    0,    0x80, 0x3f, 0, 0, 0, 0, 0,    0,    0,    0,    0, 0, 0, 0,  //
                                   0x40, 0x51, 0x0a, 0x3f, 0, 0, 0, 0, 0xa4, 0x6a, 0x57, 0xbf, 0, 0, 0, 0}));
}

TEST(Unrope, IsItsDefinition) {
    KvShape const shape{2, 3, 300, 96};
    auto const values = test_values(shape);
    Rope rope{.base = 5e5, .dims = 96, .interleaved = false, .scale = 1, .frequency_factors = {}};
    // Values reach 50; f32 holds them to 2e-6.
    auto const tolerance = 1e-5;
    auto const ours = unroped("k{unrope:base=500000 | raw} v{raw}", shape, values, nullptr);
    EXPECT_LT(furthest(ours, reference(values, shape, rope)), tolerance);
    EXPECT_GT(furthest(ours, reference(values, shape, rope, 1)), tolerance) << "positions from 1 on";
    auto other = rope;
    other.base = 500001;
    EXPECT_GT(furthest(ours, reference(values, shape, other)), tolerance) << "a base a little off";

    rope.interleaved = true;
    rope.dims = 64;
    auto const part = unroped("k{unrope:base=500000,dims=64,pairs=interleaved | raw} v{raw}", shape, values, nullptr);
    EXPECT_LT(furthest(part, reference(values, shape, rope)), tolerance);
    EXPECT_GT(furthest(part, ours), 1);
}

TEST(Unrope, TakesTheTensorsOwnParameters) {
    KvShape const shape{1, 2, 200, 16};
    auto const values = test_values(shape);
    Rope const rope{.base = 1e4, .dims = 8, .interleaved = true, .scale = 0.25, .frequency_factors = {1, 1.5, 4, 8}};
    auto const ours = unroped("k{unrope | raw} v{raw}", shape, values, &rope);
    EXPECT_LT(furthest(ours, reference(values, shape, rope)), 1e-5);
    for (auto const member : {0, 1, 2}) {
        auto wrong = rope;
        if (member == 0) wrong.scale = 0.2501;
        if (member == 1) wrong.frequency_factors[3] = 8.01;
        if (member == 2) wrong.frequency_factors.clear();
        EXPECT_GT(furthest(ours, reference(values, shape, wrong)), 1e-5) << member;
    }
}

TEST(Unrope, LongContextsKeepTheirAngles) {
    KvShape const shape{1, 1, 131072, 2};
    std::vector<float> values(shape.values());
    for (std::size_t i = 0; i < values.size(); i += 2) values[i] = 1;
    Rope const rope{.base = 1e4, .dims = 2, .interleaved = false, .scale = 1, .frequency_factors = {}};
    auto const ours = unroped("k{unrope:base=10000 | raw} v{raw}", shape, values, nullptr);
    EXPECT_LT(furthest(ours, reference(values, shape, rope)), 1.5e-7);
    // An angle in f32 is wrong by 2^-8 there.
    auto const position = 131071.0F * 1.0000001F;
    EXPECT_GT(std::fabs(std::cos(static_cast<double>(position)) - std::cos(131071.0)), 1.5e-7);
}

TEST(Unrope, PositionsCountFromTheTensorsFirstToken) {
    KvShape const shape{1, 2, 150, 32};
    auto const values = test_values(shape);
    Rope const rope{.base = 1e4, .dims = 32, .interleaved = false, .scale = 1, .frequency_factors = {}};
    auto const cut = unroped("sink(70){fp16} k{unrope | raw} v{raw}", shape, values, &rope);
    auto const whole = unroped("k{unrope | raw} v{raw}", shape, values, &rope);
    ASSERT_EQ(cut.size(), 2U * 80 * 32);
    for (std::size_t head = 0; head < 2; ++head) {
        for (std::size_t i = 0; i < 80 * 32; ++i) {
            ASSERT_EQ(cut[head * 80 * 32 + i], whole[(head * 150 + 70) * 32 + i]) << "bit by bit";
        }
    }
}

TEST(Unrope, ContainersDecodeWithoutTheSource) {
    KvShape const shape{2, 2, 90, 24};
    auto const values = test_values(shape);
    Rope const rope{.base = 2e4,
                    .dims = 20,
                    .interleaved = false,
                    .scale = 0.5,
                    .frequency_factors = {1, 1, 1, 1, 2, 2, 2, 4, 4, 4}};
    TestTensor const tensor(shape, ElementType::f32, values);
    auto const text = Codec::parse("k{unrope | raw} v{raw}");
    TensorCodec codec(text, Component::k, shape, ElementType::f32, BackendKind::openmp, &rope);
    codec.encode(tensor.view());
    auto const result = floats_of(decode_container(codec.seal()));
    auto const bounds = declared_error_bounds(text, Component::k, shape, ElementType::f32, values, &rope);
    std::size_t beyond = 0;
    std::size_t mutant_beyond = 0;
    auto const mutant = reference(unroped("k{unrope | raw} v{raw}", shape, values, &rope), shape,
                                  Rope{.base = 2e4,
                                       .dims = 20,
                                       .interleaved = false,
                                       .scale = -0.5001,
                                       .frequency_factors = rope.frequency_factors});
    for (std::size_t i = 0; i < values.size(); ++i) {
        beyond += std::fabs(double{result[i]} - values[i]) <= bounds[i] ? 0 : 1;
        mutant_beyond += std::fabs(double{mutant[i]} - values[i]) <= bounds[i] ? 0 : 1;
    }
    EXPECT_EQ(beyond, 0U);
    EXPECT_GT(mutant_beyond, values.size() / 4) << "rotated back by angles a little off";
}

template <class Action>
std::string refusal(Action const& action) {
    try {
        action();
    } catch (ConfigError const& error) {
        return error.what();
    }
    return "accepted";
}

TEST(Unrope, SaysWhatItNeeds) {
    KvShape const shape{1, 1, 4, 16};
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    EXPECT_THAT(refusal([&] { encoded("k{unrope | int8} v{int8}", tensor); }), testing::HasSubstr("unrope:base="));
    EXPECT_THAT(refusal([&] { encoded("unrope:base=10000 | int8", tensor, Component::v); }),
                testing::HasSubstr("k{unrope"));
    EXPECT_THAT(refusal([&] { encoded("unrope:base=0.5 | int8", tensor); }), testing::HasSubstr("base=0.5"));
    EXPECT_THAT(refusal([&] { encoded("unrope:base=10000,dims=5 | int8", tensor); }), testing::HasSubstr("dims=5"));
    EXPECT_THAT(refusal([&] { encoded("unrope:base=10000,dims=32 | int8", tensor); }), testing::HasSubstr("16"));
    EXPECT_THAT(refusal([&] { encoded("unrope:pairs=interleaved | int8", tensor); }), testing::HasSubstr("base"));
    Rope const rope{.base = 1e4, .dims = 16, .interleaved = true, .scale = 1, .frequency_factors = {1, 2}};
    EXPECT_THAT(refusal([&] { unroped("unrope | raw", shape, test_values(shape), &rope); }),
                testing::HasSubstr("does not fit"));
}

TEST(Unrope, RefusesChannelsThatAreNotThere) {
    KvShape const shape{1, 1, 4, 16};
    auto container = encoded("unrope:base=10000 | raw", TestTensor(shape, ElementType::f32, test_values(shape))).seal();
    auto const at = static_cast<std::size_t>(read_container(container).planes[0].data - container.data());
    for (auto const [place, value] : {std::pair{0, 15}, std::pair{0, 18}, std::pair{1, 1}, std::pair{4, 2}}) {
        auto altered = container;
        altered[at + static_cast<std::size_t>(place)] = static_cast<std::byte>(value);
        reseal_container(altered);
        EXPECT_THROW(decode_container(altered), CorruptData) << place << ' ' << value;
    }
}

}  // namespace
}  // namespace kvstone
