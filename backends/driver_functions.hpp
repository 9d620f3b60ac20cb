#pragma once
// Functions of CUDA's driver that Kokkos calls by name. Its library comes with a device's driver, and a program that is
// linked with it does not start without: here they are looked up when they are called, which is after a device was found.

#include <stdexcept>
#include <string>

#include <cuda.h>
#include <dlfcn.h>

namespace kvstone {

/// The driver's function of that name.
template <class Function>
Function* driver_function(char const* name) {
    static void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
    void* const found = driver != nullptr ? dlsym(driver, name) : nullptr;
    if (found == nullptr) throw std::runtime_error(std::string("CUDA's driver has no ") + name);
    return reinterpret_cast<Function*>(found);
}

}  // namespace kvstone

extern "C" {
CUresult CUDAAPI cuStreamGetCtx(CUstream stream, CUcontext* context) {
    return kvstone::driver_function<decltype(cuStreamGetCtx)>("cuStreamGetCtx")(stream, context);
}
// cuda.h makes this name the one of the function's second version.
CUresult CUDAAPI cuCtxPushCurrent(CUcontext context) {
    return kvstone::driver_function<decltype(cuCtxPushCurrent)>("cuCtxPushCurrent_v2")(context);
}
CUresult CUDAAPI cuCtxGetDevice(CUdevice* device) {
    return kvstone::driver_function<decltype(cuCtxGetDevice)>("cuCtxGetDevice")(device);
}
}
