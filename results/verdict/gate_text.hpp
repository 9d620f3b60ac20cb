#pragma once
// A gate's answer, for people, pull requests and programs.

#include <iosfwd>

#include "results/record/screen.hpp"
#include "results/verdict/record.hpp"

namespace kvstone {

/// Counts by rule, what does not pass with the reason, what else has to be known, and the verdict.
void print_gate(std::ostream& out, GateRecord const& record, Screen const& screen);
/// The same as Markdown, for a job's summary or a comment.
void print_gate_markdown(std::ostream& out, GateRecord const& record);
/// {"gate":UID, "verdict":..., "exit_code":N, "notices":[...], "findings":[...], ...}; null, never NaN.
Json gate_json(GateRecord const& record);
/// JUnit: a suite a rule, a case a finding; a regression is a failure, what failed or is missing an error, and what is
/// inconclusive or advisory is skipped with its reason.
void print_gate_junit(std::ostream& out, GateRecord const& record);
/// GitHub's workflow commands: ::error and ::warning at the rule's line of the policy.
void print_gate_github(std::ostream& out, GateRecord const& record);

/// One finding in words: what was asked, what was seen, by which test, and why that means what it means.
std::string explained(GateRecord const& record, Finding const& finding);

}  // namespace kvstone
