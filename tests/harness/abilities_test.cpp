// What programs of attempts say they can do, and what becomes of cells that they cannot make.

#include "harness/attempts/abilities.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/backend.hpp"
#include "backends/kernels/simd_target.hpp"
#include "harness/attempts/attempt.hpp"
#include "scenarios/errors.hpp"
#include "tests/places.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

class AbilitiesTest : public testing::Test {
  protected:
    void TearDown() override { unsetenv(attempt_variable); }
    void use(std::string const& program) const { setenv(attempt_variable, program.c_str(), 1); }
    void use_script(std::string const& line) const {
        folder_.write("script", "#!/bin/sh\n" + line + "\n");
        std::filesystem::permissions(folder_ / "script", std::filesystem::perms::owner_all);
        use(folder_ / "script");
    }
    Abilities asked() { return abilities_of_attempts(spawner_); }

    ScratchFolder folder_;
    Spawner spawner_;
};

TEST_F(AbilitiesTest, OfThisBuildAreThoseOfItsProgram) {
    auto const own = asked();
    EXPECT_EQ(own, (Abilities{advertised_backends(), simd_target()}));
    use(programs_folder() + "/kvstone-attempt");
    EXPECT_EQ(asked(), own);
}

TEST_F(AbilitiesTest, OfAnotherProgramAreWhatItSays) {
    use_script(R"(test "$1" = --abilities && echo '{"backends":["openmp","arm"],"vector_units":"sve2"}' >&3)");
    EXPECT_EQ(asked(), (Abilities{{"openmp", "arm"}, "sve2"}));
}

TEST_F(AbilitiesTest, AProgramWithoutAnAnswerIsAnErrorWithItsWords) {
    for (std::string const line :
         {"echo cannot start >&2; exit 2", "echo cannot start", "echo '{\"backends\":[]}' >&3; echo cannot start",
          "echo '{\"backends\":[],\"vector_units\":\"x\"}' >&3; echo cannot start; exit 1"}) {
        use_script(line);
        try {
            asked();
            ADD_FAILURE() << line;
        } catch (SystemError const& error) {
            EXPECT_THAT(error.what(), testing::HasSubstr("/script: the program does not say")) << line;
            EXPECT_THAT(error.what(), testing::HasSubstr("cannot start")) << line;
        }
    }
}

TEST_F(AbilitiesTest, AnAttemptTellsItsVectorUnitsAndSkipsBackendsThatItHasNot) {
    use(programs_folder() + "/kvstone-attempt");
    AttemptRequest request;
    auto& cell = request.cell;
    cell.workload = "roundtrip";
    cell.source = {{"kind", "synthetic"}, {"layers", 1}, {"kv_heads", 1}, {"head_dim", 64}};
    cell.locator = Json::object();
    cell.context = 64;
    cell.codec = "int8";
    cell.threads = 1;
    request.measure.timing = false;
    for (auto const& backend : known_backends()) {
        cell.backend = backend;
        identify(cell);
        auto const m = run_attempt(spawner_, request);
        EXPECT_EQ(m.host.at("vector_units"), simd_target());
        if (std::ranges::count(advertised_backends(), backend) > 0) {
            EXPECT_EQ(m.status, Status::ok) << m.reason;
            continue;
        }
        EXPECT_EQ(m.status, Status::skipped) << m.reason;
        EXPECT_THAT(m.reason, testing::StartsWith("backend '" + backend + "' is not on this build and machine"));
        EXPECT_THAT(m.reason, testing::HasSubstr("openmp"));
    }
}

}  // namespace
}  // namespace kvstone
