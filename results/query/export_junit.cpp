// JUnit's XML, as continuous integration shows it.

#include <ostream>

#include <fmt/ostream.h>

#include "results/query/export.hpp"
#include "results/query/show_text.hpp"
#include "results/record/build.hpp"
#include "results/record/text.hpp"
#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

constexpr auto cases_sql = R"sql(
SELECT title, codec_name, coalesce(o.status, 'missing'), a.reason, a.stderr_tail, coalesce(a.wall_ns, 0) / 1e9,
  (SELECT group_concat(printf('%s of %s is %.6g, wanted %s', t.metric, t.component, t.value,
      iif(t.value < t.at_least, printf('at least %.6g', t.at_least), printf('at most %.6g', t.at_most))), '; ')
    FROM v_targets t WHERE t.campaign = c.uid AND t.cell = x.uid AND t.verdict = 'fail'), e.required
FROM expected e
JOIN campaign c ON c.id = e.campaign AND c.uid = ?
JOIN (SELECT *, {} AS title FROM cell) x ON x.id = e.cell
LEFT JOIN v_outcome o ON o.campaign = e.campaign AND o.cell = e.cell
LEFT JOIN attempt a ON a.id = o.attempt
WHERE e.process = 0 ORDER BY e.position
)sql";

}  // namespace

void export_junit(Store const& store, std::ostream& out, std::string const& campaign) {
    Statement totals(store.connection(), "SELECT scenario, started_utc, git_sha, " + campaign_build_sql("?1") +
                                             " FROM v_campaign WHERE campaign = ?1");
    totals.with(campaign).step();
    Statement select(store.connection(), fmt::format(fmt::runtime(cases_sql), title_sql("nullif(options, '{}')")));
    select.with(campaign);
    std::string cases;
    int all = 0, failures = 0, errors = 0, skipped = 0;
    while (select.step()) {
        auto const status = select.text(2);
        cases += fmt::format("  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3f}\">", xml_text(select.text(0)),
                             xml_text(select.text(1)), select.real(5));
        auto const say = [&](char const* element, std::string const& message) {
            cases += fmt::format("\n    <{0} type=\"{1}\" message=\"{2}\">{3}</{0}>", element, status,
                                 xml_text(message), xml_text(select.text(4)));
        };
        ++all;
        if (status == "ok" && !select.is_null(6)) {
            ++failures;
            say("failure", select.text(6));
        } else if (status == "verify_failed") {
            ++failures;
            say("failure", select.text(3));
        } else if (status == "skipped" && select.integer(7) == 0) {
            ++skipped;
            cases += fmt::format("\n    <skipped message=\"{}\"/>", xml_text(select.text(3)));
        } else if (status != "ok") {
            ++errors;
            say("error", status == "missing" ? "not every process of this cell was tried" : select.text(3));
        }
        cases += "</testcase>\n";
    }
    fmt::print(out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" "
               "errors=\"{}\" skipped=\"{}\" timestamp=\"{}\">\n  <properties>\n    <property name=\"campaign\" "
               "value=\"{}\"/>\n    <property name=\"git_sha\" value=\"{}\"/>\n    <property name=\"build\" "
               "value=\"{}\"/>\n  </properties>\n{}</testsuite>\n",
               xml_text(totals.text(0)), all, failures, errors, skipped, xml_text(totals.text(1)), campaign,
               xml_text(totals.text(2)), totals.text(3), cases);
}

}  // namespace kvstone
