# The build of a binary. Included by results/CMakeLists.txt, which writes the configuration's facts to a file; run as
# a script at every build, which adds facts that can change in between (commit and sources) and writes build.cpp if it differs.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  get_target_property(own_flags kvstone_flags INTERFACE_COMPILE_OPTIONS)
  list(FILTER own_flags EXCLUDE REGEX "^-W")
  list(JOIN own_flags " " own_flags)
  set(flags "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}} ${own_flags}")
  if(KVSTONE_SANITIZE)
    string(APPEND flags " -fsanitize=${KVSTONE_SANITIZE}")
  endif()
  foreach(linker_flags CMAKE_EXE_LINKER_FLAGS CMAKE_EXE_LINKER_FLAGS_${type})
    if(${linker_flags})
      string(APPEND flags " ${${linker_flags}}")
    endif()
  endforeach()
  string(STRIP "${flags}" flags)

  # Of a native build: the versions that were found. A toolchain root replaces them by its packages.
  set(found_versions)
  foreach(name Kokkos fmt nlohmann_json yaml-cpp SQLite3 OPENSSL Boost zstd xxhash libzip liburing CLI11 MPI_CXX llama)
    if(${name}_VERSION)
      list(APPEND found_versions "${name} ${${name}_VERSION}")
    endif()
  endforeach()
  if(MPI_CXX_LIBRARY_VERSION_STRING)
    string(REGEX MATCH "^[^\n,]*" library "${MPI_CXX_LIBRARY_VERSION_STRING}")
    list(APPEND found_versions "MPI library ${library}")
  endif()

  set(known ${CMAKE_CURRENT_BINARY_DIR}/build_known.cmake)
  set(lines "")
  foreach(line "version [[${PROJECT_VERSION}]]" "build_type [[${CMAKE_BUILD_TYPE}]]"
               "compiler [[${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}]]" "flags [[${flags}]]"
               "found_versions [[${found_versions}]]" "has_mpi $<IF:$<BOOL:${MPI_CXX_FOUND}>,true,false>"
               "has_llama $<IF:$<BOOL:${llama_FOUND}>,true,false>"
               "has_cuda $<IF:$<IN_LIST:CUDA,${Kokkos_DEVICES}>,true,false>")
    string(APPEND lines "set(${line})\n")
  endforeach()
  file(GENERATE OUTPUT ${known} CONTENT "${lines}")

  set(build_source ${CMAKE_CURRENT_BINARY_DIR}/build.cpp)
  add_custom_target(kvstone_build_info
    COMMAND ${CMAKE_COMMAND} -D known=${known} -D source=${CMAKE_SOURCE_DIR} -D output=${build_source}
            -P ${CMAKE_CURRENT_LIST_FILE}
    BYPRODUCTS ${build_source} COMMENT "" VERBATIM)
  return()
endif()

include(${known})

# Only compiled files count as a change: a note, a scenario or a database beside it makes no other build.
set(compiled CMakeLists.txt CMakePresets.json)
foreach(folder backends cluster codecs harness results scenarios)
  foreach(kind *.cpp *.hpp *.in *.cmake CMakeLists.txt)
    list(APPEND compiled ${folder}/**/${kind})
  endforeach()
endforeach()
list(APPEND compiled results/report/assets/**/*)

# The hash of those files by their place in the tree. The linker's build id would not do: the program holds the folder it
# was built from, so that the same sources in another folder have another one.
set(files "")
foreach(pattern ${compiled})
  string(REPLACE "/**/" "/" pattern ${pattern})
  if(pattern MATCHES "/")
    file(GLOB_RECURSE found RELATIVE ${source} ${source}/${pattern})
  else()
    file(GLOB found RELATIVE ${source} ${source}/${pattern})
  endif()
  list(APPEND files ${found})
endforeach()
list(REMOVE_DUPLICATES files)
list(FILTER files EXCLUDE REGEX "(^|/)[.]")  # files that editors keep beside a file
list(SORT files)
set(contents "")
foreach(file ${files})
  file(SHA256 ${source}/${file} hash)
  string(APPEND contents "${hash} ${file}\n")
endforeach()
string(SHA256 source_hash "${contents}")
string(SUBSTRING ${source_hash} 0 16 source_hash)

set(git_sha unknown)
find_program(GIT git)
if(GIT)
  # The checkout may belong to someone else (a container); the index is left as it is.
  set(ENV{GIT_OPTIONAL_LOCKS} 0)
  file(REAL_PATH ${source} checkout)
  set(git ${GIT} -c safe.directory=${checkout} -C ${checkout})
  execute_process(COMMAND ${git} rev-parse HEAD OUTPUT_VARIABLE head RESULT_VARIABLE failed
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT failed)
    list(TRANSFORM compiled PREPEND ":(glob)" OUTPUT_VARIABLE places)
    execute_process(COMMAND ${git} status --porcelain --untracked-files=all --ignored=matching -- ${places} ":(exclude,glob)**/.*"
                    OUTPUT_VARIABLE changes ERROR_QUIET)
    set(git_sha ${head})
    if(changes)
      string(APPEND git_sha -dirty)
    endif()
  endif()
endif()

# A toolchain root lists the packages it was made from.
set(versions ${found_versions})
if(EXISTS /etc/kvstone/packages)
  file(STRINGS /etc/kvstone/packages packages)
  execute_process(COMMAND dpkg-query --show "--showformat=\${Package} \${Version}\\n" ${packages}
                  OUTPUT_VARIABLE versions COMMAND_ERROR_IS_FATAL ANY OUTPUT_STRIP_TRAILING_WHITESPACE)
  string(REPLACE "\n" ";" versions "${versions}")
endif()
list(PREPEND versions "${compiler}")
list(REMOVE_DUPLICATES versions)
string(REPLACE ";" "\n" lines "${versions}")
string(SHA256 toolchain "${lines}")
string(SUBSTRING ${toolchain} 0 16 toolchain)

foreach(name flags lines)
  string(REPLACE "\\" "\\\\" ${name} "${${name}}")
  string(REPLACE "\"" "\\\"" ${name} "${${name}}")
endforeach()
string(REPLACE "\n" "\\n\"\n                              \"" toolchain_packages "${lines}")
configure_file(${CMAKE_CURRENT_LIST_DIR}/build.cpp.in ${output} @ONLY)
