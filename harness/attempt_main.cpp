#include "harness/attempt_process.hpp"

int main(int argc, char** argv) { return kvstone::attempt_main(argc, argv); }
