#include "harness/external/library_server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <memory>
#include <optional>
#include <span>

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "harness/external/frame.hpp"
#include "harness/external/loaded_library.hpp"
#include "results/record/file_descriptor.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Standard input and output become the library's: it may print, and reads nothing.
class Channel {
  public:
    Channel()
        : requests_(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10)), answers_(fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10)) {
        dup2(STDERR_FILENO, STDOUT_FILENO);
        FileDescriptor const nothing(open("/dev/null", O_RDONLY));
        dup2(nothing.get(), STDIN_FILENO);
    }
    /// False where no more will come.
    bool receive(FrameReader& request) const {
        std::array<std::byte, 65536> block;
        while (!request.complete()) {
            auto const got = read(requests_.get(), block.data(), block.size());
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return false;
            request.take({block.data(), static_cast<std::size_t>(got)});
        }
        return true;
    }
    void send(Json const& header, std::span<std::byte const> body) const {
        auto const head = frame_head(header, body.size());
        write_all(answers_, std::as_bytes(std::span(head)), "cannot answer");
        write_all(answers_, body, "cannot answer");
    }

  private:
    FileDescriptor requests_, answers_;
};

kvstone_section section_of(Json const& request) {
    std::array<std::uint64_t, 7> const box = request.at("box");
    kvstone_section section{};
    section.component = request.at("component") == "v" ? KVSTONE_V : KVSTONE_K;
    section.layers = box[0];
    section.heads = box[1];
    section.tokens = box[2];
    section.dim = box[3];
    section.first_layer = box[4];
    section.first_head = box[5];
    section.first_token = box[6];
    return section;
}

class Server {
  public:
    Server(std::string const& path, std::map<std::string, std::string> const& options) {
        try {
            library_.emplace(path, options);
        } catch (LibraryRefusal const& refusal) {
            refusal_ = refusal;
        }
    }

    void answer(Channel const& channel, Json const& request, std::span<std::byte const> body) {
        try {
            if (refusal_) throw LibraryRefusal(*refusal_);
            answer_call(channel, request, body);
        } catch (LibraryRefusal const& refusal) {
            channel.send({{"refused", {{"kind", refusal.kind()}, {"text", refusal.what()}}}}, {});
        } catch (std::bad_alloc const&) {
            channel.send({{"refused", {{"kind", "out_of_memory"}, {"text", "no memory for values and bytes"}}}}, {});
        }
    }

  private:
    void answer_call(Channel const& channel, Json const& request, std::span<std::byte const> body) {
        auto const& call = request.at("call");
        if (call == "describe") return channel.send({{"description", library_->description()}}, {});
        auto const section = section_of(request);
        if (call == "max_bytes") return channel.send({{"bytes", library_->max_bytes(section)}}, {});
        auto& given = call == "encode" ? values_ : bytes_;
        given.resize(body.size());
        std::ranges::copy(body, given.data());
        if (call == "encode") {
            auto const done = library_->encode(section, values_, bytes_);
            channel.send({{"ns", done.ns}}, {bytes_.data(), done.bytes});
        } else {
            auto const done = library_->decode(section, bytes_, values_);
            channel.send({{"ns", done.ns}}, {values_.data(), values_.size()});
        }
    }

    std::optional<LoadedLibrary> library_;
    std::optional<LibraryRefusal> refusal_;
    GuardedMemory values_, bytes_;
};

}  // namespace

int serve_library(std::string const& path, std::vector<std::string> const& options) {
    std::map<std::string, std::string> given;
    for (auto const& option : options) {
        auto const sign = option.find('=');
        given.emplace(option.substr(0, sign), sign == std::string::npos ? "" : option.substr(sign + 1));
    }
    prctl(PR_SET_NAME, "kvstone-library");
    Channel const channel;
    Server server(path, given);
    while (true) {
        FrameReader request(std::numeric_limits<std::uint64_t>::max());
        if (!channel.receive(request)) return 0;
        server.answer(channel, request.header(), request.body());
    }
}

}  // namespace kvstone
