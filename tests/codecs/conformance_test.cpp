// What every registered stage owes, for each of its examples, over shapes, element types and layouts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container.hpp"
#include "codecs/error_bounds.hpp"
#include "codecs/pipeline.hpp"
#include "codecs/registry.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/tensors.hpp"

namespace kvstone {
namespace {

std::vector<std::string> examples() {
    std::vector<std::string> all;
    for (auto const& [name, entry] : stage_registry()) {
        all.insert(all.end(), entry.info.examples.begin(), entry.info.examples.end());
    }
    // Rules cut sections, which stages meet as strided boxes.
    all.emplace_back("sink(2){raw} k,window(3){bf16} layers(0){int8:scheme=asymmetric} rest{fp16 | zstd}");
    all.emplace_back("sink(4){raw} window(8){raw} rest{int:bits=4,scheme=asymmetric,axis=channel,group=16}");
    return all;
}

std::vector<KvShape> shapes() {
    std::vector<KvShape> all{{1, 1, 1, 1}, {1, 2, 0, 64}, {1, 1, 301, 128}};
    for (std::uint64_t const dim : {1, 64, 80, 96, 128, 256}) {
        all.push_back({2, 3, 1, dim});
        all.push_back({2, 3, 37, dim});
    }
    return all;
}

std::string test_name(testing::TestParamInfo<std::string> const& info) {
    std::string name;
    for (char const c : info.param) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return name;
}

/// The first place where decoded values lie further from the original than allowed, or "".
std::string beyond_bounds(std::vector<float> const& original, std::vector<float> const& result,
                          std::vector<double> const& bounds) {
    for (std::size_t i = 0; i < original.size(); ++i) {
        double const error = std::fabs(static_cast<double>(result[i]) - original[i]);
        if (!(error <= bounds[i]) && !std::isinf(bounds[i])) {
            return "value " + std::to_string(i) + ": " + std::to_string(original[i]) + " became " +
                   std::to_string(result[i]) + ", allowed " + std::to_string(bounds[i]);
        }
    }
    return "";
}

bool has_transform(std::string const& text) {
    auto const codec = Codec::parse(text);
    for (auto const& rule : codec.rules()) {
        if (stage_registry().at(rule.pipeline[0].name).kind == StageKind::transform) return true;
    }
    return false;
}

class Conformance : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, Conformance, testing::ValuesIn(examples()), test_name);

TEST_P(Conformance, DecodesWithinTheDeclaredBound) {
    auto const codec = Codec::parse(GetParam());
    for (auto const type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
        // Every shape as f32; what the others add is the conversion.
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
        again.encode(other.view());
        TestTensor const same(shape, type, values);
        again.encode(same.view());
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

            TensorCodec loaded(Codec::parse(GetParam()), Component::k, shape, type, BackendKind::openmp);
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

TEST_P(Conformance, TruncatedOrAlteredContainersAreRefused) {
    KvShape const shape{1, 2, 5, 16};
    auto const container = encoded(GetParam(), TestTensor(shape, ElementType::f32, test_values(shape))).seal();
    for (std::size_t bytes = 0; bytes < container.size(); ++bytes) {
        EXPECT_THROW(decode_container(std::span(container).first(bytes)), CorruptData) << bytes;
    }
    auto altered = container;
    for (std::size_t i = 0; i < container.size(); ++i) {
        for (int const flip : {0x01, 0x80, 0xff}) {
            altered[i] = container[i] ^ static_cast<std::byte>(flip);
            EXPECT_THROW(decode_container(altered), CorruptData) << "byte " << i;
        }
        altered[i] = container[i];
    }
    altered.push_back(std::byte{0});
    EXPECT_THROW(decode_container(altered), CorruptData);
}

TEST_P(Conformance, BelowTheChecksumPayloadMattersAndNothingCrashes) {
    KvShape const shape{1, 2, 12, 32};  // blocks of up to 32 are full: what fills one up decides nothing
    auto const container = encoded(GetParam(), TestTensor(shape, ElementType::f32, test_values(shape))).seal();
    auto const expected = decode_container(container);
    auto altered = container;
    std::size_t payload_bytes = 0;
    std::size_t without_effect = 0;
    for (auto const& plane : read_container(container).planes) {
        bool const payload = plane.line == LedgerLine::payload || plane.line == LedgerLine::window;
        auto const first = static_cast<std::size_t>(plane.data - container.data());
        for (std::size_t i = first; i < first + plane.bytes; ++i) {
            altered[i] = container[i] ^ std::byte{0xff};
            reseal_container(altered);
            payload_bytes += payload;
            try {
                without_effect += payload && decode_container(altered) == expected;
            } catch (CorruptData const&) {
            }
            altered[i] = container[i];
        }
    }
    // Every byte counts, but that adding back what a transform took may round the lowest ones away, and that frames of
    // a compressor may hold a few bits that decide nothing.
    auto const allowed = has_transform(GetParam())                      ? payload_bytes / 2
                         : GetParam().find("zstd") != std::string::npos ? payload_bytes / 100
                                                                        : 0;
    EXPECT_LE(without_effect, allowed);
}

TEST_P(Conformance, HostileHeadersAreRefusedOrHarmless) {
    KvShape const shape{1, 2, 3, 16};
    auto const container = encoded(GetParam(), TestTensor(shape, ElementType::f32, test_values(shape))).seal();
    auto const header = static_cast<std::size_t>(read_container(container).planes.at(0).data - container.data());
    auto altered = container;
    for (std::size_t i = 0; i < header; ++i) {
        for (int const value : {0x00, 0x01, 0x7f, 0xff}) {
            altered[i] = static_cast<std::byte>(value);
            reseal_container(altered);
            try {
                EXPECT_LE(decode_container(altered).size(), std::size_t{1} << 26);
            } catch (CorruptData const&) {
            }
            altered[i] = container[i];
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
    // Side data of lossless ones is the header, the vectors of a transform and what padding needs.
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
        } else {
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

/// Decoders that are a little wrong: the declared bounds must tell each from the right one.
struct Mutant {
    std::string codec;
    std::string name;
    float (*decode)(float original, float range);
};

class BoundMutants : public testing::TestWithParam<Mutant> {};

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

std::string mutant_name(testing::TestParamInfo<Mutant> const& info) {
    auto const& codec = info.param.codec;
    auto name = (codec == "int8:scheme=asymmetric" ? "asymmetric" : codec) + "_" + info.param.name;
    for (auto& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
    return name;
}

INSTANTIATE_TEST_SUITE_P(
    All, BoundMutants,
    testing::Values(
        Mutant{"raw", "one_ulp", [](float x, float) { return std::nextafter(x, 0.0F); }},
        Mutant{"fp16", "truncated",
               [](float x, float) {
                   auto const bits = std::bit_cast<std::uint32_t>(x) & ~std::uint32_t{0x1fff};
                   return std::bit_cast<float>(bits);
               }},
        Mutant{"bf16", "truncated",
               [](float x, float) {
                   return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & ~std::uint32_t{0xffff});
               }},
        Mutant{"fp8:format=e4m3", "truncated",
               [](float x, float) {
                   return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & ~std::uint32_t{0xfffff});
               }},
        Mutant{"fp8:format=e4m3", "of_two_bits",
               [](float x, float) {
                   auto const bits = std::bit_cast<std::uint32_t>(x);
                   return std::bit_cast<float>((bits + 0xfffff + (bits >> 21 & 1)) & ~std::uint32_t{0x1fffff});
               }},
        Mutant{"fp8:format=e5m2", "truncated",
               [](float x, float) {
                   return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & ~std::uint32_t{0x1fffff});
               }},
        Mutant{"fp8:format=e4m3,scale=tensor", "range_in_half",
               [](float x, float range) { return std::fmax(std::fmin(x, range / 2), -range / 2); }},
        Mutant{"int8", "truncated", [](float x, float range) { return std::trunc(x / (range / 127)) * (range / 127); }},
        Mutant{"int8", "scale_off_by_one_percent",
               [](float x, float range) { return std::nearbyint(x / (range / 127)) * (range / 127) * 1.01F; }},
        Mutant{"int8", "range_over_128",
               [](float x, float range) {
                   return std::fmin(std::nearbyint(x / (range / 128)), 127.0F) * (range / 128) *
                          (x > 0 ? 1.0F : 1.004F);
               }},
        Mutant{"nf4", "smaller_by_a_fifth", [](float x, float) { return x * 0.8F; }},
        Mutant{"nf4:scale=fp32", "truncated",
               [](float x, float range) { return std::trunc(x / range * 8) * range / 8; }},
        Mutant{"lloydmax:bits=4", "smaller_by_a_fifth", [](float x, float) { return x * 0.8F; }},
        Mutant{"lloydmax:bits=6,norm=eden", "smaller_by_a_tenth", [](float x, float) { return x * 0.9F; }},
        Mutant{"nuq:bits=4,axis=channel", "smaller_by_a_fifth", [](float x, float) { return x * 0.8F; }},
        Mutant{"int8:scheme=asymmetric", "of_symmetric_steps",
               [](float x, float range) { return std::floor(x / (range / 127)) * (range / 127); }}),
    mutant_name);

}  // namespace
}  // namespace kvstone
