// Bases of another text: accepted files of `kvstone calibrate`, and errors.

#include "codecs/calibration.hpp"

#include <fmt/format.h>
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

    void set(CalibrationGroups const& groups, std::string const& hash = "0123456789abcdef0123", bool queries = false) {
        auto file = std::make_shared<Calibration>();
        file->path = "bases.safetensors";
        file->hash = hash;
        file->text_sha256 = "a text";
        file->groups = groups;
        file->queries = queries;
        file->shape = shape;
        for (auto const& [name, seed] : {std::pair{"k", 11U}, {"v", 12U}, {"k_prerope", 13U}}) {
            if (seed == 13 && !has_prerope_) continue;
            TestTensor const tensor(shape, ElementType::f16, test_values(shape, seed));
            file->tensors[name] = fit_tensor(tensor.view(), groups);
        }
        set_calibration_reader([file](std::string const& path) {
            if (path != file->path) throw ConfigError("no file of bases", path);
            return file;
        });
        file_ = file;
    }

    bool has_prerope_ = false;
    std::shared_ptr<Calibration> file_;
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
        for (std::string const over : {"head", "heads", "layers", "heads,heads=1"}) {
            bool const grouped = over == "heads,heads=1";
            set({grouped ? "heads" : over, over == "layers" ? 4U : 1U, mean, grouped ? 1U : 0U});
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

/// The error where a text is parsed.
std::string refusal(std::string const& text) {
    try {
        Codec::parse(text);
    } catch (ConfigError const& error) {
        return error.what();
    }
    return "";
}

TEST_F(Calibrated, GroupsOfHeadsFindTheirBases) {
    set({"heads", 1, false, 1});
    auto const values = test_values(shape);
    auto const codec = text(",over=heads,heads=1");
    auto const whole = passed(codec, shape, values);
    EXPECT_EQ(passed("heads(1){" + codec + "} rest{" + codec + "}", shape, values), whole);
    set({});
    EXPECT_EQ(passed(text(), shape, values), whole) << "groups of one head are heads";
    EXPECT_THAT(refusal(codec), HasSubstr("over=head"));
}

TEST_F(Calibrated, PresetsNameTheirFileAndHowToMakeIt) {
    EXPECT_THAT(refusal("palu"), HasSubstr("kvstone calibrate MODEL --text OTHER.txt --over heads --heads 4 -o FILE"));
    EXPECT_THAT(refusal("eigen"), HasSubstr("kvstone calibrate MODEL --text OTHER.txt --queries yes -o FILE"));
    EXPECT_THAT(refusal("palu:bases=other"), HasSubstr("--over heads --heads 4 -o other"));
    EXPECT_THAT(refusal("palu:bases=bases.safetensors"), HasSubstr("--heads 4 -o bases.safetensors"));
    EXPECT_THAT(refusal("eigen:bases=bases.safetensors"), HasSubstr("--queries yes")) << "K alone";
    has_prerope_ = true;
    set({"heads", 1, false, 4});
    auto const bases = ",bases=bases.safetensors,hash=0123456789abcdef | fp16}";
    EXPECT_EQ(Codec::parse("palu:bases=bases.safetensors,rank=0.25").text(),
              std::string("k{unrope | lowrank:rank=0.25,basis=pca,over=heads,heads=4,rope=before") + bases +
                  " v{lowrank:rank=0.25,basis=pca,over=heads,heads=4" + bases);
    EXPECT_THAT(Codec::parse("palu:bases=bases.safetensors,own_text=yes").text(), HasSubstr("own_text=yes"));
    set({"heads", 1, true});
    EXPECT_EQ(Codec::parse("kvtc:bases=bases.safetensors,ratio=8").text(),
              "sink(4){fp16} window(128){fp16} "
              "k{unrope | lowrank:rank=0.9999,basis=pca,over=heads,mean=yes,rope=before,bases=bases.safetensors,"
              "hash=0123456789abcdef | bitalloc:bits=2,singles=yes | zstd} "
              "v{lowrank:rank=0.9999,basis=pca,over=heads,mean=yes,bases=bases.safetensors,"
              "hash=0123456789abcdef | bitalloc:bits=2,singles=yes | zstd}");
}

TEST_F(Calibrated, RanksByEnergyAreThoseOfEachLayer) {
    has_prerope_ = true;
    set({}, "0123456789abcdef", true);
    auto const n = shape.dim;
    // Heads of layers 0 and 2 keep 98% with 3 of 16, but for one of layer 2, which takes 5; the others take all 16.
    for (auto& [name, bases] : file_->tensors) {
        for (std::uint64_t head = 0; head < 8; ++head) {
            for (std::uint64_t i = 0; i < n; ++i) {
                auto const many = head / 2 % 2 == 1 ? n : head == 5 ? 5 : 3;
                bases.variance[head * n + i] = i < many ? 2.0F : 0.0F;
            }
        }
    }
    auto const text_of_rank = [](std::string const& selector, int rank, bool keys) {
        return fmt::format("{}{{{}lowrank:rank={},basis=pca{},bases=bases.safetensors,hash=0123456789abcdef | fp16}}",
                           selector, keys ? "unrope | " : "", rank, keys ? ",rope=before" : "");
    };
    EXPECT_EQ(Codec::parse("eigen:bases=bases.safetensors").text(),
              text_of_rank("k,layers(0)", 3, true) + " " + text_of_rank("k,layers(2)", 5, true) + " " +
                  text_of_rank("k", 16, true) + " " + text_of_rank("v,layers(0)", 3, false) + " " +
                  text_of_rank("v,layers(2)", 5, false) + " " + text_of_rank("v", 16, false));
    // Two of three equal ones are two thirds; of sixteen eight are a half.
    EXPECT_THAT(Codec::parse("eigen:bases=bases.safetensors,energy=0.5").text(),
                HasSubstr(text_of_rank("k,layers(0)", 2, true) + " " + text_of_rank("k,layers(2)", 3, true) + " " +
                          text_of_rank("k", 8, true)));
    EXPECT_THAT(refusal("eigen:bases=bases.safetensors,energy=1.5"), HasSubstr("energy"));
}

}  // namespace
}  // namespace kvstone
