#pragma once
// Reads zip archives. Their declarations are checked before any content is read.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct zip;       // libzip's archive
struct zip_file;  // and one of its members, being read

namespace kvstone {

struct ZipMember {
    std::string name;  ///< any text; a folder's ends with "/"
    std::uint64_t index = 0;
    std::uint64_t bytes = 0;  ///< unpacked, as it is declared
    bool plain = true;        ///< a file or folder; not a link or device
};

class ZipReader {
  public:
    /// Throws SystemError where the file cannot be read, CorruptData where it is no archive, or its declarations are
    /// impossible.
    explicit ZipReader(std::string path);

    std::string const& path() const { return path_; }
    std::vector<ZipMember> const& members() const { return members_; }

    /// A member's content from its beginning, while the archive is open.
    class Stream {
      public:
        Stream(ZipReader const& archive, ZipMember const& member);
        /// The next bytes. Throws CorruptData where there are fewer, or they cannot be unpacked.
        void read(std::span<std::byte> into);
        /// Throws CorruptData where there are more bytes, or where the checksum differs.
        void expect_end();

      private:
        [[noreturn]] void fail(std::string const& what) const;

        std::string what_;
        std::unique_ptr<zip_file, void (*)(zip_file*)> file_;
    };

  private:
    ZipMember member(std::uint64_t index) const;

    std::string path_;
    std::unique_ptr<zip, void (*)(zip*)> archive_;
    std::vector<ZipMember> members_;
};

}  // namespace kvstone
