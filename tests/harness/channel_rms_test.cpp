#include "harness/workloads/roundtrip/channel_rms.hpp"

#include <limits>
#include <memory>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

HostTensor tensor_of(KvShape const& shape, std::vector<float> const& values) {
    auto const kept = std::make_shared<std::vector<float>>(values);
    return {ElementType::f32, shape, {kept, reinterpret_cast<std::byte const*>(kept->data())}};
}

// Head 0: channel RMS 1, 2, 3, median 2. Head 1: 1, 1, 4 over two tokens (0 and sqrt(32)), median 1.
TEST(ChannelRms, TakesTheLargestRatioOfAnyHead) {
    auto const ratio =
        channel_rms_max_over_median(tensor_of({1, 2, 2, 3}, {1, -2, 3, -1, 2, 3, 1, 1, 0, 1, -1, 5.656854249F}));
    ASSERT_TRUE(ratio);
    EXPECT_NEAR(*ratio, 4, 1e-7);
}

TEST(ChannelRms, IsNothingWhereThereIsNothingToCompare) {
    EXPECT_FALSE(channel_rms_max_over_median(tensor_of({1, 1, 1, 2}, {0, 0})));
    EXPECT_FALSE(channel_rms_max_over_median(tensor_of({1, 1, 0, 2}, {})));
}

TEST(ChannelRms, PassesOverWhatIsNotFinite) {
    float const nan = std::numeric_limits<float>::quiet_NaN();
    auto const ratio = channel_rms_max_over_median(tensor_of({1, 1, 2, 1}, {nan, 2}));
    EXPECT_EQ(*ratio, 1);
}

}  // namespace
}  // namespace kvstone
