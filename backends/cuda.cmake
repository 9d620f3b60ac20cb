# A Kokkos with CUDA: its headers are for nvcc alone. What includes them (.ci/kernel_sources) is CMake's language CUDA, all
# else C++ as ever, by the same host compiler. Included by the top folder's CMakeLists.txt where Kokkos was found.

if(NOT "CUDA" IN_LIST Kokkos_DEVICES)
  if(KVSTONE_CUDA)
    message(FATAL_ERROR "KVSTONE_CUDA needs a Kokkos with CUDA, and the one in ${Kokkos_DIR} has ${Kokkos_DEVICES}. "
                        "Name the folder where one is installed with Kokkos_ROOT.")
  endif()
  function(kvstone_kernels_for_cuda)
  endfunction()
  return()
endif()

if(NOT "OPENMP" IN_LIST Kokkos_DEVICES)
  message(FATAL_ERROR "The Kokkos in ${Kokkos_DIR} has CUDA and no OpenMP. Build it with Kokkos_ENABLE_OPENMP=ON, too.")
endif()
if(Kokkos_ENABLE_CUDA_RELOCATABLE_DEVICE_CODE)
  message(FATAL_ERROR "The Kokkos in ${Kokkos_DIR} has relocatable device code, which needs a linker of its own. "
                      "Build it without Kokkos_ENABLE_CUDA_RELOCATABLE_DEVICE_CODE.")
endif()

# The architectures that Kokkos was compiled for. Where nothing else is said (CUDAHOSTCXX), nvcc's host compiler is the one of
# C++; another version of it will do as well, as far as their standard libraries are one.
if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${Kokkos_CUDA_ARCHITECTURES})
endif()
if(NOT CMAKE_CUDA_HOST_COMPILER AND NOT DEFINED ENV{CUDAHOSTCXX})
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER})
endif()
# As what Kokkos itself is linked with. There must be one runtime in a process.
set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
enable_language(CUDA)
# The C++ compiler links, with the standard library of its own version and not with that of nvcc's host compiler.
list(FILTER CMAKE_CUDA_IMPLICIT_LINK_DIRECTORIES EXCLUDE REGEX "/gcc/")
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12)
  message(FATAL_ERROR "${CMAKE_CUDA_COMPILER} is version ${CMAKE_CUDA_COMPILER_VERSION}; 12.0 is the first with C++20.")
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
if(CCACHE)
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
endif()
find_package(CUDAToolkit REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)

# Kokkos' options are for its own wrapper around nvcc, as a compiler of C++, or for CUDA, as it was built. Products and
# sums are rounded one by one on devices, too. Functions of the host that a kernel calls are only warned of otherwise.
set(for_nvcc --extended-lambda --expt-relaxed-constexpr --fmad=false -Xcompiler=-fopenmp
    "SHELL:-Werror cross-execution-space-call,ext-lambda-captures-this"
    "SHELL:--diag-suppress 1675")  # pragmas of GCC, which are for the host
foreach(target Kokkos::kokkoscore Kokkos::kokkoscontainers Kokkos::kokkosalgorithms Kokkos::kokkossimd Kokkos::kokkos)
  if(TARGET ${target})
    get_target_property(headers ${target} INTERFACE_INCLUDE_DIRECTORIES)
    set_target_properties(${target} PROPERTIES INTERFACE_COMPILE_OPTIONS "" INTERFACE_LINK_OPTIONS ""
                          INTERFACE_INCLUDE_DIRECTORIES "$<$<COMPILE_LANGUAGE:CUDA>:${headers}>")
  endif()
endforeach()
set_property(TARGET Kokkos::kokkoscore APPEND PROPERTY
             INTERFACE_COMPILE_OPTIONS "$<$<COMPILE_LANGUAGE:CUDA>:${for_nvcc}>")
set_property(TARGET Kokkos::kokkoscore APPEND PROPERTY INTERFACE_LINK_LIBRARIES CUDA::cudart)
# The driver's library comes with a device: programs must start without it.
add_link_options(LINKER:--as-needed)

# To be called when every target is there: a source's language belongs to the folder whose targets have it, and the flags of
# all targets are then known.
function(kvstone_kernels_for_cuda)
  get_target_property(flags kvstone_flags INTERFACE_COMPILE_OPTIONS)
  set(for_both)
  foreach(flag ${flags})
    list(APPEND for_both $<$<COMPILE_LANGUAGE:CXX>:${flag}>)
    if(NOT flag MATCHES "^-W")
      list(APPEND for_both $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${flag}>)
    endif()
  endforeach()
  set_property(TARGET kvstone_flags PROPERTY INTERFACE_COMPILE_OPTIONS ${for_both})

  execute_process(COMMAND ${CMAKE_SOURCE_DIR}/.ci/kernel_sources backends codecs harness tests
                  OUTPUT_VARIABLE lines COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "(^|\n)[^ \n]+" sources "${lines}")
  string(REPLACE "\n" "" sources "${sources}")
  list(TRANSFORM sources PREPEND ${CMAKE_SOURCE_DIR}/)
  # Another line of #include may make another list.
  string(REGEX MATCHALL "[^ \n]+" read "${lines}")
  list(REMOVE_DUPLICATES read)
  list(TRANSFORM read PREPEND ${CMAKE_SOURCE_DIR}/)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${read})
  set(folders ${CMAKE_SOURCE_DIR})
  while(folders)
    list(POP_FRONT folders folder)
    set_property(SOURCE ${sources} DIRECTORY ${folder} PROPERTY LANGUAGE CUDA)
    get_property(more DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
    list(APPEND folders ${more})
  endwhile()

  # Reading Kokkos takes most of nvcc's time: the sources of the codecs, none of which defines what another does
  # (.ci/check_cuda), go into few units. Each stage has a static object of this name.
  get_target_property(of_codecs kvstone_codecs SOURCES)
  list(TRANSFORM of_codecs PREPEND ${CMAKE_SOURCE_DIR}/codecs/)
  list(REMOVE_ITEM of_codecs ${sources})
  set_property(SOURCE ${of_codecs} DIRECTORY ${CMAKE_SOURCE_DIR}/codecs PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
  set_target_properties(kvstone_codecs PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8 UNITY_BUILD_UNIQUE_ID KVSTONE_UNIT
    UNITY_BUILD_CODE_BEFORE_INCLUDE "#define registered KVSTONE_JOIN(registered_, KVSTONE_UNIT)
#define KVSTONE_JOIN(a, b) KVSTONE_JOIN_EXPANDED(a, b)
#define KVSTONE_JOIN_EXPANDED(a, b) a##b" UNITY_BUILD_CODE_AFTER_INCLUDE "#undef registered")

  list(LENGTH sources count)
  message(STATUS "${count} sources have kernels and are compiled for CUDA ${CMAKE_CUDA_ARCHITECTURES}")
endfunction()
