# Run by CPack when the files of a package lie in its staging folder: `kvstone --version` will say which package they are of.
if(CPACK_GENERATOR STREQUAL "DEB")
  set(origin "Debian package kvstone ${CPACK_PACKAGE_VERSION}")
else()
  set(origin "archive ${CPACK_PACKAGE_FILE_NAME}.tar.zst")
endif()
file(GLOB_RECURSE files ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/share/kvstone/origin
     ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/*/share/kvstone/origin)
if(NOT files)
  message(FATAL_ERROR "there is no share/kvstone/origin below ${CPACK_TEMPORARY_INSTALL_DIRECTORY}")
endif()
foreach(file ${files})
  file(WRITE ${file} "${origin}\n")
endforeach()
