// The page: parts put into their places.

#include <map>
#include <ostream>

#include "results/report/assets.hpp"
#include "results/report/json_text.hpp"
#include "results/report/page_data.hpp"
#include "results/report/report.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

bool has_charts() { return !chart_library().empty(); }

void write_html_report(Store const& store, std::ostream& out, ReportOptions const& options) {
    if (!has_charts())
        throw ConfigError(
            "this build has no chart library: ask for --format md, or install Chart.js (package libjs-chart.js, or "
            "-DKVSTONE_CHARTS=FILE for cmake) and build again");
    auto const data = page_data(store, options);
    std::map<std::string_view, std::string_view> const parts{{"style", report_style()},
                                                             {"library", chart_library()},
                                                             {"library_origin", chart_library_origin()},
                                                             {"data", data},
                                                             {"script", report_script()}};
    auto page = report_page();
    while (!page.empty()) {
        auto const begin = page.find("{{");
        out << page.substr(0, begin);
        if (begin == std::string_view::npos) break;
        auto const end = page.find("}}", begin);
        out << parts.at(page.substr(begin + 2, end - begin - 2));
        page = page.substr(end + 2);
    }
}

}  // namespace kvstone
