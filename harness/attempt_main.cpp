#include "harness/attempt_process.hpp"
#include "results/record/processor.hpp"

// Before every constructor of the program.
[[gnu::constructor(101)]] static void look_at_processor() { kvstone::require_processor("kvstone-attempt"); }

int main(int argc, char** argv) { return kvstone::attempt_main(argc, argv); }
