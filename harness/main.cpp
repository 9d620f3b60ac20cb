#include "harness/cli/cli.hpp"

int main(int argc, char** argv) { return kvstone::kvstone_main(argc, argv); }
