# Packages of the installed tree (../install.cmake) by CPack: `./dev package`, or `cpack` in a build folder. Included by
# CMakeLists.txt.
#
#   kvstone-VERSION-linux-PROCESSOR.tar.zst   unpacks anywhere; needs the libraries that the programs are linked with
#   kvstone_VERSION_ARCHITECTURE.deb          the same with its dependencies, for the Debian that it was built in
set(CPACK_GENERATOR TZST)
find_program(DPKG_DEB dpkg-deb)
if(DPKG_DEB)
  list(APPEND CPACK_GENERATOR DEB)
endif()
set(CPACK_PACKAGE_NAME kvstone)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_FILE_NAME "kvstone-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_PACKAGE_CONTACT "The KVstone maintainers")
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)  # as many as there are cores
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "KVstone measures codecs that compress the KV cache of large language models,
and says which one to run for a model, a context length and a machine.")

# Two scripts of this folder run while packages are made: one settles what is the generator's own, one marks the files.
set(CPACK_KVSTONE_BUILT ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set(CPACK_KVSTONE_DEPENDENCIES ${CMAKE_CURRENT_LIST_DIR}/debian_dependencies)
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/settle.cmake)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/name_origin.cmake)
include(CPack)
