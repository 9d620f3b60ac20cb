# kvstone_codec_library(LIBRARY SOURCE [FLAG...]): a codec in C or C++ as a shared library, compiled as its users do. Paths of the
# library in the build folder, and of the source in this tree.
function(kvstone_codec_library library source)
  set(language -x c -std=c99)
  if(source MATCHES "cpp$")
    set(language -x c++ -std=c++20 -fvisibility=hidden)
  endif()
  get_filename_component(folder ${CMAKE_BINARY_DIR}/${library} DIRECTORY)
  file(MAKE_DIRECTORY ${folder})
  add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/${library} VERBATIM
    COMMAND ${CMAKE_CXX_COMPILER} ${language} -O2 -shared -fPIC ${ARGN} -I ${CMAKE_SOURCE_DIR}/codecs/external/include
            -o ${CMAKE_BINARY_DIR}/${library} ${CMAKE_SOURCE_DIR}/${source} -lm
    DEPENDS ${CMAKE_SOURCE_DIR}/${source} ${CMAKE_SOURCE_DIR}/codecs/external/include/kvstone/codec.h)
endfunction()
