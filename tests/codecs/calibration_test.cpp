// Bases of another text: what is taken from a file of `kvstone calibrate`, and what is refused.

#include "codecs/calibration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/error_bounds.hpp"
#include "codecs/kernels/fit_tensor.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/stream/token_stream.hpp"
#include "tests/codecs/conformance.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

KvShape const shape{4, 2, 60, 16};

/// A file in memory: bases of K and V, fitted to values of their own.
class Calibrated : public testing::Test {
  protected:
    Calibrated() { set({}); }
    ~Calibrated() override { set_calibration_reader(nullptr); }

    void set(CalibrationGroups const& groups, std::string const& hash = "0123456789abcdef0123") {
        auto file = std::make_shared<Calibration>();
        file->path = "bases.safetensors";
        file->hash = hash;
        file->text_sha256 = "a text";
        file->groups = groups;
        file->shape = shape;
        for (auto const& [name, seed] : {std::pair{"k", 11U}, {"v", 12U}}) {
            TestTensor const tensor(shape, ElementType::f16, test_values(shape, seed));
            file->tensors[name] = fit_tensor(tensor.view(), groups);
        }
        set_calibration_reader([file](std::string const& path) {
            if (path != file->path) throw ConfigError("no file of bases", path);
            return file;
        });
    }
};

std::string text(std::string const& more = "") {
    return "lowrank:rank=12,basis=pca" + more + ",bases=bases.safetensors | raw";
}

std::vector<float> passed(std::string const& codec, KvShape const& of, std::vector<float> const& values,
                          Component component = Component::k) {
    return decoded(encoded(codec, TestTensor(of, ElementType::f32, values), component), of, ElementType::f32).values();
}

TEST_F(Calibrated, BasesOfTheSameTokensAreThoseOfThePrompt) {
    for (bool const mean : {false, true}) {
        for (std::string const over : {"head", "heads", "layers"}) {
            set({over, over == "layers" ? 4U : 1U, mean});
            auto const options = ",over=" + over + (mean ? ",mean=yes" : "");
            std::vector<float> values;
            TestTensor const rounded(shape, ElementType::f16, test_values(shape, 12));
            values = rounded.values();
            auto const prompt = "lowrank:rank=12,basis=prompt,stored=fp32" + options + " | raw";
            EXPECT_EQ(passed(text(options), shape, values, Component::v), passed(prompt, shape, values, Component::v))
                << options;
            EXPECT_NE(passed(text(options), shape, values, Component::k), passed(prompt, shape, values, Component::k))
                << "K has other bases";
        }
    }
}

TEST_F(Calibrated, CodecsHoldTheHashOfTheirFile) {
    auto const codec = Codec::parse(text());
    EXPECT_EQ(codec.text(), "lowrank:rank=12,basis=pca,bases=bases.safetensors,hash=0123456789abcdef | raw");
    EXPECT_EQ(Codec::parse(codec.text()), codec);
    TestTensor const tensor(shape, ElementType::f32, test_values(shape));
    auto const container = encoded(text(), tensor).seal();
    EXPECT_NO_THROW(decode_container(container));
    set({}, "fedcba9876543210");
    EXPECT_THROW(Codec::parse(codec.text()), ConfigError);
    EXPECT_THROW(decode_container(container), CorruptData);
    EXPECT_THROW(Codec::parse("lowrank:rank=12,basis=pca | raw"), ConfigError);
    EXPECT_THROW(Codec::parse("lowrank:rank=12,basis=pca,bases=other | raw"), ConfigError);
    EXPECT_THROW(Codec::parse("lowrank:rank=12,basis=prompt,bases=bases.safetensors | raw"), ConfigError);
    EXPECT_THROW(Codec::parse(text(",over=heads")), ConfigError);
    EXPECT_THROW(Codec::parse(text(",mean=yes")), ConfigError);
}

TEST_F(Calibrated, PartsOfATensorHaveTheBasesOfTheirPlace) {
    auto const values = test_values(shape);
    auto const whole = passed(text(), shape, values);
    EXPECT_EQ(passed("layers(1-2){" + text() + "} heads(1){" + text() + "} rest{" + text() + "}", shape, values),
              whole);
    // A layer at a time, as serving has them.
    auto const layer_values = 2 * 60 * 16;
    for (std::uint64_t layer = 0; layer < 4; ++layer) {
        std::vector<float> const own(values.begin() + static_cast<std::ptrdiff_t>(layer * layer_values),
                                     values.begin() + static_cast<std::ptrdiff_t>((layer + 1) * layer_values));
        std::vector<float> const expected(whole.begin() + static_cast<std::ptrdiff_t>(layer * layer_values),
                                          whole.begin() + static_cast<std::ptrdiff_t>((layer + 1) * layer_values));
        KvShape const one{1, 2, 60, 16};
        EXPECT_EQ(passed(Codec::parse(text()).of_layer(layer, 4).text(), one, own), expected) << layer;
        EXPECT_EQ(passed(text(), one, own) == expected, layer == 0);
    }
}

TEST_F(Calibrated, TokensAreCodedByThemselves) {
    TestTensor const tensor(shape, ElementType::f16, test_values(shape));
    for (auto const& codec : {text(), std::string("sink(2){raw} rest{lowrank:rank=12,basis=pca,bases=bases."
                                                  "safetensors | int:bits=8,axis=token}")}) {
        TokenStream stream(Codec::parse(codec), Component::k, shape, ElementType::f16, BackendKind::openmp, 8);
        for (std::uint64_t t = 0; t < shape.tokens; ++t)
            stream.append(tensor.view().box(0, 0, t, {shape.layers, shape.heads, 1, shape.dim}));
        EXPECT_EQ(stream.settled_tokens(), shape.tokens);
        EXPECT_EQ(stream.seal(), encoded(codec, tensor).seal());
    }
    auto const values = tensor.values();
    auto const bounds = declared_error_bounds(Codec::parse(text()), Component::k, shape, ElementType::f16, values);
    auto const result = decoded(encoded(text(), tensor), shape, ElementType::f16).values();
    EXPECT_EQ(beyond_bounds(values, result, bounds), "");
}

TEST_F(Calibrated, OtherShapesAndTheOwnTextAreRefused) {
    auto const bind = [](std::string const& codec, KvShape const& of, Component component = Component::k) {
        TensorCodec const bound(Codec::parse(codec), component, of, ElementType::f32, BackendKind::openmp);
    };
    EXPECT_NO_THROW(bind(text(), shape));
    EXPECT_THROW(bind(text(), {4, 2, 60, 32}), NotApplicable);
    EXPECT_THROW(bind(text(), {5, 2, 60, 16}), NotApplicable);
    EXPECT_THROW(bind(text(), {4, 3, 60, 16}), NotApplicable);
    EXPECT_THROW(bind(text(",first_layer=1"), shape), NotApplicable);
    EXPECT_THROW(bind(text(",rope=before"), shape), NotApplicable) << "the file has no keys before RoPE";
    EXPECT_NO_THROW(bind(text(",rope=before"), shape, Component::v));
    EXPECT_THROW(check_other_text(Codec::parse(text()), "a text"), ConfigError);
    EXPECT_NO_THROW(check_other_text(Codec::parse(text()), "another text"));
    EXPECT_NO_THROW(check_other_text(Codec::parse(text(",own_text=yes")), "a text"));
    EXPECT_NO_THROW(check_other_text(Codec::parse("lowrank:rank=12,basis=prompt | raw"), "a text"));
    EXPECT_EQ(text_of(needs_of(Codec::parse(text()))), "calibrated");
}

}  // namespace
}  // namespace kvstone
