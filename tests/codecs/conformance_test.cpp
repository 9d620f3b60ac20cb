// Promises of every registered stage, for each of its examples, over shapes, element types and layouts.

#include "tests/codecs/conformance.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/container.hpp"
#include "codecs/container/error_bounds.hpp"
#include "codecs/pipeline/pipeline.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::vector<KvShape> shapes() {
    std::vector<KvShape> all{{1, 1, 1, 1}, {1, 2, 0, 64}, {1, 1, 301, 128}};
    for (std::uint64_t const dim : {1, 64, 80, 96, 128, 256}) {
        all.push_back({2, 3, 1, dim});
        all.push_back({2, 3, 37, dim});
    }
    return all;
}

class Conformance : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, Conformance, testing::ValuesIn(conformance_examples()),
                         [](auto const& one) { return test_name_of(one.param); });

TEST_P(Conformance, DecodesWithinTheDeclaredBound) {
    auto const codec = Codec::parse(GetParam());
    for (auto const type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
        // Every shape as f32; the others only add a conversion.
        for (auto const& shape : type == ElementType::f32 ? shapes() : std::vector<KvShape>{{2, 3, 37, 80}}) {
            for (bool const strided : {false, true}) {
                TestTensor const tensor(shape, type, test_values(shape), strided);
                auto const original = tensor.values();
                auto const result = decoded(encoded(GetParam(), tensor), shape, type, !strided).values();
                auto const bounds = declared_error_bounds(codec, Component::k, shape, type, original);
                EXPECT_EQ(beyond_bounds(original, result, bounds), "")
                    << name_of(type) << ' ' << shape.tokens << " tokens of " << shape.dim;
                EXPECT_EQ(tensor.values(), original) << "encoding wrote to the tensor";
            }
        }
    }
}

TEST_P(Conformance, HoldsBoundsOnExtremeValues) {
    auto const codec = Codec::parse(GetParam());
    KvShape const shape{1, 1, 9, 64};
    for (float const scale : {1e-45F, 1e-41F, 1.2e-38F, 1e-20F, 0.0F, 1e4F, 65504.0F, 1e30F, 3.4028235e38F}) {
        std::vector<float> values(shape.values());
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = scale * (static_cast<float>(static_cast<int>(i % 17) - 8) / 8.0F);
        }
        for (float const sign : {0.0F, 1.0F, -1.0F}) {  // as they are, and all of one sign
            if (sign != 0) {
                for (auto& value : values) value = std::copysign(value, sign);
            }
            TestTensor const tensor(shape, ElementType::f32, values);
            auto const result = decoded(encoded(GetParam(), tensor), shape, ElementType::f32).values();
            auto const bounds = declared_error_bounds(codec, Component::k, shape, ElementType::f32, values);
            EXPECT_EQ(beyond_bounds(values, result, bounds), "") << scale << " sign " << sign;
        }
    }
}

TEST_P(Conformance, IsTheSameEachTimeAndInEveryLayout) {
    KvShape const shape{2, 3, 37, 80};
    auto const values = test_values(shape);
    for (auto const type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
        auto const container = encoded(GetParam(), TestTensor(shape, type, values)).seal();
        EXPECT_EQ(encoded(GetParam(), TestTensor(shape, type, values)).seal(), container);
        auto again = encoded(GetParam(), TestTensor(shape, type, values, true));
        EXPECT_EQ(again.seal(), container) << "strided";
        TestTensor const other(shape, type, test_values(shape, 2));
        encode(again, other);
        TestTensor const same(shape, type, values);
        encode(again, same);
        EXPECT_EQ(again.seal(), container) << "after another tensor";
    }
}

/// The stored planes of `tokens` tokens of a tensor from `first` on; planes that are the section's, once.
struct CodedPlanes {
    std::vector<std::vector<std::byte>> of_pages;
    std::vector<std::vector<std::byte>> of_section;
};

CodedPlanes code_tokens(Pipeline const& pipeline, TestTensor const& tensor, std::uint64_t first, std::uint64_t tokens) {
    auto const view = tensor.view();
    auto part = view.shape;
    part.tokens = tokens;
    SectionCodec codec(pipeline, {Component::k, view.type, 0, 0, first, part}, BackendKind::openmp);
    Scratch scratch(BackendKind::openmp);
    codec.encode(view.box(0, 0, first, part), scratch);
    CodedPlanes coded;
    for (std::size_t p = 0; p < codec.plane_count(); ++p) {
        auto const plane = codec.plane(p);
        EXPECT_FALSE(codec.plane_spec(p).variable) << "a page has always the same size";
        auto& planes = codec.plane_spec(p).once ? coded.of_section : coded.of_pages;
        planes.emplace_back(plane.data, plane.data + plane.bytes);
    }
    return coded;
}

// Streams rely on it.
TEST_P(Conformance, PagesAreCodedByThemselves) {
    constexpr std::uint64_t pages = 3;
    KvShape shape{2, 3, 0, 80};
    for (auto const& pipeline : pipelines_of(Codec::parse(GetParam()))) {
        for (auto const type : {ElementType::f32, ElementType::f16}) {
            auto const page = pipeline.page_tokens({Component::k, type, 0, 0, 0, shape});
            if (page == 0) continue;
            shape.tokens = pages * page;
            TestTensor const tensor(shape, type, test_values(shape));
            auto const all = code_tokens(pipeline, tensor, 0, pages * page);
            for (std::uint64_t n = 0; n < pages; ++n) {
                auto const one = code_tokens(pipeline, tensor, n * page, page);
                EXPECT_EQ(one.of_section, all.of_section);
                ASSERT_EQ(one.of_pages.size(), all.of_pages.size());
                for (std::size_t p = 0; p < all.of_pages.size(); ++p) {
                    ASSERT_EQ(all.of_pages[p].size(), pages * one.of_pages[p].size());
                    auto const bytes = one.of_pages[p].size() / (shape.layers * shape.heads);
                    for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
                        EXPECT_TRUE(
                            std::ranges::equal(std::span(all.of_pages[p]).subspan((head * pages + n) * bytes, bytes),
                                               std::span(one.of_pages[p]).subspan(head * bytes, bytes)))
                            << "plane " << p << " page " << n << " head " << head;
                    }
                }
            }
        }
    }
}

TEST_P(Conformance, ContainerDecodesOnItsOwn) {
    for (auto const type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
        for (KvShape const shape : {KvShape{2, 3, 37, 80}, KvShape{1, 1, 1, 1}, KvShape{2, 3, 0, 64}}) {
            TestTensor const tensor(shape, type, test_values(shape));
            auto const codec = encoded(GetParam(), tensor);
            auto const container = codec.seal();
            auto const expected = decoded(codec, shape, type).packed_bytes();
            EXPECT_EQ(decode_container(container), expected);

            TensorCodec loaded(Codec::parse(GetParam()), Component::k, shape, type, tested_backend());
            loaded.load(container);
            EXPECT_EQ(decoded(loaded, shape, type).packed_bytes(), expected);
            EXPECT_EQ(loaded.seal(), container);

            auto const info = inspect_container(container);
            EXPECT_EQ(info.codec, Codec::parse(GetParam()).text());
            EXPECT_EQ(info.shape, shape);
            EXPECT_EQ(info.type, type);
            EXPECT_EQ(info.ledger.stored_bytes(), container.size());
            EXPECT_EQ(codec.ledger().stored_bytes(), container.size());
        }
    }
}

TEST_P(Conformance, StoresLessThanF32) {
    KvShape const shape{2, 3, 128, 64};
    auto const codec = encoded(GetParam(), TestTensor(shape, ElementType::f32, test_values(shape)));
    auto const original = shape.values() * sizeof(float);
    bool const lossless = GetParam().find("raw") == 0 || GetParam().find("| raw") != std::string::npos;
    if (!lossless) {
        EXPECT_LT(codec.ledger().stored_bytes(), original);
    }
    // Side data of lossless ones is the header, the vectors of a transform and padding.
    EXPECT_LT(codec.ledger().stored_bytes(), original + 2048);
    EXPECT_GT(codec.nominal_bits_per_value(), 0);
    EXPECT_LE(codec.nominal_bits_per_value(), 32);
}

/// The non-finite policy of an example's quantiser; nothing where rules mix several.
std::optional<NonFinite> policy_of(std::string const& text) {
    auto const codec = Codec::parse(text);
    if (codec.rules().size() != 1) return std::nullopt;
    for (auto const& stage : codec.rules()[0].pipeline) {
        auto const& entry = stage_registry().at(stage.name);
        if (entry.kind == StageKind::transform) return std::nullopt;
        if (entry.kind == StageKind::quantiser) return entry.info.non_finite;
    }
    return std::nullopt;
}

TEST_P(Conformance, NanAndInfFollowTheDeclaredPolicy) {
    auto const policy = policy_of(GetParam());
    if (!policy) return;
    KvShape const shape{1, 1, 20, 64};
    for (auto const type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
        // The same ends in every group, whatever a codec groups: vectors, channels, or parts of them.
        std::vector<float> values(shape.values());
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = std::array{-2.0F, 0.0F, 2.0F, 1.0F, -1.5F}[(i / 64 + i % 64) % 5];
        }
        values[100] = NAN;
        values[101] = INFINITY;
        values[102] = -INFINITY;
        values[103] = 0;
        values[106] = -NAN;
        auto const result = decoded(encoded(GetParam(), TestTensor(shape, type, values)), shape, type).values();
        if (*policy == NonFinite::kept) {
            EXPECT_TRUE(std::isnan(result[100]) && std::isnan(result[106]));
            EXPECT_EQ(result[101], INFINITY);
            EXPECT_EQ(result[102], -INFINITY);
        } else if (*policy == NonFinite::mixed) {
            // As if the group had held 0 and its ends, which all groups here have: the values coded together are the
            // same.
            auto replaced = values;
            replaced[100] = replaced[106] = 0;
            replaced[101] = 2;
            replaced[102] = -2;
            auto const expected = decoded(encoded(GetParam(), TestTensor(shape, type, replaced)), shape, type).values();
            EXPECT_EQ(result, expected);
        } else if (*policy != NonFinite::any) {
            if (*policy == NonFinite::nan_kept) {
                EXPECT_TRUE(std::isnan(result[100]) && std::isnan(result[106]));
            } else {
                EXPECT_EQ(result[100], result[103]);
                EXPECT_EQ(result[106], result[103]);
            }
            EXPECT_TRUE(std::isfinite(result[101]) && std::isfinite(result[102]));
            // Values that share a group with these: where codes reach further to one side, groups end differently.
            for (std::size_t i = 96; i < 112; ++i) {
                if (std::isnan(result[i])) continue;
                EXPECT_GE(result[101], result[i]);
                EXPECT_LE(result[102], result[i]);
            }
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
            ASSERT_TRUE(!std::isfinite(values[i]) || std::isfinite(result[i])) << "the others are untouched";
        }
    }
}

}  // namespace
}  // namespace kvstone
