#pragma once
// A plane's bytes as the symbols of a coder in blocks: what stages with such a coder have in common.

#include <cstdint>
#include <string>

#include "codecs/kernels/coded_blocks.hpp"

namespace kvstone {

/// Members as codecs/stage.hpp has them of an entropy stage, for a Coder of coded_blocks.hpp.
struct ByteBlocks {
    std::string tables;       ///< "plane", "layer", "head" or "block": what shares a table
    std::uint64_t block = 0;  ///< bytes of a block

    template <class Coder>
    std::vector<PlaneSpec> planes(Coder const& coder, PlaneSpec const& input) const {
        return Blocks<Coder>::planes(coder, layout(input, input.bytes));
    }
    template <class Coder>
    std::size_t workspace_bytes(Coder const& coder, PlaneSpec const& input) const {
        return Blocks<Coder>::workspace_bytes(coder, layout(input, input.bytes));
    }
    template <class Space, class Coder>
    void encode(Space const& space, Coder const& coder, PlaneSpec const& spec, ConstPlane input, Planes planes,
                Workspace workspace) const {
        Blocks<Coder> blocks(coder, layout(spec, input.bytes));
        blocks.encode(space, ByteSymbols{const_cast<std::byte*>(input.data)}, planes, workspace);
    }
    /// `stage` is for messages. Throws CorruptData.
    template <class Space, class Coder>
    void decode(Space const& space, char const* stage, Coder const& coder, PlaneSpec const& spec, ConstPlanes planes,
                Plane& input, Workspace workspace) const {
        auto const bytes = Blocks<Coder>::stored_symbols(planes[1]);
        if (bytes > spec.bytes) throw CorruptData(std::string(stage) + ": more bytes than the plane can have");
        Blocks<Coder> blocks(coder, layout(spec, bytes));
        blocks.decode(space, ByteSymbols{input.data}, planes, workspace);
        input.bytes = bytes;
    }

  private:
    template <class Coder>
    using Blocks = CodedBlocks<Coder, ByteSymbols>;

    BlockLayout layout(PlaneSpec const& spec, std::uint64_t bytes) const {
        return layout_of_bytes(spec, bytes, tables, block);
    }
};

}  // namespace kvstone
