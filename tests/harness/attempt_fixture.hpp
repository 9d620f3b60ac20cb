#pragma once
// Attempts at cells of the shipped model, or another, in a process and with a cache of their own.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "harness/attempts/attempt.hpp"
#include "harness/sources/builtin.hpp"
#include "scenarios/content_hash.hpp"
#include "tests/harness/source_test_files.hpp"
#include "tests/places.hpp"

namespace kvstone {

struct ModelFiles {
    std::string model = builtin_path("tiny");
    std::string text = builtin_path("builtin");
};

/// An untimed request; other members of the cell may be set before identify().
inline AttemptRequest model_request(ModelFiles const& files, std::string const& workload, std::string const& codec,
                                    Json options, std::uint64_t context) {
    AttemptRequest request;
    auto& cell = request.cell;
    cell.workload = workload;
    cell.options = std::move(options);
    cell.source = {{"kind", "model"}, {"sha256", named_hash(files.model)}, {"text_sha256", named_hash(files.text)}};
    cell.locator = {{"path", files.model}, {"text", files.text}};
    cell.context = context;
    cell.codec = codec;
    cell.backend = "openmp";
    request.measure.timing = false;
    request.measure.timeout_s = 250;
    request.attempt_id = "0123456789abcdef0123456789abcdef";
    return request;
}

class AttemptTest : public testing::Test {
  protected:
    void SetUp() override {
        setenv("KVSTONE_ATTEMPT", (programs_folder() + "/kvstone-attempt").c_str(), 1);
        setenv("XDG_CACHE_HOME", (cache_ / "").c_str(), 1);
    }
    void TearDown() override {
        unsetenv("KVSTONE_ATTEMPT");
        unsetenv("XDG_CACHE_HOME");
    }
    Measurement run(AttemptRequest request) {
        identify(request.cell);
        return run_attempt(spawner_, request);
    }
    /// Of component kv; a failure where there is none.
    static Figure figure(Measurement const& measurement, std::string const& metric) {
        auto const found = std::ranges::find_if(
            measurement.figures, [&](Figure const& one) { return one.component == "kv" && one.metric == metric; });
        if (found != measurement.figures.end() && found->value) return *found;
        ADD_FAILURE() << "no figure " << metric << ": " << measurement.reason << measurement.stderr_tail;
        return {"kv", metric, std::nan(""), 0, {}, {}};
    }
    static double value(Measurement const& measurement, std::string const& metric) {
        return *figure(measurement, metric).value;
    }

    ScratchFolder cache_;

  private:
    Spawner spawner_;
};

}  // namespace kvstone
