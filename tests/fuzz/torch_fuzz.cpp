// libFuzzer: the pickle of a file of torch.save()'s, below the archive's checksums: the input itself, or a good one with a
// part replaced. Anything but tensors, CorruptData or ConfigError is a finding.

#include <cstdint>

#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"
#include "tests/fuzz/spliced.hpp"
#include "tests/harness/torch_files.hpp"

namespace kvstone {
namespace {

std::map<std::string, std::string> const storages{{"0", std::string(32, 'x')}, {"1", std::string(8, '\0')}};

std::string good_pickle() {
    return pickled::program(pickled::dict({{"k", pickled::tensor({"FloatStorage", "0", 8, {1, 2, 2, 2}, {8, 2, 4, 1}})},
                                           {"v", pickled::tuple({pickled::tensor("HalfStorage", "1", {2, 2})})}}));
}

void read(std::string const& folder, std::string const& pickle) {
    auto const file = open_torch(pickled::write_archive(folder + "/f.pt", pickle, storages));
    for (auto const& [name, info] : file->arrays())
        if (info.element_bytes != 0) file->bytes(name);
    load_arrays(*file, {{"k", "k"}}, 0, {.k = true, .v = true});
}

}  // namespace
}  // namespace kvstone

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace kvstone;
    static ScratchFolder const scratch;
    static auto const good = good_pickle();
    try {
        read(scratch.path(), std::string(reinterpret_cast<char const*>(data), size));
    } catch (CorruptData const&) {
    } catch (ConfigError const&) {
    }
    try {
        read(scratch.path(), spliced(good, data, size));
    } catch (CorruptData const&) {
        if (size < least_altering) throw;
    } catch (ConfigError const&) {
        if (size < least_altering) throw;
    }
    return 0;
}
