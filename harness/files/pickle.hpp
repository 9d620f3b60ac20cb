#pragma once
// Pickles as data. No name in a pickle is looked up, imported or called: a call that Python would make to rebuild an
// object is kept as the name and its arguments.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kvstone {

using PickleIndex = std::uint32_t;

/// One value. Values inside it are named by their index in Pickle::nodes: a pickle may hold a value in many places, and
/// also inside itself.
struct PickleNode {
    enum class Kind {
        none,
        boolean,     ///< integer is 0 or 1
        integer,     ///< of at most 64 bits
        real,        ///< real
        text,        ///< text
        list,        ///< items
        tuple,       ///< items
        dict,        ///< items: key, value, key, value...; collections.OrderedDict, too
        global,      ///< text: "module.name"
        call,        ///< items: a global, and the tuple of arguments of the call
        object,      ///< items: the global of its class, and the tuple of arguments; state: its attributes
        persistent,  ///< items: the id of an object outside of the pickle
    };
    Kind kind = Kind::none;
    std::int64_t integer = 0;
    double real = 0;
    std::string text = {};
    std::vector<PickleIndex> items = {};
    std::optional<PickleIndex> state = {};
};

struct Pickle {
    std::vector<PickleNode> nodes;
    PickleIndex root = 0;

    PickleNode const& operator[](PickleIndex index) const { return nodes[index]; }
};

/// Reads the opcodes that torch.save() writes: protocol 2, and those of 4 for texts, names and the memo. Throws
/// CorruptData, beginning with `what`, where the bytes contain another opcode, end early or make more than a million
/// values; and ConfigError where they name a global ("module.name") for which `is_known` returns false.
Pickle read_pickle(std::span<std::byte const> bytes, std::function<bool(std::string const&)> const& is_known,
                   std::string const& what);

}  // namespace kvstone
