#include "results/query/export.hpp"

#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

ExportFormat export_format_named(std::string const& name) {
    if (name == "csv") return ExportFormat::csv;
    if (name == "jsonl") return ExportFormat::jsonl;
    if (name == "google-benchmark") return ExportFormat::google_benchmark;
    if (name == "junit") return ExportFormat::junit;
    if (name == "datasette") return ExportFormat::datasette;
    throw ConfigError("unknown format", name, {"csv", "jsonl", "google-benchmark", "junit", "datasette"});
}

void export_campaign(Store const& store, std::ostream& out, ExportFormat format, std::string const& campaign) {
    if (format == ExportFormat::datasette) return export_datasette(store, out);
    auto const meant = campaign_meant(store, campaign);
    auto const latest = [&](TableFormat as) {
        print_rows(out, store, "SELECT * FROM v_latest WHERE campaign = ?1", {meant}, as);
    };
    switch (format) {
        case ExportFormat::csv:
            return latest(TableFormat::csv);
        case ExportFormat::jsonl:
            return latest(TableFormat::jsonl);
        case ExportFormat::google_benchmark:
            return export_google_benchmark(store, out, meant);
        case ExportFormat::junit:
            return export_junit(store, out, meant);
        case ExportFormat::datasette:
            break;
    }
}

}  // namespace kvstone
