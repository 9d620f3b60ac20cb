// Zip archives, a part of which was replaced: as arrays they are read or refused as CorruptData or ConfigError; unpacked,
// all that they hold lies in the folder they were unpacked to, or nothing does.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "harness/files/unpack.hpp"
#include "harness/files/zip_writer.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/spliced.hpp"
#include "tests/harness/source_test_files.hpp"

namespace fs = std::filesystem;

namespace kvstone {
namespace {

/// Two arrays and a text, deflated or stored, whichever is shorter.
std::string good_archive(std::string const& path) {
    ZipWriter archive(path);
    archive.add_text("k.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 4), }\n",
                                        std::string(64, 'x').replace(0, 16, "0123456789abcdef")));
    archive.add_text("below/v.npy", npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 4), }\n",
                                              std::string(64, '\0')));
    archive.add_text("..README.md", "# Two arrays\n");  // one byte from leading elsewhere
    archive.close();
    auto bytes = read_file(path);
    fs::remove(path);
    return bytes;
}

void read_arrays(std::string const& path) {
    auto const file = open_npz(path);
    load_arrays(*file, {{"k", "k"}, {"v", "below/v"}, {"layout", "head token dim"}}, 0, {.k = true, .v = true});
}

std::ptrdiff_t files_below(fs::path const& folder) {
    return std::ranges::count_if(fs::recursive_directory_iterator(folder),
                                 [](auto const& entry) { return !entry.is_directory(); });
}

}  // namespace
}  // namespace kvstone

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace kvstone;
    static ScratchFolder const scratch;
    static auto const good = good_archive(scratch / "good.zip");
    MemoryFile const input(spliced(good, data, size));
    try {
        read_arrays(input.path());
    } catch (CorruptData const&) {
        if (size < least_altering) throw;
    } catch (ConfigError const&) {
        if (size < least_altering) throw;
    }
    fs::path const folder = scratch / "folder";
    try {
        ZipReader const archive(input.path());
        unpack(archive, folder.string());
        auto const is_file = [](ZipMember const& member) { return !member.name.ends_with('/'); };
        if (files_below(folder) != std::ranges::count_if(archive.members(), is_file)) std::abort();
    } catch (CorruptData const&) {
        if (size < least_altering) throw;
    }
    for (auto const& entry : fs::directory_iterator(folder.parent_path()))
        if (entry.path() != folder) std::abort();
    fs::remove_all(folder);
    return 0;
}
