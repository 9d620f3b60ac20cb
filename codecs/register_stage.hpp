#pragma once
// How a stage's file puts its stage into the program: one adapter per kind picks the execution space and the element
// type.

#include <memory>
#include <type_traits>

#include "backends/kernels/floats.hpp"
#include "backends/spaces.hpp"
#include "codecs/host_staging.hpp"
#include "codecs/registry.hpp"
#include "codecs/stage_checks.hpp"

namespace kvstone {

template <class Stage>
class TransformAdapter final : public DynamicTransform {
  public:
    explicit TransformAdapter(Options const& options) : stage_(options) {}
    std::vector<PlaneSpec> planes(Section const& section) const override { return stage_.planes(section); }
    std::size_t workspace_bytes(Section const& section) const override { return stage_.workspace_bytes(section); }
    void encode(BackendKind kind, Section const& section, KvSpan<float const> in, KvSpan<float> out, Planes planes,
                Workspace workspace) const override {
        with_space(kind, [&](auto const& space) { stage_.encode(space, section, in, out, planes, workspace); });
    }
    KvShape coded_shape(Section const& section) const override { return stage_.coded_shape(section); }
    bool keeps_shape() const override { return !changes_shape<Stage>; }
    void decode(BackendKind kind, Section const& section, ConstPlanes planes, KvSpan<float const> coded,
                KvSpan<float> values, Workspace workspace) const override {
        with_space(kind, [&](auto const& space) {
            if constexpr (changes_shape<Stage>) {
                stage_.decode(space, section, planes, coded, values, workspace);
            } else {
                stage_.decode(space, section, planes, values, workspace);
            }
        });
    }
    void carry_bounds(Section const& section, float const* values, double const* coded_bounds,
                      double* bounds) const override {
        if constexpr (changes_shape<Stage>) {
            stage_.carry_bounds(section, values, coded_bounds, bounds);
        } else {
            stage_.carry_bounds(section, values, bounds);
        }
    }
    std::uint64_t page_tokens(Section const& section) const override { return stage_.page_tokens(section); }
    bool in_parts() const override { return Stage::in_parts; }

  private:
    Stage stage_;
};

template <class Stage>
class QuantiserAdapter final : public DynamicQuantiser {
  public:
    explicit QuantiserAdapter(Options const& options) : stage_(options) {}
    std::vector<PlaneSpec> planes(Section const& section) const override { return stage_.planes(section); }
    std::size_t workspace_bytes(Section const& section) const override { return stage_.workspace_bytes(section); }
    bool takes(ElementType type) const override { return type == ElementType::f32 || takes_all_; }

    void encode(BackendKind kind, Section const& section, KvView const& view, Planes planes,
                Workspace workspace) const override {
        with_space(kind, [&](auto const& space) {
            with_taken_elements(view, [&]<class T>(KvSpan<T> span) {
                stage_.encode(space, section, read_only(span), planes, workspace);
            });
        });
    }
    void decode(BackendKind kind, Section const& section, ConstPlanes planes, KvView const& view,
                Workspace workspace) const override {
        with_space(kind, [&](auto const& space) {
            with_taken_elements(view, [&](auto span) { stage_.decode(space, section, planes, span, workspace); });
        });
    }
    double nominal_bits(Section const& section) const override { return stage_.nominal_bits(section); }
    void error_bounds(Section const& section, float const* values, double* bounds) const override {
        stage_.error_bounds(section, values, bounds);
    }
    std::uint64_t page_tokens(Section const& section) const override { return stage_.page_tokens(section); }
    double encode_reads(Section const& section) const override { return stage_.encode_reads(section); }

  private:
    static constexpr bool takes_all_ = EncodesElements<Stage, Float16> && EncodesElements<Stage, BFloat16>;

    template <class Action>
    static void with_taken_elements(KvView const& view, Action const& action) {
        if constexpr (takes_all_) {
            with_elements(view, action);
        } else {
            action(view.as<float>());
        }
    }

    Stage stage_;
};

template <class Stage>
class EntropyAdapter final : public DynamicEntropy {
  public:
    explicit EntropyAdapter(Options const& options) : stage_(options) {}
    std::vector<PlaneSpec> planes(PlaneSpec const& input) const override { return stage_.planes(input); }
    std::size_t workspace_bytes(PlaneSpec const& input) const override { return stage_.workspace_bytes(input); }
    void encode(BackendKind kind, PlaneSpec const& spec, ConstPlane input, Planes planes,
                Workspace workspace) const override {
        if constexpr (Stage::host_only) {
            auto const encode_on_host = [&](ConstPlane from, Planes to, Workspace host_workspace) {
                stage_.encode(Kokkos::DefaultHostExecutionSpace{}, spec, from, to, host_workspace);
            };
            if (kind == BackendKind::openmp) return encode_on_host(input, planes, workspace);
            staging_.encode(kind, input, planes, stage_.workspace_bytes(spec), encode_on_host);
        } else {
            with_space(kind, [&](auto const& space) { stage_.encode(space, spec, input, planes, workspace); });
        }
    }
    void decode(BackendKind kind, PlaneSpec const& spec, ConstPlanes planes, Plane& input,
                Workspace workspace) const override {
        if constexpr (Stage::host_only) {
            auto const decode_on_host = [&](ConstPlanes from, Plane& to, Workspace host_workspace) {
                stage_.decode(Kokkos::DefaultHostExecutionSpace{}, spec, from, to, host_workspace);
            };
            if (kind == BackendKind::openmp) return decode_on_host(planes, input, workspace);
            staging_.decode(kind, planes, input, stage_.workspace_bytes(spec), decode_on_host);
        } else {
            with_space(kind, [&](auto const& space) { stage_.decode(space, spec, planes, input, workspace); });
        }
    }

  private:
    Stage stage_;
    mutable HostStaging staging_;  ///< used by one call at a time, as the scratch of a tensor is
};

/// A namespace-scope object of this type registers Stage. Compiling ends with a sentence where Stage lacks a member
/// (stage_checks.hpp).
template <class Stage>
struct Register {
    Register() {
        // Behind a missing member, everything below would be an error, too.
        if constexpr (check_stage<Stage>()) {
            StageEntry entry;
            entry.info = Stage::info();
            if constexpr (requires(std::map<std::string, std::string>& options) { Stage::complete(options); })
                entry.complete = Stage::complete;
            if constexpr (std::is_base_of_v<Transform, Stage>) {
                entry.kind = StageKind::transform;
                entry.make_transform = [](Options const& options) -> std::unique_ptr<DynamicTransform> {
                    return std::make_unique<TransformAdapter<Stage>>(options);
                };
            } else if constexpr (std::is_base_of_v<Quantiser, Stage>) {
                entry.kind = StageKind::quantiser;
                entry.make_quantiser = [](Options const& options) -> std::unique_ptr<DynamicQuantiser> {
                    return std::make_unique<QuantiserAdapter<Stage>>(options);
                };
            } else {
                entry.kind = StageKind::entropy;
                entry.make_entropy = [](Options const& options) -> std::unique_ptr<DynamicEntropy> {
                    return std::make_unique<EntropyAdapter<Stage>>(options);
                };
            }
            register_stage(std::move(entry));
        }
    }
};

}  // namespace kvstone
