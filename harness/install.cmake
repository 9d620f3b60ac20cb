# What an installed tree has, and the same in the build folder (scenarios/own_program.hpp). Included by CMakeLists.txt.
#
#   bin/kvstone
#   libexec/kvstone/       kvstone-attempt, kvstone_mpi.so
#   lib/kvstone/           int4.so, a codec of the shipped scenario `external`
#   include/kvstone/       codec.h, for codecs in shared libraries; share/pkgconfig/kvstone-codec.pc
#   lib/                   libkvstone.so, kvstone::codecs of find_package(kvstone) in lib/cmake/kvstone; its headers are in
#                          include/kvstone/, too
#   share/kvstone/         scenarios/, models/, templates/, slurm/, python/, known_models.txt, data.txt, origin
#   share/man/man1/        a page of each verb; completions of bash, zsh and fish where these look for them
#   share/doc/kvstone/     LICENSE, licences/ of what is linked
#
# The tree may be moved. It needs the libraries that the programs are linked with.
include(GNUInstallDirs)

# SOURCE NAME: a shipped file or folder, and its name in share/kvstone.
function(kvstone_ship source name)
  set(source ${CMAKE_SOURCE_DIR}/${source})
  get_filename_component(folder ${CMAKE_BINARY_DIR}/share/kvstone/${name} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  file(CREATE_LINK ${source} ${CMAKE_BINARY_DIR}/share/kvstone/${name} SYMBOLIC)
  get_filename_component(folder share/kvstone/${name} DIRECTORY)
  if(IS_DIRECTORY ${source})
    install(DIRECTORY ${source}/ DESTINATION share/kvstone/${name} USE_SOURCE_PERMISSIONS
            PATTERN __pycache__ EXCLUDE)
  else()
    install(FILES ${source} DESTINATION ${folder})
  endif()
endfunction()
kvstone_ship(scenarios/library scenarios)
foreach(file tiny.gguf tiny-q8_0.gguf tiny-q4_0.gguf text.txt words.json MODEL_CARD.md)
  kvstone_ship(harness/tiny_model/${file} models/${file})
endforeach()
kvstone_ship(harness/sources/data.txt data.txt)
kvstone_ship(harness/sources/known_models.txt known_models.txt)
kvstone_ship(cluster/slurm slurm)
kvstone_ship(codecs/external/templates templates)
kvstone_ship(codecs/external/python python)

install(TARGETS kvstone RUNTIME DESTINATION bin)
install(TARGETS kvstone-attempt RUNTIME DESTINATION libexec/kvstone)
install(PROGRAMS ${CMAKE_BINARY_DIR}/lib/kvstone/int4.so DESTINATION lib/kvstone)
if(TARGET kvstone_mpi)
  install(TARGETS kvstone_mpi LIBRARY DESTINATION libexec/kvstone)
endif()
install(DIRECTORY codecs/external/include/kvstone DESTINATION include)
# Paths of the file itself, so that a moved tree is found by it.
file(CONFIGURE OUTPUT kvstone-codec.pc @ONLY CONTENT [[
prefix=${pcfiledir}/../..
includedir=${prefix}/include

Name: kvstone-codec
Description: Interface between KVstone and codecs in shared libraries
Version: @PROJECT_VERSION@
Cflags: -I${includedir}
]])
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kvstone-codec.pc DESTINATION share/pkgconfig)

# kvstone::codecs: the shared library, and the headers that its users read, none of which brings another library.
foreach(header codecs/codec.hpp codecs/ledger.hpp codecs/rope.hpp codecs/container/tensor_codec.hpp
        codecs/pipeline/checked_decode.hpp backends/backend.hpp backends/function.hpp backends/kv_view.hpp
        backends/kernels/poison.hpp scenarios/errors.hpp)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES ${header} DESTINATION include/kvstone/${folder})
endforeach()
include(CMakePackageConfigHelpers)
write_basic_package_version_file(kvstoneConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS libkvstone EXPORT kvstone LIBRARY DESTINATION lib INCLUDES DESTINATION include include/kvstone)
install(EXPORT kvstone FILE kvstoneConfig.cmake NAMESPACE kvstone:: DESTINATION lib/cmake/kvstone)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kvstoneConfigVersion.cmake DESTINATION lib/cmake/kvstone)

install(FILES LICENSE DESTINATION share/doc/kvstone)
# What `kvstone --version` says of this tree; packages say it of themselves (package/name_origin.cmake).
install(CODE [[
  file(WRITE "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/share/kvstone/origin" "installed by CMake\n")
]])

set(linked)
foreach(target kvstone kvstone-attempt libkvstone kvstone_mpi)
  if(TARGET ${target})
    string(APPEND linked " \"$<TARGET_FILE:${target}>\"")
  endif()
endforeach()
# The program writes pages and completions from its own verbs and options, and this machine knows whose libraries it uses.
install(CODE "
  set(top \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\")
  set(kvstone ${CMAKE_CROSSCOMPILING_EMULATOR} \"$<TARGET_FILE:kvstone>\")
  execute_process(COMMAND \${kvstone} manual \"\${top}/share/man/man1\" COMMAND_ERROR_IS_FATAL ANY)
  foreach(shell IN ITEMS bash:bash-completion/completions/kvstone zsh:zsh/site-functions/_kvstone
                         fish:fish/vendor_completions.d/kvstone.fish)
    string(REPLACE : \";\" shell \${shell})
    list(POP_FRONT shell name)
    get_filename_component(folder \"\${top}/share/\${shell}\" DIRECTORY)
    file(MAKE_DIRECTORY \"\${folder}\")
    execute_process(COMMAND \${kvstone} completions \${name} OUTPUT_FILE \"\${top}/share/\${shell}\"
                    COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  execute_process(COMMAND \"${CMAKE_SOURCE_DIR}/.ci/licences\" \"\${top}/share/doc/kvstone/licences\" ${linked}
                  COMMAND_ERROR_IS_FATAL ANY)
")
