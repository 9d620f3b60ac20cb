// npz: a zip archive whose members NAME.npy are npy arrays, stored or deflated.

#include <algorithm>

#include <fmt/format.h>
#include <zip.h>

#include "harness/sources/npy.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct Member {
    zip_uint64_t index = 0;
    std::uint64_t declared_bytes = 0;
    std::size_t data_offset = 0;
};

using Stream = std::unique_ptr<zip_file_t, decltype(&zip_fclose)>;

class NpzFile : public ArrayFile {
  public:
    explicit NpzFile(std::string const& path) : archive_(nullptr, &zip_discard) {
        path_ = path;
        int code = 0;
        archive_.reset(zip_open(path.c_str(), ZIP_RDONLY, &code));
        if (archive_ == nullptr) {
            zip_error_t error;
            zip_error_init_with_code(&error, code);
            auto const reason = fmt::format("{}: {}", path, zip_error_strerror(&error));
            bool const system = code == ZIP_ER_NOENT || code == ZIP_ER_OPEN || code == ZIP_ER_READ;
            zip_error_fini(&error);
            if (system) throw SystemError(reason);
            throw CorruptData(reason);
        }
        auto const entries = zip_get_num_entries(archive_.get(), 0);
        for (zip_int64_t i = 0; i < entries; ++i) take_member(static_cast<zip_uint64_t>(i));
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        auto const& member = members_.at(name);
        auto stream = open(member.index, name);
        std::vector<std::byte> header(member.data_offset);
        read(stream, header, name);
        auto values = std::make_shared<std::vector<std::byte>>(member.declared_bytes - member.data_offset);
        read(stream, *values, name);
        // Reading on is what makes libzip compare the length and the checksum.
        std::byte more{};
        auto const rest = zip_fread(stream.get(), &more, 1);
        if (rest != 0) {
            throw CorruptData(fmt::format("{}: member '{}': {}", path_, name,
                                          rest > 0 ? "longer than declared" : zip_file_strerror(stream.get())));
        }
        return {values, values->data()};
    }

  private:
    Stream open(zip_uint64_t index, std::string const& name) const {
        Stream stream(zip_fopen_index(archive_.get(), index, 0), &zip_fclose);
        if (stream == nullptr) {
            throw CorruptData(fmt::format("{}: member '{}': {}", path_, name, zip_strerror(archive_.get())));
        }
        return stream;
    }

    void read(Stream const& stream, std::span<std::byte> into, std::string const& name) const {
        std::size_t done = 0;
        while (done < into.size()) {
            auto const count = zip_fread(stream.get(), into.data() + done, into.size() - done);
            if (count <= 0) {
                throw CorruptData(fmt::format("{}: member '{}': {}", path_, name,
                                              count == 0 ? "shorter than declared" : zip_file_strerror(stream.get())));
            }
            done += static_cast<std::size_t>(count);
        }
    }

    void take_member(zip_uint64_t index) {
        constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
        zip_stat_t status;
        if (zip_stat_index(archive_.get(), index, 0, &status) != 0 || (status.valid & needed) != needed) {
            throw CorruptData(fmt::format("{}: member {} has no name or size", path_, index));
        }
        std::string name = status.name;
        if (!name.ends_with(".npy")) return;
        name.resize(name.size() - 4);
        // Deflate cannot do better than 1032 to 1: a member that declares more is a lie, not a large array.
        if (status.size / 1032 > status.comp_size + 1) {
            throw CorruptData(fmt::format("{}: member '{}' declares {} bytes out of {} compressed ones", path_, name,
                                          status.size, status.comp_size));
        }
        auto stream = open(index, name);
        std::vector<std::byte> start(std::min<std::size_t>(status.size, npy_header_limit_bytes));
        read(stream, start, name);
        auto const what = fmt::format("{}: member '{}'", path_, name);
        auto const header = parse_npy_header(start, what);
        auto const value_bytes = array_bytes(header.info.shape, header.info.element_bytes, what);
        if (header.info.element_bytes != 0 && value_bytes != status.size - header.data_offset) {
            throw CorruptData(fmt::format("{}: {} values of {} need {} bytes, {} are declared", what,
                                          shape_text(header.info.shape), header.info.dtype, value_bytes,
                                          status.size - header.data_offset));
        }
        if (!arrays_.emplace(name, header.info).second) throw CorruptData(what + " stands twice");
        members_[name] = {index, status.size, header.data_offset};
    }

    std::unique_ptr<zip_t, decltype(&zip_discard)> archive_;
    std::map<std::string, Member> members_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_npz(std::string const& path) { return std::make_unique<NpzFile>(path); }

}  // namespace kvstone
