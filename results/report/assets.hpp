#pragma once
// Files that are part of the program: written by embed.cmake at build time.

#include <string_view>

namespace kvstone {

/// The minified chart library; empty where the build found none.
std::string_view chart_library();
/// Its name, version, licence and copyright; empty where the build found none.
std::string_view chart_library_origin();
/// The page with `{{name}}` where the parts go.
std::string_view report_page();
std::string_view report_style();
/// Every script of results/report/assets, in the order of their names.
std::string_view report_script();

}  // namespace kvstone
