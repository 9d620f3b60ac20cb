// The tokens that stage `keep` keeps of a dump:
//
//   kvstone-kept DUMP KEEP...
//
// prints one JSON object: of each text `keep:...` the tokens of each KV head, layer by layer.

#include <cstdio>
#include <exception>

#include "backends/backend.hpp"
#include "scenarios/json.hpp"
#include "tests/peers/kept_tokens.hpp"

int main(int count, char** arguments) {
    using namespace kvstone;
    if (count < 3) {
        std::fputs("usage: kvstone-kept DUMP KEEP...\n", stderr);
        return 2;
    }
    try {
        BackendRuntime const runtime;
        auto const dump = read_dump(arguments[1], {.k = true, .v = true, .k_prerope = false, .q = true});
        Json all = Json::object();
        for (int i = 2; i < count; ++i) {
            auto const selection = kept_tokens(dump, arguments[i]);
            auto& layers = all[arguments[i]] = Json::array();
            for (std::uint64_t layer = 0; layer < selection.layers(); ++layer) {
                auto& heads = layers.emplace_back(Json::array());
                for (std::uint64_t head = 0; head < selection.heads(); ++head)
                    heads.push_back(selection.kept(layer, head));
            }
        }
        std::puts(all.dump().c_str());
    } catch (std::exception const& error) {
        std::fprintf(stderr, "kvstone-kept: %s\n", error.what());
        return 2;
    }
}
