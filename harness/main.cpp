#include "harness/cli/cli.hpp"
#include "results/record/processor.hpp"

// Before every constructor of the program.
[[gnu::constructor(101)]] static void look_at_processor() { kvstone::require_processor("kvstone"); }

int main(int argc, char** argv) { return kvstone::kvstone_main(argc, argv); }
