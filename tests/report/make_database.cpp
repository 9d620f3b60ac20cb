// kvstone-nights FILE [rows | large | year [NIGHTS] | weights]: a database of 100,000 figures, of 10,000 cells with a million
// samples, of 275 cells every night of a year, or of pairs of weights and codec.

#include <cstdlib>
#include <string_view>

#include "tests/report/nights.hpp"
#include "tests/report/weights.hpp"

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    if (argc > 2 && std::string_view(argv[2]) == "weights") {
        kvstone::test::write_weights(argv[1]);
        return 0;
    }
    kvstone::test::Nights nights;
    if (argc > 2 && std::string_view(argv[2]) == "large")
        nights = {.campaigns = 1, .codecs = 100, .sources = 20, .metrics_per_component = 30, .samples = 100};
    if (argc > 2 && std::string_view(argv[2]) == "year")
        nights = argc > 3 ? kvstone::test::year(std::atoi(argv[3])) : kvstone::test::year();
    kvstone::test::write_nights(argv[1], nights);
    return 0;
}
