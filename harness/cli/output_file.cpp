#include "harness/cli/output_file.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <span>
#include <streambuf>

#include <fmt/format.h>
#include <unistd.h>

#include "harness/cli/progress.hpp"
#include "harness/files/replace_file.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Hands its output to a sink, 64 KiB at a time. An exception of the sink comes out of the stream.
class SinkBuffer : public std::streambuf {
  public:
    explicit SinkBuffer(FileSink const& sink) : sink_(&sink) { setp(buffer_.data(), buffer_.data() + buffer_.size()); }
    std::uint64_t bytes() const { return bytes_; }

  protected:
    int_type overflow(int_type c) override {
        sync();
        if (!traits_type::eq_int_type(c, traits_type::eof())) sputc(traits_type::to_char_type(c));
        return traits_type::not_eof(c);
    }
    int sync() override {
        auto const size = static_cast<std::size_t>(pptr() - pbase());
        setp(buffer_.data(), buffer_.data() + buffer_.size());
        (*sink_)(std::as_bytes(std::span(buffer_.data(), size)));
        bytes_ += size;
        return 0;
    }

  private:
    FileSink const* sink_;
    std::uint64_t bytes_ = 0;
    std::array<char, 1 << 16> buffer_{};
};

std::uint64_t write_into(FileSink const& sink, std::function<void(std::ostream&)> const& write) {
    SinkBuffer buffer(sink);
    std::ostream out(&buffer);
    out.exceptions(std::ios::badbit);
    write(out);
    out.flush();
    return buffer.bytes();
}

bool is_standard_output(std::string const& file) { return file.empty() || file == "-"; }

[[noreturn]] void refuse_standard_output() {
    throw ConfigError(fmt::format("standard output cannot be written: {}", std::strerror(errno)));
}

void write_to_standard_output(std::function<void(std::ostream&)> const& write) {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> const kept(std::tmpfile(), &std::fclose);
    if (!kept) throw SystemError("a temporary file for the output", errno);
    write_into(
        [&](std::span<std::byte const> bytes) {
            if (std::fwrite(bytes.data(), 1, bytes.size(), kept.get()) != bytes.size())
                throw SystemError("the temporary file for the output", errno);
        },
        write);
    if (std::fflush(kept.get()) != 0) throw SystemError("the temporary file for the output", errno);
    std::rewind(kept.get());
    std::array<char, 1 << 16> buffer;
    while (auto const size = std::fread(buffer.data(), 1, buffer.size(), kept.get()))
        std::cout.write(buffer.data(), static_cast<std::streamsize>(size));
    if (!std::cout.flush()) refuse_standard_output();
}

/// Writes the file; returns its bytes. A device or pipe is written to as output comes.
std::uint64_t write_to_file(std::string const& file, std::function<void(std::ostream&)> const& write) {
    if (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file)) {
        std::ofstream out(file);
        write(out);
        if (!out.flush()) throw SystemError(file, errno);
        return 0;
    }
    std::uint64_t bytes = 0;
    replace_file(file, [&](FileSink const& sink) { bytes = write_into(sink, write); });
    return bytes;
}

}  // namespace

void write_output(std::string const& file, std::function<void(std::ostream&)> const& write) {
    if (is_standard_output(file)) return write_to_standard_output(write);
    check_output(file);
    // Exceptions of `write` itself are not about the output.
    std::exception_ptr own;
    auto const guarded = [&](std::ostream& out) {
        try {
            write(out);
        } catch (...) {
            if (out) own = std::current_exception();
            throw;
        }
    };
    try {
        if (auto const bytes = write_to_file(file, guarded)) say(fmt::format("{}: {} bytes", file, bytes));
    } catch (SystemError const& error) {
        if (own) throw;
        throw ConfigError(fmt::format("the output cannot be written: {}", error.what()), file);
    }
}

void write_output(std::string const& file, std::string const& text) {
    if (is_standard_output(file)) {
        if (!(std::cout << text).flush()) refuse_standard_output();
        return;
    }
    write_output(file, [&](std::ostream& out) { out << text; });
}

void check_output(std::string const& file) {
    if (file.empty()) return;
    if (file == "-") throw ConfigError("this output has to be a file", file, {"./-, a file of that name"});
    if (std::filesystem::is_directory(file)) throw ConfigError("the output is a folder, not a file", file);
    if (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file)) return;
    auto const folder = std::filesystem::absolute(file).parent_path();
    if (!std::filesystem::is_directory(folder))
        throw ConfigError("there is no such folder for the output", folder.string());
    // Files are put in place of older ones, which needs no permission of theirs.
    if (access(folder.c_str(), W_OK) != 0)
        throw ConfigError(fmt::format("nothing can be written to the output's folder ({})", std::strerror(errno)),
                          folder.string());
}

void write_to_output(std::string const& file, std::function<void()> const& write) {
    try {
        write();
    } catch (SystemError const& error) {
        throw ConfigError(fmt::format("the output cannot be written: {}", error.what()), file);
    }
}

}  // namespace kvstone
