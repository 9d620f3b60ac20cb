// Promises of every registered entropy stage, for each of its examples: its input comes back, whatever
// they are, and are never stored as more than themselves and headers.

#include <algorithm>
#include <cstring>
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/container.hpp"
#include "codecs/register_stage.hpp"
#include "tests/codecs/conformance.hpp"

namespace kvstone {
namespace {

constexpr char const* mutant_coder = "test-mutant-coder";

/// Wrong on purpose, in one of two ways.
class MutantCoder : public Entropy {
  public:
    static constexpr bool host_only = true;

    static StageInfo info() {
        StageInfo info;
        info.name = mutant_coder;
        info.summary = "wrong on purpose";
        info.fixed_rate = false;
        info.engines = {{.differs = "of tests"}};
        info.options = {choice_option("how", std::nullopt, {"grow", "quieten"},
                                      "a zero byte more for each hundred; NaN of 16 bits without payload")};
        info.examples = {"fp16 | " + std::string(mutant_coder) + ":how=grow"};
        info.idle_bytes = {0.5, "on purpose"};
        return info;
    }
    explicit MutantCoder(Options const& options) : grows_(options.choice("how") == "grow") {}

    std::vector<PlaneSpec> planes(PlaneSpec const& input) const {
        return {{LedgerLine::payload, input.bytes + more(input.bytes), false, 1, 0}};
    }
    template <class Space>
    void encode(Space const&, PlaneSpec const&, ConstPlane input, Planes planes, Workspace) const {
        std::memset(planes[0].data, 0, planes[0].bytes);
        std::memcpy(planes[0].data, input.data, input.bytes);
        for (std::uint64_t i = 0; !grows_ && i + 1 < input.bytes; i += 2) {
            bool const nan = (input.data[i + 1] & std::byte{0x7c}) == std::byte{0x7c} &&
                             (input.data[i] != std::byte{0} || (input.data[i + 1] & std::byte{3}) != std::byte{0});
            if (nan) planes[0].data[i] = std::byte{0};
        }
    }
    template <class Space>
    void decode(Space const&, PlaneSpec const&, ConstPlanes planes, Plane& input, Workspace) const {
        std::memcpy(input.data, planes[0].data, input.bytes);
    }

  private:
    std::uint64_t more(std::uint64_t bytes) const { return grows_ ? bytes / 100 : 0; }

    bool grows_;
};

Register<MutantCoder> const mutant_coder_registered;

/// The codec without its entropy stages: the input of these.
std::string without_entropy(std::string const& text) {
    std::string bare;
    std::size_t first = 0;
    while (first < text.size()) {
        auto const end = std::min(text.find(" | ", first), text.size());
        auto const stage = text.substr(first, end - first);
        if (stage_named(stage.substr(0, stage.find(':'))).kind != StageKind::entropy)
            bare += (bare.empty() ? "" : " | ") + stage;
        first = end + 3;
    }
    return bare;
}

/// Tensors that coders meet seldom, by the bits of value i; f16 and bf16 take the upper half of them.
struct Pattern {
    char const* name;
    std::function<std::uint32_t(std::uint64_t)> bits;
};
std::vector<Pattern> patterns() {
    auto const random = [](std::uint64_t i) {
        auto x = (i + 1) * 0x9e3779b97f4a7c15U;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
        x = (x ^ x >> 27) * 0x94d049bb133111ebU;
        return static_cast<std::uint32_t>(x >> 32);
    };
    return {{"random bits", random},
            {"all equal", [](std::uint64_t) { return 0x3c003c00U; }},
            // Of binary16, bfloat16 and binary32 at once, each with a payload of its own and a sign.
            {"NaN", [=](std::uint64_t i) { return random(i) | 0x7f817f81U; }},
            {"a ramp", [](std::uint64_t i) { return static_cast<std::uint32_t>(i << 16 | (i & 0xffff)); }}};
}

TestTensor tensor_of(Pattern const& pattern, KvShape const& shape, ElementType type) {
    TestTensor tensor(shape, type);
    auto* const data = static_cast<std::byte*>(tensor.view().data);
    auto const width = element_bytes(type);
    for (std::uint64_t i = 0; i < shape.values(); ++i) {
        auto const bits = pattern.bits(i);
        std::memcpy(data + i * width, reinterpret_cast<std::byte const*>(&bits) + 4 - width, width);
    }
    return tensor;
}

/// The fault of a codec on a tensor, or "". Headers are, for each plane, 160 bytes (its entry in the container, its
/// size, a table of codes), and for each 128 KiB 256 bytes (where a piece ends, and another table).
std::string entropy_fault(std::string const& text, TestTensor const& tensor) {
    auto const shape = tensor.view().shape;
    auto const type = tensor.view().type;
    auto const bare = encoded(without_entropy(text), tensor);
    auto const coded = encoded(text, tensor);
    auto const container = coded.seal();
    auto const before = bare.ledger().stored_bytes();
    auto const allowed = before + before / 512 + 160 * read_container(container).planes.size();
    if (container.size() > allowed)
        return fmt::format("{} bytes became {}, allowed {}", before, container.size(), allowed);
    if (decode_container(container) != decoded(bare, shape, type).packed_bytes())
        return "what was decoded is not what was coded";
    return "";
}

std::vector<std::string> entropy_examples() {
    std::vector<std::string> all;
    for (auto const& [name, entry] : stage_registry()) {
        if (entry.kind != StageKind::entropy || name == mutant_coder) continue;
        all.insert(all.end(), entry.info.examples.begin(), entry.info.examples.end());
    }
    return all;
}

std::vector<TestTensor> captured_tensors(ElementType type) {
    std::vector<TestTensor> tensors;
    for (auto const& tensor : checked_tensors()) {
        if (tensor.name.starts_with("captured")) tensors.emplace_back(tensor.shape, type, tensor.values);
    }
    return tensors;
}

class EntropyStages : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, EntropyStages, testing::ValuesIn(entropy_examples()),
                         [](auto const& one) { return test_name_of(one.param); });

TEST_P(EntropyStages, StoreWhatTheyAreGivenAndNoMoreThanThatAndHeaders) {
    for (auto const type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
        for (auto const& pattern : patterns()) {
            for (KvShape const shape : {KvShape{1, 1, 1, 16}, KvShape{2, 1, 7, 24}, KvShape{1, 2, 513, 64}}) {
                EXPECT_EQ(entropy_fault(GetParam(), tensor_of(pattern, shape, type)), "")
                    << pattern.name << ", " << name_of(type) << ", " << shape.tokens << " tokens";
            }
        }
        for (auto const& tensor : captured_tensors(type)) {
            EXPECT_EQ(entropy_fault(GetParam(), tensor), "") << "captured, " << name_of(type);
        }
    }
}

TEST_P(EntropyStages, KeepToThatWherePayloadsAreCutIntoPieces) {
    KvShape const shape{1, 1, 8200, 64};  // 1 MiB and a little of 16-bit values
    for (auto const& pattern : patterns()) {
        EXPECT_EQ(entropy_fault(GetParam(), tensor_of(pattern, shape, ElementType::f16)), "") << pattern.name;
    }
}

TEST(EntropyStagesSuite, RefusesStagesThatGrow) {
    auto const grows = "fp16 | " + std::string(mutant_coder) + ":how=grow";
    auto const tensor = tensor_of(patterns()[0], {1, 2, 513, 64}, ElementType::f16);
    EXPECT_THAT(entropy_fault(grows, tensor), testing::HasSubstr("allowed"));
}

TEST(EntropyStagesSuite, RefusesStagesThatLosePayloadsOfNan) {
    auto const quietens = "raw | " + std::string(mutant_coder) + ":how=quieten";
    EXPECT_EQ(entropy_fault(quietens, captured_tensors(ElementType::f16).at(0)), "");
    EXPECT_EQ(entropy_fault(quietens, tensor_of(patterns()[2], {1, 2, 513, 64}, ElementType::f16)),
              "what was decoded is not what was coded");
}

}  // namespace
}  // namespace kvstone
