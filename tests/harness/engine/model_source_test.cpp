#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/captures/capture_cache.hpp"
#include "harness/captures/load_tensors.hpp"
#include "harness/engine/model_capture.hpp"
#include "harness/planning/vocabulary.hpp"
#include "harness/sources/rope.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/shared_captures.hpp"
#include "tests/harness/source_test_files.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

constexpr Needs everything{.k = true, .v = true, .k_prerope = true, .q = true};

class Stories : public ::testing::Test {
  protected:
    void SetUp() override {
        auto const model = test_data("models/stories260K.gguf");
        auto const text = test_data("text/tinystories_val_794k.txt");
        if (!model || !text) GTEST_SKIP() << "stories260K.gguf or its text is not among the test data";
        model_ = model->string();
        text_ = text->string();
    }
    std::string model_;
    std::string text_;
};

/// Largest over median of the channels' root mean squares, over all heads of one layer.
double channel_ratio(HostTensor const& tensor, std::uint64_t layer) {
    auto const& shape = tensor.shape;
    auto const values = floats(tensor);
    std::vector<double> rms(shape.heads * shape.dim);
    for (std::uint64_t head = 0; head < shape.heads; ++head) {
        for (std::uint64_t token = 0; token < shape.tokens; ++token) {
            for (std::uint64_t c = 0; c < shape.dim; ++c) {
                double const value = values[((layer * shape.heads + head) * shape.tokens + token) * shape.dim + c];
                rms[head * shape.dim + c] += value * value;
            }
        }
    }
    std::sort(rms.begin(), rms.end());
    return std::sqrt(rms.back() / rms[rms.size() / 2]);
}

double largest(HostTensor const& tensor) {
    double result = 0;
    for (auto const value : floats(tensor)) result = std::max(result, std::abs(double{value}));
    return result;
}

double relative_error(HostTensor const& ours, HostTensor const& theirs) {
    auto const a = floats(ours);
    auto const b = floats(theirs);
    double error = 0;
    double norm = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        error += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
        norm += double{b[i]} * b[i];
    }
    return std::sqrt(error / norm);
}

TEST_F(Stories, CapturesTheKnownShapeAndOutliers) {
    auto const tensors = capture_model(model_, text_, 256, everything);
    ASSERT_TRUE(tensors.k && tensors.v && tensors.k_prerope && tensors.q && tensors.rope);
    EXPECT_EQ(tensors.k->shape, (KvShape{5, 4, 256, 8}));
    EXPECT_EQ(tensors.v->shape, (KvShape{5, 4, 256, 8}));
    EXPECT_EQ(tensors.q->shape, (KvShape{5, 8, 256, 8}));
    for (std::uint64_t layer = 0; layer < 5; ++layer) {
        auto const before = channel_ratio(*tensors.k_prerope, layer);
        auto const after = channel_ratio(*tensors.k, layer);
        auto const v = channel_ratio(*tensors.v, layer);
        std::printf("layer %d: channel RMS max/median: K %.2f (before RoPE %.2f), V %.2f\n", static_cast<int>(layer),
                    after, before, v);
        // RoPE shares an outlier with its pair, so that K after it shows less, the less the longer the context.
        EXPECT_GT(before, 5) << layer;
        EXPECT_LT(before, 7) << layer;
        EXPECT_GT(after, 4.4) << layer;
        EXPECT_LT(after, 7) << layer;
        EXPECT_LT(v, 1.8) << layer;
    }
    EXPECT_GT(largest(*tensors.k), 24);
    EXPECT_LT(largest(*tensors.k), 29);
    EXPECT_LT(largest(*tensors.v), 3.6);
}

TEST_F(Stories, ReadsOnlyTheTextItNeeds) {
    ScratchFolder const folder;
    auto const whole = read_file(text_);
    // Short enough to be tokenized to its end, and long enough to be cut: the first tokens are the same.
    auto const short_text = folder.write("short.txt", whole.substr(0, 40'000));
    auto const of_short = capture_model(model_, short_text, 700, {});
    auto const of_whole = capture_model(model_, text_, 700, {});
    EXPECT_EQ(floats(*of_short.k), floats(*of_whole.k));
}

TEST_F(Stories, OurRopeIsTheEnginesRope) {
    auto const tensors = capture_model(model_, text_, 600, everything);
    ASSERT_TRUE(tensors.rope);
    EXPECT_EQ(tensors.rope->dims, 8U);
    EXPECT_TRUE(tensors.rope->interleaved);
    EXPECT_LT(relative_error(rotate(*tensors.k_prerope, *tensors.rope, false), *tensors.k), 1e-5);
    EXPECT_LT(relative_error(rotate(*tensors.k, *tensors.rope, true), *tensors.k_prerope), 1e-5);
    // The other pairing, another base and no rotation at all are told apart.
    auto other = *tensors.rope;
    other.interleaved = false;
    EXPECT_GT(relative_error(rotate(*tensors.k_prerope, other, false), *tensors.k), 1e-2);
    other = *tensors.rope;
    other.base = 9000;
    EXPECT_GT(relative_error(rotate(*tensors.k_prerope, other, false), *tensors.k), 1e-3);
    EXPECT_GT(relative_error(*tensors.k_prerope, *tensors.k), 1e-2);
}

TEST_F(Stories, CapturesOnlyWhatIsNeededAndTheSameValues) {
    auto const all = capture_model(model_, text_, 100, everything);
    auto const some = capture_model(model_, text_, 100, {});
    EXPECT_FALSE(some.q || some.k_prerope);
    EXPECT_EQ(floats(*some.k), floats(*all.k));
    EXPECT_EQ(floats(*some.v), floats(*all.v));
}

TEST_F(Stories, RefusesWhatItCannotCapture) {
    ScratchFolder const folder;
    auto const text = folder.write("short.txt", "Once upon a time");
    EXPECT_THAT(message_of<ConfigError>([&] { capture_model(model_, text, 512, {}); }),
                ::testing::ContainsRegex("has [0-9]+ tokens for a context of 512"));
    EXPECT_THAT(message_of<ConfigError>([&] { capture_model(model_, text_, 4096, {}); }), HasSubstr("2048"));
    EXPECT_THAT(message_of<CorruptData>([&] { capture_model(text_, text_, 16, {}); }), HasSubstr("not a GGUF"));
    EXPECT_THAT(message_of<SystemError>([&] { capture_model(folder / "absent", text_, 16, {}); }), HasSubstr("absent"));
    auto const cut = folder.write("cut.gguf", read_file(model_).substr(0, 600'000));
    EXPECT_THAT(message_of<CorruptData>([&] { capture_model(cut, text_, 16, {}); }), HasSubstr("cut.gguf"));
    auto const header_only = folder.write("header.gguf", read_file(model_).substr(0, 30));
    EXPECT_THAT(message_of<CorruptData>([&] { capture_model(header_only, text_, 16, {}); }), HasSubstr("header.gguf"));
}

TEST_F(Stories, LoadsThroughTheCache) {
    ScratchFolder const cache;
    auto const* const before = std::getenv("XDG_CACHE_HOME");
    std::string const old = before == nullptr ? "" : before;
    ::setenv("XDG_CACHE_HOME", (cache / "").c_str(), 1);
    Json const source{{"kind", "model"}, {"sha256", "m"}, {"text_sha256", "t"}};
    auto const first = load_tensors(source, {{"path", model_}, {"text", text_}}, 64);
    // The second time the files of the locator are not looked at: they need not exist.
    auto const second = load_tensors(source, {{"path", "gone"}, {"text", "gone"}}, 64);
    EXPECT_EQ(floats(*first.k), floats(*second.k));
    EXPECT_EQ(floats(*first.v), floats(*second.v));
    ASSERT_TRUE(second.rope);
    EXPECT_EQ(second.rope->base, first.rope->base);
    EXPECT_THROW(load_tensors(source, {{"path", "gone"}, {"text", "gone"}}, 65), SystemError);
    before == nullptr ? ::unsetenv("XDG_CACHE_HOME") : ::setenv("XDG_CACHE_HOME", old.c_str(), 1);
}

/// Whichever workload comes first, the model reads the text once.
TEST_F(Stories, OneCaptureServesWorkloadsThatNeedMoreAndLess) {
    auto const* const before = std::getenv("XDG_CACHE_HOME");
    std::string const old = before == nullptr ? "" : before;
    std::vector<Cell> cells;
    for (auto const* workload : {"roundtrip", "attention", "model"}) {
        Cell cell;
        cell.workload = workload;
        cell.source = {{"kind", "model"}, {"sha256", "m"}, {"text_sha256", "t"}};
        cell.locator = {{"path", model_}, {"text", text_}};
        cell.context = 64;
        cells.push_back(cell);
    }
    auto const captures_of = [](std::vector<Cell> const& of) {
        ScratchFolder const cache;
        ::setenv("XDG_CACHE_HOME", (cache / "").c_str(), 1);
        for (auto const& cell : of) {
            auto const tensors =
                load_tensors(cell.source, cell.locator, cell.context, {.q = cell.workload == "attention"});
            EXPECT_EQ(tensors.q.has_value(), cell.workload == "attention");
            EXPECT_TRUE(tensors.k && tensors.v && !tensors.k_prerope);
        }
        return list_captures(capture_folder()).size();
    };
    EXPECT_EQ(captures_of({cells[0], cells[1]}), 2U) << "nobody has said that queries will be needed";
    share_captures(cells, vocabulary());
    EXPECT_EQ(captures_of({cells[0], cells[1]}), 1U);
    EXPECT_EQ(captures_of({cells[1], cells[0]}), 1U);
    EXPECT_FALSE(cells[2].locator.contains("queries"));
    cells[1].workload = "append";
    for (auto& cell : cells) cell.locator.erase("queries");
    share_captures(cells, vocabulary());
    EXPECT_FALSE(cells[0].locator.contains("queries"));
    before == nullptr ? ::unsetenv("XDG_CACHE_HOME") : ::setenv("XDG_CACHE_HOME", old.c_str(), 1);
}

}  // namespace
}  // namespace kvstone
