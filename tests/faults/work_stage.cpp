// work: stages that are slower than another in one known way, for tests of what counts of work can see.
//
// Stores each value as binary16, in the order of a walk over the tensor; encode() is, by `how`:
//   plain    one value after the other
//   product  the same with one more multiplication per value
//   stride   the same instructions, with every value in another line of the cache than the one before
//   pause    plain, and then a wait: no instruction is executed meanwhile

#include <chrono>
#include <thread>

#include "backends/kernels/map_values.hpp"
#include "codecs/register_stage.hpp"

namespace kvstone {

class Work : public Quantiser {
  public:
    static StageInfo info() {
        StageInfo info;
        info.name = "work";
        info.summary = "takes longer as told";
        info.source = "tests";
        info.options = {
            choice_option("how", std::nullopt, {"plain", "product", "stride", "pause"}, "why it takes longer")};
        info.examples = {"work:how=plain"};
        return info;
    }
    explicit Work(Options const& options) : how_(options.choice("how")) {}

    std::vector<PlaneSpec> planes(Section const& section) const {
        return {
            {LedgerLine::payload, section.shape.values() * sizeof(Float16), false, sizeof(Float16), section.shape.dim}};
    }
    std::uint64_t page_tokens(Section const&) const { return 0; }
    double nominal_bits(Section const&) const { return 16; }
    void error_bounds(Section const& section, float const* values, double* bounds) const {
        for (std::uint64_t i = 0; i < section.shape.values(); ++i)
            bounds[i] = static_cast<double>(values[i] < 0 ? -values[i] : values[i]) / 2048 + 1e-7;
    }

    template <class Space, class T>
    void encode(Space const&, Section const& section, KvSpan<T const> values, Planes planes, Workspace) const {
        auto const* const from = values.vector(0, 0, 0);  // tests take whole tensors, which lie in one piece
        auto* const to = planes[0].as<Float16>();
        auto const count = section.shape.values();
        std::uint64_t const step = how_ == "stride" ? far : 1;
        if (how_ == "product")
            walk(from, to, count, step, [factor = factor_](float value) { return value * factor; });
        else
            walk(from, to, count, step, [](float value) { return value; });
        if (how_ == "pause") std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    template <class Space, class T>
    void decode(Space const&, Section const& section, ConstPlanes planes, KvSpan<T> values, Workspace) const {
        auto* const to = values.vector(0, 0, 0);
        for (std::uint64_t i = 0; i < section.shape.values(); ++i)
            to[i] = from_float<T>(to_float(planes[0].as<Float16>()[i]));
    }

  private:
    static constexpr std::uint64_t far = 4097;  // a prime factor that no count of a test has, and many lines

    template <class T, class Change>
    static void walk(T const* from, Float16* to, std::uint64_t count, std::uint64_t step, Change const& change) {
        std::uint64_t at = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            to[at] = from_float<Float16>(change(to_float(from[at])));
            at = (at + step) % count;
        }
    }

    std::string how_;
    float factor_ = static_cast<float>(how_.size()) / static_cast<float>(how_.size());  // 1, which no compiler knows
};

static Register<Work> const registered_work;

}  // namespace kvstone
