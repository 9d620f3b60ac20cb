// npz: a zip archive whose members NAME.npy are npy arrays, stored or deflated.

#include <algorithm>

#include <fmt/format.h>

#include "harness/files/npy.hpp"
#include "harness/files/zip_reader.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

class NpzFile : public ArrayFile {
  public:
    explicit NpzFile(std::string const& path) : archive_(path) {
        path_ = path;
        for (auto const& member : archive_.members())
            if (member.name.ends_with(".npy")) take_member(member);
    }

    std::shared_ptr<std::byte const> bytes(std::string const& name) const override {
        auto const& array = places_.at(name);
        ZipReader::Stream stream(archive_, *array.member);
        std::vector<std::byte> header(array.data_offset);
        stream.read(header);
        auto values = std::make_shared<std::vector<std::byte>>(array.member->bytes - array.data_offset);
        stream.read(*values);
        stream.expect_end();
        return {values, values->data()};
    }

  private:
    struct Place {
        ZipMember const* member;
        std::size_t data_offset;
    };

    void take_member(ZipMember const& member) {
        auto const name = member.name.substr(0, member.name.size() - 4);
        std::vector<std::byte> start(std::min<std::size_t>(member.bytes, npy_header_limit_bytes));
        ZipReader::Stream(archive_, member).read(start);
        auto const what = fmt::format("{}: member '{}'", path_, name);
        auto const header = parse_npy_header(start, what);
        auto const value_bytes = array_bytes(header.info.shape, header.info.element_bytes, what);
        if (header.info.element_bytes != 0 && value_bytes != member.bytes - header.data_offset) {
            throw CorruptData(fmt::format("{}: {} values of {} need {} bytes, {} are declared", what,
                                          shape_text(header.info.shape), header.info.dtype, value_bytes,
                                          member.bytes - header.data_offset));
        }
        if (!arrays_.emplace(name, header.info).second) throw CorruptData(what + " stands twice");
        places_[name] = {&member, header.data_offset};
    }

    ZipReader archive_;
    std::map<std::string, Place> places_;
};

}  // namespace

std::unique_ptr<ArrayFile> open_npz(std::string const& path) { return std::make_unique<NpzFile>(path); }

}  // namespace kvstone
