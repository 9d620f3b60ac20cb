#pragma once
// A gate's answer, for people, pull requests and programs.

#include <iosfwd>

#include "results/record/screen.hpp"
#include "results/verdict/record.hpp"

namespace kvstone {

/// Prints counts by rule, the findings that do not pass with their reasons, further notices, and the verdict.
void print_gate(std::ostream& out, GateRecord const& record, Screen const& screen);
/// The same as Markdown, for a job's summary or a comment.
void print_gate_markdown(std::ostream& out, GateRecord const& record);
/// {"gate":UID, "verdict":..., "exit_code":N, "notices":[...], "findings":[...], ...}; null in place of NaN.
Json gate_json(GateRecord const& record);
/// JUnit: a suite for each rule, a test case for each finding. A regression is a failure, a failed or missing finding
/// an error; inconclusive and advisory findings are skipped with their reason.
void print_gate_junit(std::ostream& out, GateRecord const& record);
/// GitHub's workflow commands: ::error and ::warning at the rule's line of the policy.
void print_gate_github(std::ostream& out, GateRecord const& record);

/// One finding in words: the question, the figures, the test, and the reason for the verdict.
std::string explained(GateRecord const& record, Finding const& finding);

}  // namespace kvstone
