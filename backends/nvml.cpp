#include "backends/nvml.hpp"

#include <array>
#include <memory>

#include <Kokkos_Core.hpp>
#include <dlfcn.h>
#include <fmt/format.h>

namespace kvstone {
namespace {

using Device = struct nvmlDevice_st*;
constexpr int success = 0;
constexpr std::uint64_t uj_per_mj = 1000;

/// The library's functions, as far as they are called here. It stays loaded, and started, until the process ends.
class Nvml {
  public:
    explicit Nvml(std::string const& library) {
        void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr) {
            problem_ = dlerror();
            return;
        }
        auto const find = [&](auto*& function, char const* name) {
            function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
            if (function == nullptr && problem_.empty()) problem_ = fmt::format("{} has no {}", library, name);
        };
        int (*start)() = nullptr;
        find(start, "nvmlInit_v2");
        find(count_, "nvmlDeviceGetCount_v2");
        find(by_index_, "nvmlDeviceGetHandleByIndex_v2");
        find(by_bus_id_, "nvmlDeviceGetHandleByPciBusId_v2");
        find(name_, "nvmlDeviceGetName");
        find(energy_, "nvmlDeviceGetTotalEnergyConsumption");
        find(error_, "nvmlErrorString");
        if (problem_.empty()) expect(start());
    }

    std::string const& problem() const { return problem_; }
    unsigned count() const {
        unsigned devices = 0;
        return count_(&devices) == success ? devices : 0;
    }
    EnergyCounters counter_of(unsigned index) {
        Device device = nullptr;
        expect(by_index_(index, &device));
        return counter_of(device);
    }
    EnergyCounters counter_at(std::string const& bus_id) {
        Device device = nullptr;
        if (problem_.empty()) expect(by_bus_id_(bus_id.c_str(), &device));
        return counter_of(device);
    }

  private:
    void expect(int result) {
        if (result != success) problem_ = fmt::format("NVML: {}", error_(result));
    }
    EnergyCounters counter_of(Device device) {
        if (!problem_.empty()) return {{}, problem_};
        std::array<char, 96> name{};
        name_(device, name.data(), name.size() - 1);
        unsigned long long millijoules = 0;
        if (auto const result = energy_(device, &millijoules); result != success)
            return {{}, fmt::format("{} does not tell its energy: {}", name.data(), error_(result))};
        return {{{name.data(), UINT64_MAX,
                  [device, energy = energy_]() -> std::optional<std::uint64_t> {
                      unsigned long long value = 0;
                      if (energy(device, &value) != success) return std::nullopt;
                      return value * uj_per_mj;
                  }}},
                {}};
    }

    std::string problem_;
    int (*count_)(unsigned*) = nullptr;
    int (*by_index_)(unsigned, Device*) = nullptr;
    int (*by_bus_id_)(char const*, Device*) = nullptr;
    int (*name_)(Device, char*, unsigned) = nullptr;
    int (*energy_)(Device, unsigned long long*) = nullptr;
    char const* (*error_)(int) = nullptr;
};

}  // namespace

EnergyCounters nvml_counter(std::string const& bus_id, std::string const& library) {
    return Nvml(library).counter_at(bus_id);
}

std::vector<EnergyCounters> nvml_counters(std::string const& library) {
    Nvml nvml(library);
    std::vector<EnergyCounters> counters;
    if (nvml.problem().empty())
        for (unsigned device = 0; device < nvml.count(); ++device) counters.push_back(nvml.counter_of(device));
    return counters;
}

std::string device_bus_id() {
#ifdef KOKKOS_ENABLE_CUDA
    std::array<char, 32> bus_id{};
    if (cudaDeviceGetPCIBusId(bus_id.data(), bus_id.size(), Kokkos::Cuda{}.cuda_device()) == cudaSuccess)
        return bus_id.data();
#endif
    return {};
}

}  // namespace kvstone
