// Quantisers that lack a member each: the messages of check_stage(). See check.

#include "codecs/register_stage.hpp"

namespace kvstone {

/// The members that a Quantiser needs, and no others.
struct Right : Quantiser {
    static StageInfo info();
    explicit Right(Options const&);
    std::vector<PlaneSpec> planes(Section const&) const;
    template <class Space, class T>
    void encode(Space const&, Section const&, KvSpan<T const>, Planes, Workspace) const;
    template <class Space, class T>
    void decode(Space const&, Section const&, ConstPlanes, KvSpan<T>, Workspace) const;
    double nominal_bits(Section const&) const;
    void error_bounds(Section const&, float const*, double*) const;
};
static Register<Right> const right;

struct NoInfo : Quantiser {};
// refused: a stage has `static StageInfo info()`, which is public
// refused: a stage has the constructor `explicit S(Options const&)`, which is public
static Register<NoInfo> const no_info;

class PrivateConstructor : public Right {
    using Right::Right;
    explicit PrivateConstructor(Options const&);
};
// refused: a stage has the constructor `explicit S(Options const&)`, which is public
static Register<PrivateConstructor> const private_constructor;

struct NoPlanes : Right {
    using Right::Right;
    void planes() = delete;
};
// refused: a Quantiser has `std::vector<PlaneSpec> planes(Section const&) const`
static Register<NoPlanes> const no_planes;

struct EncodesWritableValues : Right {
    using Right::Right;
    template <class Space>
    void encode(Space const&, Section const&, KvSpan<float>, Planes, Workspace) const;
};
// refused: a Quantiser has, for any Space and for T = float at least, `void encode(Space const&, Section const&, KvSpan<T const> values, Planes, Workspace) const`
static Register<EncodesWritableValues> const encodes_writable_values;

struct DecodesFromWritablePlanes : Right {
    using Right::Right;
    template <class Space, class T>
    void decode(Space const&, Section const&, Planes, KvSpan<T>, Workspace) const;
};
// refused: a Quantiser has, for any Space and for T = float at least, `void decode(Space const&, Section const&, ConstPlanes, KvSpan<T> values, Workspace) const`
static Register<DecodesFromWritablePlanes> const decodes_from_writable_planes;

struct NoDecode : Right {
    using Right::Right;
    void decode() = delete;
};
// refused: a Quantiser has, for any Space and for T = float at least, `void decode(Space const&, Section const&, ConstPlanes, KvSpan<T> values, Workspace) const`
static Register<NoDecode> const no_decode;

struct DecodesFloatsAlone : Right {
    using Right::Right;
    template <class Space>
    void decode(Space const&, Section const&, ConstPlanes, KvSpan<float>, Workspace) const;
};
// refused: a Quantiser decodes the element types that it encodes: float alone, or Float16 and BFloat16 too
static Register<DecodesFloatsAlone> const decodes_floats_alone;

struct NominalBitsOfNothing : Right {
    using Right::Right;
    double nominal_bits() const;
};
// refused: a Quantiser has `double nominal_bits(Section const&) const`
static Register<NominalBitsOfNothing> const nominal_bits_of_nothing;

struct BoundsOfOneValue : Right {
    using Right::Right;
    double error_bounds(Section const&, float) const;
};
// refused: a Quantiser has `void error_bounds(Section const&, float const* values, double* bounds) const`
static Register<BoundsOfOneValue> const bounds_of_one_value;

struct WorkspaceOfAnInput : Right {
    using Right::Right;
    std::size_t workspace_bytes(PlaneSpec const&) const;
};
// refused: a Quantiser's workspace_bytes is `std::size_t workspace_bytes(Section const&) const`
static Register<WorkspaceOfAnInput> const workspace_of_an_input;

struct PagesOfNothing : Right {
    using Right::Right;
    std::uint64_t page_tokens() const;
};
// refused: a Quantiser's page_tokens is `std::uint64_t page_tokens(Section const&) const`
static Register<PagesOfNothing> const pages_of_nothing;

struct ReadsAsMember : Right {
    using Right::Right;
    double encode_reads = 2;
};
// refused: a Quantiser's encode_reads is `double encode_reads(Section const&) const`
static Register<ReadsAsMember> const reads_as_member;

}  // namespace kvstone
