# The format page at the head of every stage's file goes into the program: included by harness/CMakeLists.txt, and run as a
# script where one of the files changes.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(stages ${CMAKE_SOURCE_DIR}/codecs/stages)
  file(GLOB stage_files CONFIGURE_DEPENDS ${stages}/*.cpp)
  set(stage_pages_source ${CMAKE_CURRENT_BINARY_DIR}/stage_pages.cpp)
  add_custom_command(OUTPUT ${stage_pages_source}
    COMMAND ${CMAKE_COMMAND} -D stages=${stages} -D output=${stage_pages_source} -P ${CMAKE_CURRENT_LIST_FILE}
    DEPENDS ${stage_files} ${CMAKE_CURRENT_LIST_DIR}/stage_pages.cpp.in ${CMAKE_CURRENT_LIST_FILE} COMMENT "" VERBATIM)
  return()
endif()

file(GLOB files ${stages}/*.cpp)
list(SORT files)
set(stage_pages "")
foreach(file ${files})
  file(READ ${file} text)
  # The comment that the file begins with: "NAME, NAME: summary", and the format.
  string(REGEX MATCH "^(//[^\n]*\n)+" page "${text}")
  string(REGEX REPLACE "(^|\n)// ?" "\\1" page "${page}")
  string(REGEX MATCH "^[^:\n]*" names "${page}")
  string(APPEND stage_pages "    {\"${names}\", R\"page(${page})page\"},\n")
endforeach()
configure_file(${CMAKE_CURRENT_LIST_DIR}/stage_pages.cpp.in ${output} @ONLY)
