# Target headers_alone: every header of the project is compiled as the first include of a file of its own. It fails, too,
# where a header brings a library to rooms that have nothing to do with it, which would wait for its compilation: a macro
# of the library, then the headers that may define it.
set(libraries_at_home
    "KOKKOS_VERSION" "^(backends/(kernels/|spaces)|codecs/(kernels|stages)/|codecs/(register_stage|stage_checks)|harness/quality/|harness/workloads/attention/|tests/)"
    "SQLITE_VERSION" "^(results/store/|tests/)"
    "CLI11_VERSION" "^harness/cli/")
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
     ${CMAKE_SOURCE_DIR}/backends/*.hpp ${CMAKE_SOURCE_DIR}/codecs/*.hpp ${CMAKE_SOURCE_DIR}/scenarios/*.hpp
     ${CMAKE_SOURCE_DIR}/results/*.hpp ${CMAKE_SOURCE_DIR}/cluster/*.hpp ${CMAKE_SOURCE_DIR}/harness/*.hpp
     ${CMAKE_SOURCE_DIR}/tests/*.hpp)
# It is for a toolkit of CUDA, which need not be there.
list(REMOVE_ITEM headers backends/driver_functions.hpp)
set(sources)
foreach(header ${headers})
  string(MAKE_C_IDENTIFIER ${header} name)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/headers_alone/${name}.cpp)
  set(content "#include \"${header}\"\n")
  set(libraries ${libraries_at_home})
  while(libraries)
    list(POP_FRONT libraries macro home)
    if(NOT header MATCHES "${home}")
      string(APPEND content "#ifdef ${macro}\n#error \"${header} brings what defines ${macro}\"\n#endif\n")
    endif()
  endwhile()
  file(CONFIGURE OUTPUT ${source} CONTENT "${content}" @ONLY)
  list(APPEND sources ${source})
endforeach()
add_library(headers_alone OBJECT EXCLUDE_FROM_ALL ${sources})
target_link_libraries(headers_alone PRIVATE kvstone_codecs kvstone_cli kvstone_flags GTest::gmock)
target_compile_options(headers_alone PRIVATE -O0)
