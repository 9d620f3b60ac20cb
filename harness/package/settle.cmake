# Run by CPack once for each kind of package, before it installs any file.
if(NOT CPACK_GENERATOR STREQUAL "DEB")
  return()
endif()
# What the programs are linked with; and what the module of MPI is, which is loaded under a launcher alone.
set(programs ${CPACK_KVSTONE_BUILT}/kvstone ${CPACK_KVSTONE_BUILT}/kvstone-attempt
    ${CPACK_KVSTONE_BUILT}/libkvstone.so)
execute_process(COMMAND ${CPACK_KVSTONE_DEPENDENCIES} ${programs} OUTPUT_VARIABLE CPACK_DEBIAN_PACKAGE_DEPENDS
                OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(EXISTS ${CPACK_KVSTONE_BUILT}/kvstone_mpi.so)
  execute_process(COMMAND ${CPACK_KVSTONE_DEPENDENCIES} ${CPACK_KVSTONE_BUILT}/kvstone_mpi.so
                  OUTPUT_VARIABLE CPACK_DEBIAN_PACKAGE_RECOMMENDS OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  string(APPEND CPACK_DEBIAN_PACKAGE_RECOMMENDS ", openmpi-bin")
endif()
