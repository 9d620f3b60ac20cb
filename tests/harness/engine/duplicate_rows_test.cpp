// Rows that repeat: K before RoPE and V of a model's first layer depend on the token alone.

#include <set>

#include "harness/engine/engine.hpp"
#include "tests/harness/attempt_fixture.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

class DuplicateRows : public AttemptTest {};

TEST_F(DuplicateRows, OfTheFirstLayerAreItsRepeatedTokens) {
    constexpr std::uint64_t context = 256;
    auto const model = test_data("models/stories260K.gguf");
    auto const text = test_data("text/tinystories_val_794k.txt");
    if (!model || !text) GTEST_SKIP() << "stories260K.gguf or its text is not among the test data";
    auto tokens = Engine(*model).read_tokens(*text, context);
    tokens.resize(context);
    auto const distinct = std::set(tokens.begin(), tokens.end()).size();
    auto const repeated = static_cast<double>(context - distinct) / context;
    ASSERT_GT(repeated, 0.5);
    auto const inspected = run(model_request({*model, *text}, "inspect", "raw", Json::object(), context));
    auto const counted = run(model_request({*model, *text}, "entropy", "fp16", Json::object(), context));
    int looked_at = 0;
    auto const check = [&](Measurement const& measurement) {
        EXPECT_EQ(measurement.status, Status::ok) << measurement.reason;
        for (auto const& profile : measurement.profiles) {
            if (profile.metric != "duplicate_rows") continue;
            bool const by_token = profile.layer == 0 && profile.component != "k";
            // After RoPE a row tells its place; behind the first layer, what stands before it.
            EXPECT_EQ(profile.value, by_token ? repeated : 0) << profile.component << " " << profile.layer;
            if (by_token) ++looked_at;
        }
    };
    check(inspected);
    check(counted);
    EXPECT_EQ(looked_at, 2 * 4 + 1);  // K before RoPE and V of four heads; V of the layer
}

}  // namespace
}  // namespace kvstone
