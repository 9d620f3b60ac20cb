# SPDX-License-Identifier: Apache-2.0
import pathlib

from spack_repo.builtin.build_systems.cmake import CMakePackage
from spack_repo.builtin.build_systems.cuda import CudaPackage

from spack.package import *


class Kvstone(CMakePackage, CudaPackage):
    """Benchmark and evaluation harness for codecs that compress the KV cache of large language models."""

    # The checkout that this recipe lies in is the source: nothing of KVstone itself is fetched.
    git = f"file://{pathlib.Path(__file__).resolve().parents[7]}"

    license("Apache-2.0")

    # Older versions cannot be installed.
    version("main", branch="main")

    variant("mpi", default=True, description="Dispatch over MPI ranks")
    variant("llama", default=True, description="Capture K and V of GGUF models through libllama")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("cmake@3.25:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("kokkos@4.7: +openmp")
    depends_on("fmt")
    depends_on("nlohmann-json")
    depends_on("yaml-cpp")
    depends_on("sqlite@3.37:")
    depends_on("openssl")
    depends_on("boost@1.74:")
    depends_on("zstd")
    depends_on("lz4")
    depends_on("c-blosc2")
    depends_on("highway@1.3:")
    # Threads are handed out by KVstone: two kinds of them would share the cores.
    depends_on("openblas threads=none")
    depends_on("zfp")
    depends_on("xxhash")
    depends_on("libzip")
    depends_on("liburing")
    depends_on("cli11")
    depends_on("mpi", when="+mpi")
    depends_on("llama-cpp", when="+llama")
    for arch in CudaPackage.cuda_arch_values:
        depends_on(f"kokkos +cuda cuda_arch={arch}", when=f"+cuda cuda_arch={arch}")
    conflicts("cuda_arch=none", when="+cuda", msg="name the devices: kvstone +cuda cuda_arch=90")
    conflicts("%gcc@:11", msg="C++20 as KVstone uses it needs GCC 12 or newer")

    def cmake_args(self):
        return [
            self.define_from_variant("KVSTONE_MPI", "mpi"),
            self.define_from_variant("KVSTONE_LLAMA", "llama"),
            self.define_from_variant("KVSTONE_CUDA", "cuda"),
            self.define("KVSTONE_TESTS", False),
        ]

    @run_after("install")
    @on_package_attributes(run_tests=True)
    def check_install(self):
        Executable(self.prefix.bin.kvstone)("doctor")
