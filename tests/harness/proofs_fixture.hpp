#pragma once
// Attempts in the program with the misbehaving stage.

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#include "tests/harness/attempt_fixture.hpp"

namespace kvstone {

class ProofsTest : public AttemptTest {
  protected:
    void SetUp() override {
        AttemptTest::SetUp();
        setenv("KVSTONE_ATTEMPT", (programs_folder() + "/kvstone-attempt-faults").c_str(), 1);
    }
    /// The reason of a measurement that has to be skipped, without figures.
    static std::string skipped(Measurement const& m) {
        EXPECT_EQ(m.status, Status::skipped) << m.reason << m.stderr_tail;
        EXPECT_TRUE(m.figures.empty());
        return m.reason;
    }
};

/// How the misbehaving stage leaves values unwritten.
inline std::string const left_unwritten[] = {"skip_value", "skip_vector", "skip_head"};

}  // namespace kvstone
