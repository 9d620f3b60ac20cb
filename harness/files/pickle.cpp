// The pickle format, as far as torch.save() uses it (Python's pickletools.py describes every opcode): a program for a
// machine with a stack, a memo and marks on the stack. All numbers are little-endian but BINFLOAT.

#include "harness/files/pickle.hpp"

#include <bit>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include <fmt/format.h>

#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::size_t most_nodes = std::size_t{1} << 20;  // a tensor takes about 20
constexpr std::size_t longest_global = 256;

using Kind = PickleNode::Kind;

class Machine {
  public:
    Machine(std::span<std::byte const> bytes, std::function<bool(std::string const&)> const& is_known,
            std::string const& what)
        : bytes_(bytes), is_known_(is_known), what_(what) {}

    Pickle run() {
        while (step(std::to_integer<std::uint8_t>(take(1)[0]))) {
        }
        pickle_.root = pop();
        if (!stack_.empty() || !marks_.empty()) fail("more than one value where it stops");
        return std::move(pickle_);
    }

  private:
    [[noreturn]] void fail(std::string const& why) const {
        throw CorruptData(fmt::format("{}: byte {} of its pickle: {}", what_, at_, why));
    }

    std::span<std::byte const> take(std::uint64_t count) {
        if (count > bytes_.size() - at_) fail("ends early");
        auto const taken = bytes_.subspan(at_, count);
        at_ += count;
        return taken;
    }
    template <class T>
    T number() {
        T value{};
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }
    std::string text(std::uint64_t count) {
        auto const taken = take(count);
        std::string result(reinterpret_cast<char const*>(taken.data()), taken.size());
        if (first_unreadable(result) != std::string::npos) fail("a text that is no UTF-8");
        return result;
    }
    std::string line() {
        std::string_view const rest(reinterpret_cast<char const*>(bytes_.data()) + at_, bytes_.size() - at_);
        auto const length = rest.substr(0, longest_global).find('\n');
        if (length == std::string_view::npos) fail("a name without an end");
        auto result = text(length);
        take(1);
        return result;
    }

    PickleNode& node(PickleIndex index) { return pickle_.nodes[index]; }
    void push(PickleNode made) {
        if (pickle_.nodes.size() >= most_nodes) fail(fmt::format("more than {} values", most_nodes));
        pickle_.nodes.push_back(std::move(made));
        stack_.push_back(static_cast<PickleIndex>(pickle_.nodes.size() - 1));
    }
    void push_integer(std::int64_t value) { push({.kind = Kind::integer, .integer = value}); }
    PickleIndex top() const {
        if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("takes a value where there is none");
        return stack_.back();
    }
    PickleIndex pop() {
        auto const index = top();
        stack_.pop_back();
        return index;
    }
    /// The values above the last mark, which goes with them.
    std::vector<PickleIndex> pop_to_mark() {
        if (marks_.empty()) fail("goes back to a mark where there is none");
        auto const first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
        std::vector<PickleIndex> values(first, stack_.end());
        stack_.erase(first, stack_.end());
        marks_.pop_back();
        return values;
    }
    void push_tuple(std::size_t count) {
        std::vector<PickleIndex> items(count);
        for (auto item = items.rbegin(); item != items.rend(); ++item) *item = pop();
        push({.kind = Kind::tuple, .items = std::move(items)});
    }

    void push_global(std::string name) {
        if (!is_known_(name))
            throw ConfigError(
                fmt::format("{}: its pickle needs code of a name that is not known here, and this reader executes "
                            "nothing: save tensors alone, in lists, tuples and dicts",
                            what_),
                excerpt(name));
        push({.kind = Kind::global, .text = std::move(name)});
    }
    void push_long(std::size_t count) {
        if (count > sizeof(std::int64_t)) fail("a whole number of more than 64 bits");
        auto const taken = take(count);
        std::uint64_t value = 0;
        for (std::size_t i = 0; i < count; ++i) value |= std::to_integer<std::uint64_t>(taken[i]) << (8 * i);
        bool const negative = count > 0 && (taken[count - 1] & std::byte{0x80}) != std::byte{0};
        if (negative && count < sizeof value) value |= ~std::uint64_t{0} << (8 * count);
        push_integer(static_cast<std::int64_t>(value));
    }
    void push_real() {
        std::uint64_t bits = 0;
        for (auto const byte : take(sizeof bits)) bits = bits << 8 | std::to_integer<std::uint64_t>(byte);
        push({.kind = Kind::real, .real = std::bit_cast<double>(bits)});
    }

    void append(std::vector<PickleIndex> const& values) {
        auto& list = node(top());
        if (list.kind != Kind::list) fail("appends to something that is no list");
        list.items.insert(list.items.end(), values.begin(), values.end());
    }
    void set_items(std::vector<PickleIndex> const& pairs) {
        auto& dict = node(top());
        if (dict.kind != Kind::dict || pairs.size() % 2 != 0) fail("sets items of something that is no dict");
        dict.items.insert(dict.items.end(), pairs.begin(), pairs.end());
    }

    void reduce(Kind kind) {
        auto const arguments = pop();
        auto const callee = pop();
        if (node(callee).kind != Kind::global || node(arguments).kind != Kind::tuple)
            fail("calls something that is no name, or with arguments that are no tuple");
        if (node(callee).text != "collections.OrderedDict") return push({.kind = kind, .items = {callee, arguments}});
        if (!node(arguments).items.empty()) fail("an OrderedDict with arguments");
        push({.kind = Kind::dict});
    }
    void build() {
        auto const state = pop();
        auto& built = node(top());
        if (built.kind != Kind::object && built.kind != Kind::call && built.kind != Kind::dict)
            fail("gives attributes to something that has none");
        built.state = state;
    }

    void memoize(std::uint32_t key) { memo_[key] = top(); }
    void recall(std::uint32_t key) {
        auto const found = memo_.find(key);
        if (found == memo_.end()) fail("takes something out of its memo that is not there");
        stack_.push_back(found->second);
    }

    /// False where the program stops.
    bool step(std::uint8_t opcode) {
        switch (opcode) {
            case 0x80:  // PROTO
                if (auto const protocol = number<std::uint8_t>(); protocol < 2 || protocol > 5)
                    fail(fmt::format("protocol {}", protocol));
                break;
            case 0x95:
                number<std::uint64_t>();
                break;  // FRAME
            case '.':
                return false;  // STOP
            case '(':
                marks_.push_back(stack_.size());
                break;
            case 'N':
                push({});
                break;
            case 0x88:
                push({.kind = Kind::boolean, .integer = 1});
                break;
            case 0x89:
                push({.kind = Kind::boolean});
                break;
            case 'K':
                push_integer(number<std::uint8_t>());
                break;
            case 'M':
                push_integer(number<std::uint16_t>());
                break;
            case 'J':
                push_integer(number<std::int32_t>());
                break;
            case 0x8a:
                push_long(number<std::uint8_t>());
                break;
            case 'G':
                push_real();
                break;
            case 0x8c:
                push({.kind = Kind::text, .text = text(number<std::uint8_t>())});
                break;
            case 'X':
                push({.kind = Kind::text, .text = text(number<std::uint32_t>())});
                break;
            case ']':
                push({.kind = Kind::list});
                break;
            case '}':
                push({.kind = Kind::dict});
                break;
            case ')':
                push_tuple(0);
                break;
            case 0x85:
                push_tuple(1);
                break;
            case 0x86:
                push_tuple(2);
                break;
            case 0x87:
                push_tuple(3);
                break;
            case 't': {
                auto items = pop_to_mark();
                push({.kind = Kind::tuple, .items = std::move(items)});
                break;
            }
            default:
                return step_on_objects(opcode);
        }
        return true;
    }
    bool step_on_objects(std::uint8_t opcode) {
        switch (opcode) {
            case 'a':
                append({pop()});
                break;
            case 'e':
                append(pop_to_mark());
                break;
            case 's': {
                auto const value = pop();
                auto const key = pop();
                set_items({key, value});
                break;
            }
            case 'u':
                set_items(pop_to_mark());
                break;
            case 'c': {
                auto module = line();
                push_global(std::move(module) + "." + line());
                break;
            }
            case 0x93: {  // STACK_GLOBAL
                auto const name = pop();
                auto const module = pop();
                if (node(name).kind != Kind::text || node(module).kind != Kind::text) fail("a name that is no text");
                push_global(node(module).text + "." + node(name).text);
                break;
            }
            case 'R':
                reduce(Kind::call);
                break;
            case 0x81:
                reduce(Kind::object);
                break;  // NEWOBJ
            case 'b':
                build();
                break;
            case 'Q': {  // BINPERSID
                auto const id = pop();
                push({.kind = Kind::persistent, .items = {id}});
                break;
            }
            case 'q':
                memoize(number<std::uint8_t>());
                break;
            case 'r':
                memoize(number<std::uint32_t>());
                break;
            case 0x94:
                memoize(static_cast<std::uint32_t>(memo_.size()));
                break;
            case 'h':
                recall(number<std::uint8_t>());
                break;
            case 'j':
                recall(number<std::uint32_t>());
                break;
            default:
                fail(fmt::format("opcode 0x{:02x}, which torch.save() does not write", opcode));
        }
        return true;
    }

    std::span<std::byte const> bytes_;
    std::function<bool(std::string const&)> const& is_known_;
    std::string const& what_;
    std::size_t at_ = 0;
    Pickle pickle_;
    std::vector<PickleIndex> stack_;
    std::vector<std::size_t> marks_;
    std::unordered_map<std::uint32_t, PickleIndex> memo_;
};

}  // namespace

Pickle read_pickle(std::span<std::byte const> bytes, std::function<bool(std::string const&)> const& is_known,
                   std::string const& what) {
    return Machine(bytes, is_known, what).run();
}

}  // namespace kvstone
