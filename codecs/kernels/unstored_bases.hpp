#pragma once
// Bases that no codec stores: random axes, made again where they are needed, and those of a file of `kvstone calibrate`.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "codecs/calibration.hpp"
#include "codecs/kernels/projection.hpp"
#include "codecs/stage.hpp"

namespace kvstone {

class UnstoredBases {
  public:
    /// Random axes.
    explicit UnstoredBases(std::uint32_t seed) : seed_(seed) {}
    /// Those of a file: of keys before RoPE or after it, the file's layer `first_layer` being the tensor's first.
    UnstoredBases(std::shared_ptr<Calibration const> file, bool before_rope, std::uint64_t first_layer)
        : file_(std::move(file)), before_rope_(before_rope), first_layer_(first_layer) {}
    UnstoredBases& operator=(UnstoredBases&& other) noexcept;

    bool random() const { return file_ == nullptr; }
    /// Throws NotApplicable where the file has no bases of the section's vectors.
    void check(VectorGroups const& groups, Section const& section) const;
    /// Matrices and means as PackedBases has them, one behind the other, in host memory; made once. Random ones are of the
    /// full length and of a shorter last group's. Throws nothing where check() did not.
    std::vector<float> const& packed(VectorGroups const& groups, Section const& section) const;

  private:
    TensorBases const* of(Component component) const;
    void make_random(VectorGroups const& groups, float* forward, float* backward) const;
    void take(VectorGroups const& groups, Section const& section, float* forward, float* backward, float* mean) const;

    std::uint32_t seed_ = 0;
    std::shared_ptr<Calibration const> file_;  ///< null: random axes
    bool before_rope_ = false;
    std::uint64_t first_layer_ = 0;
    mutable std::mutex making_;
    mutable std::map<std::array<std::uint64_t, 7>, std::vector<float>> made_;
};

}  // namespace kvstone
