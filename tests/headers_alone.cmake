# Target headers_alone: every header of the project is compiled as the first include of a file of its own.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
     ${CMAKE_SOURCE_DIR}/backends/*.hpp ${CMAKE_SOURCE_DIR}/codecs/*.hpp ${CMAKE_SOURCE_DIR}/scenarios/*.hpp
     ${CMAKE_SOURCE_DIR}/results/*.hpp ${CMAKE_SOURCE_DIR}/cluster/*.hpp ${CMAKE_SOURCE_DIR}/harness/*.hpp
     ${CMAKE_SOURCE_DIR}/tests/*.hpp)
set(sources)
foreach(header ${headers})
  string(MAKE_C_IDENTIFIER ${header} name)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/headers_alone/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"\n")
  list(APPEND sources ${source})
endforeach()
add_library(headers_alone OBJECT EXCLUDE_FROM_ALL ${sources})
target_link_libraries(headers_alone PRIVATE kvstone_codecs kvstone_cli kvstone_flags GTest::gmock)
target_compile_options(headers_alone PRIVATE -O0)
