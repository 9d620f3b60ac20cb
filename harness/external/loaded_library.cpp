#include "harness/external/loaded_library.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <fmt/format.h>

#include "results/record/text.hpp"

namespace kvstone {
namespace {

using Clock = std::chrono::steady_clock;

/// NaN of patterns that no arithmetic makes.
constexpr std::uint32_t first_fill = 0x7fa5c3e1;
constexpr std::uint32_t second_fill = 0xffda3c1e;

std::string_view kind_of(std::int32_t status) {
    switch (status) {
        case KVSTONE_BAD_OPTION:
            return "bad_option";
        case KVSTONE_NOT_APPLICABLE:
            return "not_applicable";
        case KVSTONE_CORRUPT:
            return "corrupt";
        case KVSTONE_OUT_OF_MEMORY:
            return "out_of_memory";
        default:
            return "failed";
    }
}

[[noreturn]] void broken(std::string const& what) { throw LibraryRefusal("failed", what); }

/// Runs call(error), and returns its nanoseconds. Throws LibraryRefusal for every status but KVSTONE_OK.
template <class Function>
std::int64_t checked(char const* name, Function const& call) {
    kvstone_error error{sizeof(kvstone_error), {}};
    std::int32_t status = KVSTONE_FAILED;
    auto const start = Clock::now();
    try {
        status = call(&error);
    } catch (std::exception const& exception) {
        broken(fmt::format("{}() let an exception out: {}", name, exception.what()));
    } catch (...) {
        broken(fmt::format("{}() let an exception out", name));
    }
    auto const ns = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
    if (status == KVSTONE_OK) return ns;
    std::string const text(error.text, std::find(error.text, std::end(error.text), '\0'));
    throw LibraryRefusal(std::string(kind_of(status)),
                         text.empty() ? fmt::format("{}() returned {} without a word", name, status)
                                      : fmt::format("{}: {}", name, valid_utf8(text)));
}

void check_table(kvstone_codec_library const* table, std::string const& path) {
    if (table == nullptr)
        broken(fmt::format("{} does not serve version {} of kvstone/codec.h", path, KVSTONE_CODEC_ABI_VERSION));
    if (table->abi_version != KVSTONE_CODEC_ABI_VERSION)
        broken(fmt::format("{} is made for version {} of kvstone/codec.h; this is version {}", path, table->abi_version,
                           KVSTONE_CODEC_ABI_VERSION));
    if (table->struct_bytes < sizeof *table)
        broken(fmt::format("{} returns a table of {} bytes; that of version {} has {}", path, table->struct_bytes,
                           KVSTONE_CODEC_ABI_VERSION, sizeof *table));
    std::pair<char const*, bool> const members[]{
        {"name", table->name != nullptr},         {"version", table->version != nullptr},
        {"create", table->create != nullptr},     {"destroy", table->destroy != nullptr},
        {"describe", table->describe != nullptr}, {"max_bytes", table->max_bytes != nullptr},
        {"encode", table->encode != nullptr},     {"decode", table->decode != nullptr}};
    for (auto const& [name, there] : members)
        if (!there) broken(fmt::format("{} returns a table without `{}`", path, name));
    if ((table->memories & KVSTONE_MEMORY_HOST) == 0)
        throw LibraryRefusal("not_applicable",
                             fmt::format("{} takes no host memory, and this build hands over no other", path));
}

std::uint64_t values_of(kvstone_section const& section) {
    return section.layers * section.heads * section.tokens * section.dim;
}

float* floats(GuardedMemory const& memory) { return reinterpret_cast<float*>(memory.data()); }
std::uint8_t* bytes_in(GuardedMemory const& memory) { return reinterpret_cast<std::uint8_t*>(memory.data()); }

void fill(GuardedMemory const& values, std::uint32_t bits) {
    auto* const first = floats(values);
    std::fill(first, first + values.size() / sizeof(float), std::bit_cast<float>(bits));
}

std::int64_t count(GuardedMemory const& values, std::uint32_t bits) {
    auto const* const first = reinterpret_cast<std::uint32_t const*>(values.data());
    return std::count(first, first + values.size() / sizeof(float), bits);
}

std::uint32_t allowed_threads() {
    char const* const text = std::getenv("OMP_NUM_THREADS");
    auto const number = text == nullptr ? 0 : std::strtoul(text, nullptr, 10);
    return number > 0 ? static_cast<std::uint32_t>(number) : std::max(1U, std::thread::hardware_concurrency());
}

}  // namespace

LoadedLibrary::LoadedLibrary(std::string const& path, std::map<std::string, std::string> const& options)
    : threads_(allowed_threads()) {
    // A name without a folder would be looked for among the system's libraries.
    auto const file = std::filesystem::absolute(path).string();
    handle_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) broken(fmt::format("cannot load {}", dlerror()));
    auto const entry = reinterpret_cast<kvstone_codec_entry_function>(dlsym(handle_, KVSTONE_CODEC_ENTRY_NAME));
    if (entry == nullptr) broken(fmt::format("{} exports no {}()", path, KVSTONE_CODEC_ENTRY_NAME));
    table_ = entry(KVSTONE_CODEC_ABI_VERSION);
    check_table(table_, path);
    std::vector<kvstone_option> given;
    for (auto const& [key, value] : options) given.push_back({key.c_str(), value.c_str()});
    checked("create", [&](kvstone_error* error) {
        return table_->create(given.empty() ? nullptr : given.data(), given.size(), &codec_, error);
    });
    if (codec_ == nullptr) broken("create() returned KVSTONE_OK and no codec");
}

LoadedLibrary::~LoadedLibrary() {
    // The library stays loaded: threads of its runtime may be left.
    if (codec_ != nullptr) table_->destroy(codec_);
}

std::string LoadedLibrary::description() const {
    char const* const text = table_->describe(codec_);
    return valid_utf8(fmt::format("{} {}: {}", table_->name, table_->version, text == nullptr ? "" : text));
}

void LoadedLibrary::complete(kvstone_section& section) const {
    section.struct_bytes = sizeof section;
    section.element_type = KVSTONE_F32;
    section.memory = KVSTONE_MEMORY_HOST;
    section.threads = threads_;
}

std::uint64_t LoadedLibrary::max_bytes(kvstone_section section) const {
    complete(section);
    std::uint64_t bytes = 0;
    checked("max_bytes", [&](kvstone_error* error) { return table_->max_bytes(codec_, &section, &bytes, error); });
    // More than this is a mistake in a formula, and would be reserved.
    auto const most = 16 * values_of(section) * sizeof(float) + (std::uint64_t{1} << 20);
    if (bytes > most)
        broken(fmt::format("max_bytes() is {} for a section of {} values; at most {} are accepted", bytes,
                           values_of(section), most));
    return bytes;
}

LoadedLibrary::Call LoadedLibrary::encode(kvstone_section section, GuardedMemory& values, GuardedMemory& bytes) const {
    auto const capacity = max_bytes(section);
    complete(section);
    bytes.resize(capacity);
    std::fill_n(bytes.data(), capacity, std::byte{0xA5});  // bytes that encode() leaves are the same each time
    Call call;
    values.allow_writes(false);
    try {
        call.ns = checked("encode", [&](kvstone_error* error) {
            return table_->encode(codec_, &section, floats(values), bytes_in(bytes), capacity, &call.bytes, error);
        });
    } catch (...) {
        values.allow_writes(true);
        throw;
    }
    values.allow_writes(true);
    if (auto const damage = bytes.damage(); !damage.empty()) broken("encode() wrote " + damage + " of max_bytes()");
    if (call.bytes > capacity)
        broken(fmt::format("encode() says that it wrote {} bytes; max_bytes() is {}", call.bytes, capacity));
    return call;
}

LoadedLibrary::Call LoadedLibrary::decode(kvstone_section section, GuardedMemory& bytes, GuardedMemory& values) const {
    complete(section);
    values.resize(values_of(section) * sizeof(float));
    auto const run = [&](std::uint32_t bits) {
        fill(values, bits);
        bytes.allow_writes(false);
        try {
            auto const ns = checked("decode", [&](kvstone_error* error) {
                return table_->decode(codec_, &section, bytes_in(bytes), bytes.size(), floats(values), error);
            });
            bytes.allow_writes(true);
            return ns;
        } catch (...) {
            bytes.allow_writes(true);
            throw;
        }
    };
    Call const call{0, run(first_fill)};
    if (auto const damage = values.damage(); !damage.empty()) broken("decode() wrote " + damage + " bytes of values");
    // A stored NaN may have those bits, and then has them the second time, too.
    if (count(values, first_fill) > 0) {
        run(second_fill);
        if (auto const left = count(values, second_fill); left > 0)
            broken(fmt::format("decode() left {} of {} values unwritten", left, values_of(section)));
    }
    return call;
}

}  // namespace kvstone
