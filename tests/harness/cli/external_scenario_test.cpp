// The shipped scenario of codecs from outside, as users run it: one in Python and one in C, beside the stage that does the same.

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"
#include "tests/harness/python_codec.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class ExternalScenario : public ProgramTest {};

TEST_F(ExternalScenario, CodecsInPythonAndInCHaveTheFiguresOfTheStage) {
    if (python_with("numpy") != "python3") GTEST_SKIP() << "python3 has no numpy";
    auto const ended = kvstone(
        "run external --set 'grid.context=[96]' --set measure.repetitions=1 --set 'measure.min_time=1 ms' --db s.db");
    ASSERT_EQ(ended.code, 0) << ended.err;
    auto const answer = [this](std::string const& sql) {
        return shell("kvstone query --db s.db --format csv \"" + sql + "\"").out;
    };
    std::string const those =
        "codec_name IN ('python-int4', 'c-int4', 'int:bits=4,scheme=asymmetric,axis=token,group=64') ";
    // Their arithmetic is one, so every error of K and of V is the same number three times.
    EXPECT_EQ(answer("SELECT workload, metric, count(*) AS figures, count(DISTINCT codec_name) AS codecs, "
                     "count(DISTINCT component || ' ' || value) AS numbers FROM v_latest WHERE " +
                     those +
                     "AND component IN ('k', 'v') AND metric IN ('nmse', 'max_abs_error', 'cosine_min', "
                     "'relative_error_p99') GROUP BY 1, 2 ORDER BY 1, 2"),
              "workload,metric,figures,codecs,numbers\nroundtrip,cosine_min,6,3,2\nroundtrip,max_abs_error,6,3,2\n"
              "roundtrip,nmse,6,3,2\nroundtrip,relative_error_p99,6,3,2\n");
    EXPECT_EQ(
        answer("SELECT metric, count(*) AS figures, count(DISTINCT value) AS numbers FROM v_latest WHERE " + those +
               "AND component = 'kv' AND metric IN ('attention_kl', 'attention_output_error') GROUP BY 1 "
               "ORDER BY 1"),
        "metric,figures,numbers\nattention_kl,3,1\nattention_output_error,3,1\n");
    // 4 layers x 2 heads x 96 tokens, each of 64 values: 4 bits a value, and 4 bytes for the vector.
    EXPECT_EQ(answer("WITH stored AS (SELECT codec_name, component, sum(value) AS bytes FROM v_latest WHERE " + those +
                     "AND workload = 'roundtrip' AND component IN ('k', 'v') AND metric IN ('ledger_payload_bytes', "
                     "'ledger_scales_bytes', 'ledger_zeros_bytes') GROUP BY 1, 2) "
                     "SELECT count(*) AS sums, min(bytes) AS least, max(bytes) AS most FROM stored"),
              "sums,least,most\n6,27648,27648\n");
    EXPECT_EQ(answer("SELECT DISTINCT codec_name, times_of FROM v_latest WHERE codec_name IN ('python-int4', 'c-int4') "
                     "ORDER BY 1"),
              "codec_name,times_of\nc-int4,attempt\npython-int4,command\n");
    // Times of the command alone bear a mark, which is explained once.
    auto const shown = kvstone("show --db s.db").out;
    for (std::string line; auto const& name : {"python-int4 ", "c-int4 "}) {
        auto const at = shown.find(std::string("\n") + name);
        ASSERT_NE(at, std::string::npos) << shown;
        line = shown.substr(at + 1, shown.find('\n', at + 1) - at);
        EXPECT_EQ(line.find('*') != std::string::npos, line.starts_with("python")) << line;
    }
    EXPECT_THAT(shown, HasSubstr("*: the times of a command are those of another process"));
}

}  // namespace
}  // namespace kvstone
