#pragma once
// A codec library that is loaded into this process. Loading runs the library's code, so the processes that serve one codec
// alone do it (library_server.hpp): a library that crashes ends none other.

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "codecs/external/include/kvstone/codec.h"
#include "harness/external/guarded_memory.hpp"

namespace kvstone {

/// A call that a library refused, or in which it broke a rule of kvstone/codec.h.
class LibraryRefusal : public std::runtime_error {
  public:
    /// `kind`: "failed", "bad_option", "not_applicable", "corrupt" or "out_of_memory".
    LibraryRefusal(std::string kind, std::string const& what) : std::runtime_error(what), kind_(std::move(kind)) {}
    std::string const& kind() const { return kind_; }

  private:
    std::string kind_;
};

class LoadedLibrary {
  public:
    /// Loads the file and makes a codec. Throws LibraryRefusal: not loadable, no kvstone_codec_entry(), another version of the
    /// interface, an incomplete table, no host memory, refused options.
    LoadedLibrary(std::string const& path, std::map<std::string, std::string> const& options);
    ~LoadedLibrary();
    LoadedLibrary(LoadedLibrary const&) = delete;
    LoadedLibrary& operator=(LoadedLibrary const&) = delete;

    /// "NAME VERSION: DESCRIPTION".
    std::string description() const;

    // Of a section without `struct_bytes`, `memory` and `threads`, which are filled in here. All throw LibraryRefusal.

    std::uint64_t max_bytes(kvstone_section section) const;
    struct Call {
        std::uint64_t bytes = 0;  ///< of encode(): the number written
        std::int64_t ns = 0;      ///< of the call alone
    };
    /// `values` has the section's; `bytes` gets room for max_bytes() and then the result.
    Call encode(kvstone_section section, GuardedMemory& values, GuardedMemory& bytes) const;
    /// `bytes` has the stored ones; `values` gets the result. Values that decode() left unwritten are found by decoding a
    /// second time onto memory that was filled in another way.
    Call decode(kvstone_section section, GuardedMemory& bytes, GuardedMemory& values) const;

  private:
    void complete(kvstone_section& section) const;

    void* handle_ = nullptr;
    kvstone_codec_library const* table_ = nullptr;
    kvstone_codec* codec_ = nullptr;
    std::uint32_t threads_ = 1;
};

}  // namespace kvstone
