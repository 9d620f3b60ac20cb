// Promises of every registered stage about its stored bytes: each of them matters, and wrong ones do no harm.

#include <gtest/gtest.h>

#include "codecs/container/container.hpp"
#include "scenarios/errors.hpp"
#include "tests/codecs/conformance.hpp"

namespace kvstone {
namespace {

class ConformanceOfBytes : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Registry, ConformanceOfBytes, testing::ValuesIn(conformance_examples()),
                         [](auto const& one) { return test_name_of(one.param); });

TEST_P(ConformanceOfBytes, TruncatedOrAlteredContainersAreRefused) {
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

TEST_P(ConformanceOfBytes, EveryStoredByteMattersAndNothingCrashes) { EXPECT_EQ(idle_bytes_fault(GetParam()), ""); }

TEST_P(ConformanceOfBytes, HostileHeadersAreRefusedOrHarmless) {
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

}  // namespace
}  // namespace kvstone
