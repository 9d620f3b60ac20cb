#pragma once
// Interfaces of stages without their types: pipelines call these, and need no Kokkos header.

#include <cstdint>
#include <vector>

#include "codecs/stage.hpp"

namespace kvstone {

class DynamicTransform {
  public:
    virtual ~DynamicTransform() = default;
    virtual std::vector<PlaneSpec> planes(Section const&) const = 0;
    virtual std::size_t workspace_bytes(Section const&) const = 0;
    /// The shape of the tensor that it hands on.
    virtual KvShape coded_shape(Section const&) const = 0;
    /// Whether it hands on the shape that it takes: decode() is then given the same memory twice, and carry_bounds() too.
    virtual bool keeps_shape() const = 0;
    virtual void encode(BackendKind, Section const&, KvSpan<float const>, KvSpan<float>, Planes, Workspace) const = 0;
    virtual void decode(BackendKind, Section const&, ConstPlanes, KvSpan<float const> coded, KvSpan<float> values,
                        Workspace) const = 0;
    virtual void carry_bounds(Section const&, float const* values, double const* coded_bounds,
                              double* bounds) const = 0;
    virtual std::uint64_t page_tokens(Section const&) const = 0;
    /// Whether it may be given some pages at a time.
    virtual bool in_parts() const = 0;
};

class DynamicQuantiser {
  public:
    virtual ~DynamicQuantiser() = default;
    virtual std::vector<PlaneSpec> planes(Section const&) const = 0;
    virtual std::size_t workspace_bytes(Section const&) const = 0;
    /// Whether encode and decode take views of this element type; f32 always.
    virtual bool takes(ElementType) const = 0;
    virtual void encode(BackendKind, Section const&, KvView const&, Planes, Workspace) const = 0;
    virtual void decode(BackendKind, Section const&, ConstPlanes, KvView const&, Workspace) const = 0;
    virtual double nominal_bits(Section const&) const = 0;
    virtual void error_bounds(Section const&, float const* values, double* bounds) const = 0;
    virtual std::uint64_t page_tokens(Section const&) const = 0;
    virtual double encode_reads(Section const&) const = 0;
};

class DynamicEntropy {
  public:
    virtual ~DynamicEntropy() = default;
    virtual std::vector<PlaneSpec> planes(PlaneSpec const& input) const = 0;
    virtual std::size_t workspace_bytes(PlaneSpec const& input) const = 0;
    virtual void encode(BackendKind, PlaneSpec const&, ConstPlane, Planes, Workspace) const = 0;
    virtual void decode(BackendKind, PlaneSpec const&, ConstPlanes, Plane&, Workspace) const = 0;
};

}  // namespace kvstone
