// Attention over stored keys and values, in vectors of every kind that this processor has and from plain loops, against its
// definition in double precision over the decoded container.

#include "codecs/kernels/coded_attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <span>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include "backends/one_thread.hpp"
#include "codecs/container/container.hpp"
#include "codecs/container/stored_tensor.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "codecs/kernels/attention_lanes.hpp"
#include "codecs/not_applicable.hpp"

namespace kvstone {
namespace {

constexpr double accepted = 1e-5;

struct Setting {
    std::uint64_t kv_heads = 2, rows = 4, tokens = 300, dim = 64;
    std::uint64_t layers = 1, sequences = 1;
    std::uint64_t v_dim = 0;  ///< 0: dim
    float size = 1;           ///< of queries
};

/// Ways to get it wrong; none: as it should be.
enum class Fault { none, no_scale, last_token_unseen, other_head, other_sequence, keys_for_values };

std::vector<float> normal_values(std::uint64_t count, unsigned seed, float deviation = 1) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, deviation);
    std::vector<float> values(count);
    for (auto& value : values) value = normal(random);
    return values;
}

/// K and V of some sequences as a codec stores them, and queries.
class Caches {
  public:
    /// Changes values before they are coded.
    using Edit = void (*)(std::vector<float>&, Component, KvShape const&);

    Caches(std::string const& text, Setting const& of, Edit edit = nullptr) : setting_(of) {
        auto const codec = Codec::parse(text);
        k_shape_ = {of.layers, of.kv_heads, of.tokens, of.dim};
        v_shape_ = {of.layers, of.kv_heads, of.tokens, of.v_dim == 0 ? of.dim : of.v_dim};
        for (unsigned s = 0; s < of.sequences; ++s) {
            for (auto const& [component, shape] : {std::pair{Component::k, k_shape_}, {Component::v, v_shape_}}) {
                auto values = normal_values(shape.values(), 2 * s + static_cast<unsigned>(component));
                if (edit != nullptr) edit(values, component, shape);
                add(codec, component, shape, values);
            }
        }
        for (std::size_t s = 0; s < stored_.size(); s += 2)
            caches_.push_back({stored_[s].rows(), stored_[s + 1].rows()});
        queries_ = normal_values(of.sequences * k_shape_.layers * k_shape_.heads * of.rows * of.dim, 99, of.size);
    }

    std::vector<float> attend_with(void (*form)(BackendKind, AttentionStep const&)) {
        std::vector<float> outputs(rows() * v_shape_.dim, 1e30F);
        form(BackendKind::openmp, {.sequences = caches_,
                                   .queries = queries_.data(),
                                   .outputs = outputs.data(),
                                   .rows = setting_.rows,
                                   .scale = scale()});
        return outputs;
    }
    /// The definition.
    std::vector<double> reference(Fault fault = Fault::none) const {
        std::vector<double> outputs;
        for (std::uint64_t row = 0; row < rows(); ++row) add_row(row, fault, outputs);
        return outputs;
    }
    /// The largest |o' - o| / |o| of a row; infinite where one of both is NaN and the other is not.
    double departure(std::vector<float> const& found, std::vector<double> const& expected) const {
        double most = found.size() == expected.size() ? 0 : INFINITY;
        for (std::size_t first = 0; first < expected.size(); first += v_shape_.dim) {
            double errors = 0, squares = 0;
            for (auto i = first; i < first + v_shape_.dim; ++i) {
                if (std::isnan(expected[i]) != std::isnan(found[i])) return INFINITY;
                if (std::isnan(expected[i])) continue;
                errors += (found[i] - expected[i]) * (found[i] - expected[i]);
                squares += expected[i] * expected[i];
            }
            most = std::max(most, squares > 0 ? std::sqrt(errors / squares) : std::sqrt(errors));
        }
        return most;
    }
    /// The stored planes of K or V of the first sequence.
    std::vector<std::span<std::byte>> planes(Component component) {
        auto const& stored = stored_[component == Component::k ? 0 : 1];
        auto const& rows = stored.rows();
        std::vector<std::span<std::byte>> all;
        auto const payload = rows.shape.vectors() * rows.row_bytes;
        all.emplace_back(const_cast<std::byte*>(rows.payload), payload);
        if (rows.scales == nullptr) return all;
        auto const left = stored.plane_bytes() - payload;
        auto const* const third =
            rows.superblock_steps != nullptr ? reinterpret_cast<std::byte const*>(rows.superblock_steps) : rows.zeros;
        auto const steps = rows.superblock_steps != nullptr ? sizeof(float) : left / 2;  // one superblock
        all.emplace_back(const_cast<std::byte*>(rows.scales), third == nullptr ? left : left - steps);
        if (third != nullptr) all.emplace_back(const_cast<std::byte*>(third), steps);
        return all;
    }

  private:
    void add(Codec const& codec, Component component, KvShape const& shape, std::vector<float>& values) {
        KvView const view{values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
        stored_.emplace_back(codec, component, view, BackendKind::openmp);
        auto const bytes = decode_container(stored_.back().take_container());
        decoded_.emplace_back(shape.values());
        std::memcpy(decoded_.back().data(), bytes.data(), bytes.size());
    }
    double scale() const { return 1 / std::sqrt(static_cast<double>(setting_.dim)); }
    std::uint64_t rows() const { return setting_.sequences * k_shape_.layers * k_shape_.heads * setting_.rows; }
    void add_row(std::uint64_t row, Fault fault, std::vector<double>& outputs) const {
        auto head = row / setting_.rows % (k_shape_.layers * k_shape_.heads);
        auto sequence = row / setting_.rows / (k_shape_.layers * k_shape_.heads);
        if (fault == Fault::other_head) head = (head + 1) % (k_shape_.layers * k_shape_.heads);
        if (fault == Fault::other_sequence) sequence = (sequence + 1) % setting_.sequences;
        auto const& k = decoded_[2 * sequence];
        auto const& v = decoded_[2 * sequence + (fault == Fault::keys_for_values ? 0 : 1)];
        auto const tokens = setting_.tokens - (fault == Fault::last_token_unseen ? 1 : 0);
        std::vector<double> logits(tokens);
        double most = -INFINITY;
        for (std::uint64_t t = 0; t < tokens; ++t) {
            for (std::uint64_t c = 0; c < setting_.dim; ++c)
                logits[t] += double{queries_[row * setting_.dim + c]} *
                             double{k[(head * setting_.tokens + t) * setting_.dim + c]};
            if (fault != Fault::no_scale) logits[t] *= scale();
            most = std::max(most, logits[t]);
        }
        double sum = 0;
        std::vector<double> output(v_shape_.dim);
        for (std::uint64_t t = 0; t < tokens; ++t) {
            auto const weight = std::exp(logits[t] - most);
            sum += weight;
            for (std::uint64_t c = 0; c < v_shape_.dim; ++c)
                output[c] += weight * double{v[(head * setting_.tokens + t) * v_shape_.dim + c]};
        }
        for (auto const value : output) outputs.push_back(value / sum);
    }

    Setting setting_;
    KvShape k_shape_, v_shape_;
    std::vector<StoredTensor> stored_;  ///< K and V in turn
    std::vector<std::vector<float>> decoded_;
    std::vector<StoredCache> caches_;
    std::vector<float> queries_;
};

/// Each kind of vectors that this program has and the processor too.
void for_each_target(auto const& action) {
    hwy::SetSupportedTargetsForTest(0);
    for (std::int64_t left = hwy::SupportedTargets(); left != 0; left &= left - 1) {
        hwy::SetSupportedTargetsForTest(left & -left);
        action(std::string(hwy::TargetName(left & -left)));
    }
    hwy::SetSupportedTargetsForTest(0);
}

void expect_definition(Caches& caches, std::string const& what) {
    auto const expected = caches.reference();
    EXPECT_LE(caches.departure(caches.attend_with(attend_plainly), expected), accepted) << what << ", plain loops";
    for_each_target([&](std::string const& target) {
        EXPECT_LE(caches.departure(caches.attend_with(attend), expected), accepted) << what << ", " << target;
    });
}

std::vector<std::string> codecs() {
    return {"fp16",
            "bf16",
            "q8_0",
            "q4_0",
            "fp8:format=e4m3",
            "fp8:format=e5m2",
            "fp8:format=e4m3,scale=head",
            "fp8:format=e5m2,scale=tensor",
            "nf4",
            "nf4:scale=fp32",
            "nf4:block=32,scale=fp16",
            "nf4:block=24",
            "int8",
            "int8:scheme=asymmetric",
            "int:bits=8,axis=token,group=32",
            "int:bits=8,axis=token,group=64,scheme=asymmetric,scale=fp32",
            "int:bits=4,axis=token,group=32",
            "int:bits=4,axis=token,group=32,scheme=asymmetric",
            "int:bits=4,axis=token,scheme=asymmetric,scale=log8",
            "int:bits=4,axis=token,group=24,scheme=asymmetric",
            "int:bits=8,axis=channel,group=32",
            "int:bits=4,axis=channel,group=32",
            "int:bits=4,axis=channel,group=32,scheme=asymmetric",
            "int:bits=4,axis=channel,scheme=asymmetric,scale=fp32",
            "int:bits=8,axis=channel,group=200,scheme=asymmetric",
            "int:bits=4,axis=head,scheme=asymmetric",
            "int:bits=8,axis=layer",
            "k{int:bits=4,axis=channel,group=32,scheme=asymmetric} v{int:bits=4,axis=token,group=32,scheme=asymmetric}",
            "k{fp16} v{q4_0}"};
}

std::vector<Setting> settings() {
    return {{},
            {.kv_heads = 1, .rows = 1, .tokens = 1, .dim = 64},
            {.kv_heads = 3, .rows = 1, .tokens = 131, .dim = 128, .layers = 2},
            {.kv_heads = 2, .rows = 2, .tokens = 257, .dim = 96},
            {.kv_heads = 2, .rows = 3, .tokens = 64, .dim = 80},
            {.kv_heads = 1, .rows = 7, .tokens = 129, .dim = 256},
            {.kv_heads = 2, .rows = 5, .tokens = 40, .dim = 3, .v_dim = 7},
            {.kv_heads = 2, .rows = 4, .tokens = 77, .dim = 192, .sequences = 3, .v_dim = 128},
            {.kv_heads = 1, .rows = 4, .tokens = 300, .dim = 64, .size = 30}};
}

std::string text_of(Setting const& of) {
    return std::to_string(of.rows) + " rows, " + std::to_string(of.tokens) + " tokens, dim " + std::to_string(of.dim);
}

TEST(CodedAttention, IsWhatItsDefinitionSays) {
    for (auto const& codec : codecs()) {
        for (auto const& setting : settings()) {
            Caches caches(codec, setting);
            expect_definition(caches, codec + ", " + text_of(setting));
        }
    }
}

TEST(CodedAttention, KeepsItsPrecisionOverLongContexts) {
    for (auto const* const codec : {"fp16", "q4_0"}) {
        Caches caches(codec, {.kv_heads = 1, .rows = 1, .tokens = 40000, .dim = 32});
        expect_definition(caches, codec);
    }
}

/// The comparisons above detect every fault.
TEST(CodedAttention, FaultsAreFoundOut) {
    Caches caches("q8_0", {.sequences = 2});
    auto const found = caches.attend_with(attend);
    for (auto const fault :
         {Fault::no_scale, Fault::last_token_unseen, Fault::other_head, Fault::other_sequence, Fault::keys_for_values})
        EXPECT_GT(caches.departure(found, caches.reference(fault)), 100 * accepted) << static_cast<int>(fault);
}

/// Each changed stored byte changes the output, in both forms.
TEST(CodedAttention, ReadsEveryStoredByte) {
    for (auto const* const codec :
         {"fp16", "q8_0", "q4_0", "nf4", "int:bits=4,axis=token,group=32,scheme=asymmetric",
          "int:bits=8,axis=channel,group=2,scheme=asymmetric", "fp8:format=e4m3,scale=head"}) {
        Caches caches(codec, {.kv_heads = 1, .rows = 2, .tokens = 6, .dim = 32});
        for (auto const form : {attend, attend_plainly}) {
            auto const before = caches.attend_with(form);
            for (auto const component : {Component::k, Component::v}) {
                for (auto const& plane : caches.planes(component)) {
                    EXPECT_FALSE(plane.empty());
                    for (auto& byte : plane) {
                        byte ^= std::byte{0x55};
                        EXPECT_FALSE(caches.attend_with(form) == before)
                            << codec << " " << name_of(component) << ", byte " << &byte - plane.data();
                        byte ^= std::byte{0x55};
                    }
                }
            }
            EXPECT_EQ(caches.attend_with(form), before);
        }
    }
}

/// NaN in a key makes every output of its head NaN, NaN in a value the outputs of its channel.
TEST(CodedAttention, NaNStaysWhereItsDefinitionPutsIt) {
    for (auto const* const codec : {"fp16", "bf16", "fp8:format=e4m3", "fp8:format=e5m2"}) {
        for (std::uint64_t const rows : {1, 4}) {
            for (std::uint64_t const dim : {64, 80}) {
                Caches caches(codec, {.rows = rows, .tokens = 150, .dim = dim},
                              [](std::vector<float>& values, Component component, KvShape const& shape) {
                                  if (component == Component::k) {
                                      values[(shape.tokens + 149) * shape.dim + shape.dim - 1] =
                                          NAN;  // of the second head
                                  } else {
                                      values[3 * shape.dim + 5] = NAN;  // of the first one
                                  }
                              });
                auto const expected = caches.reference();
                EXPECT_GT(std::ranges::count_if(expected, [](double value) { return std::isnan(value); }), 0);
                EXPECT_GT(std::ranges::count_if(expected, [](double value) { return !std::isnan(value); }), 0);
                expect_definition(caches, codec);
            }
        }
    }
}

TEST(CodedAttention, InfiniteKeysAreDefined) {
    Caches caches("fp16", {.rows = 4, .tokens = 150},
                  [](std::vector<float>& values, Component component, KvShape const& shape) {
                      if (component == Component::k) values[7 * shape.dim + 2] = INFINITY;
                  });
    expect_definition(caches, "an infinite key");
}

TEST(CodedAttention, DoesNotDependOnThreads) {
    Caches caches("q4_0", {.kv_heads = 4, .sequences = 3});
    auto const on_all = caches.attend_with(attend);
    OneThread const one;
    OneThread::Scope const scope(&one);
    EXPECT_EQ(caches.attend_with(attend), on_all);
}

TEST(CodedAttention, SaysWhatItHasNoKernelFor) {
    auto const lacks = [](std::string const& text) { return attention_kernel_lacks(Codec::parse(text), Component::k); };
    EXPECT_EQ(lacks("q8_0"), "");
    EXPECT_EQ(lacks("v{lloydmax:bits=4} k{q8_0}"), "");
    EXPECT_THAT(lacks("int:bits=3,axis=token"), testing::HasSubstr("codes of 3 bits; accepted: bits=4, bits=8"));
    EXPECT_THAT(lacks("q8_0 | zstd"), testing::HasSubstr("has 2 stages for k"));
    EXPECT_THAT(lacks("hadamard | q8_0"), testing::HasSubstr("has 2 stages for k"));
    EXPECT_THAT(lacks("lloydmax:bits=4"), testing::HasSubstr("the bytes of stage lloydmax; accepted: fp16"));
    EXPECT_THAT(lacks("window(128){fp16} rest{q8_0}"),
                testing::HasSubstr("other rules for some layers, heads or tokens"));
    std::vector<float> values(64);
    KvView const view{values.data(), ElementType::f32, {1, 1, 1, 64}, {64, 64, 64}};
    EXPECT_THROW(StoredTensor(Codec::parse("int:bits=3"), Component::k, view, BackendKind::openmp), NotApplicable);
}

}  // namespace
}  // namespace kvstone
