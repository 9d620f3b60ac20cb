# Files that go into the program: included by results/CMakeLists.txt, and run as a script where one of them changes.

if(NOT CMAKE_SCRIPT_MODE_FILE)
  # Chart.js (MIT), minified; of the package libjs-chart.js, or named. Without it reports are Markdown alone.
  find_file(KVSTONE_CHARTS NAMES chart.min.js chart.umd.min.js chart.umd.js
            PATHS /usr/share/javascript/chart.js PATH_SUFFIXES share/javascript/chart.js
            DOC "Chart.js 3 or 4, minified, for `kvstone report`")
  set(charts ${KVSTONE_CHARTS})
  if(NOT charts)
    set(charts "")
    message(STATUS "Chart.js was not found (package libjs-chart.js, or KVSTONE_CHARTS=FILE): no HTML reports")
  endif()
  set(folder ${CMAKE_CURRENT_LIST_DIR})
  file(GLOB parts CONFIGURE_DEPENDS ${folder}/assets/*)
  set(assets_source ${CMAKE_CURRENT_BINARY_DIR}/report_assets.cpp)
  add_custom_command(OUTPUT ${assets_source}
    COMMAND ${CMAKE_COMMAND} -D charts=${charts} -D folder=${folder} -D output=${assets_source}
            -P ${CMAKE_CURRENT_LIST_FILE}
    DEPENDS ${parts} ${charts} ${folder}/assets.cpp.in ${CMAKE_CURRENT_LIST_FILE} COMMENT "" VERBATIM)
  return()
endif()

foreach(name chart_library chart_library_origin report_script)
  set(${name} "")
endforeach()
if(charts)
  file(READ ${charts} chart_library)
  # Its first comment names version, copyright and licence.
  string(REGEX MATCH "/\\*!([^/]|[^*]/)*\\*/" chart_library_origin "${chart_library}")
  string(REGEX REPLACE "[/*!\n ]+ \\*? *" " " chart_library_origin " ${chart_library_origin} ")
  string(REGEX REPLACE "^[/*! ]+|[/* ]+$" "" chart_library_origin "${chart_library_origin}")
endif()
file(READ ${folder}/assets/report.html report_page)
file(READ ${folder}/assets/report.css report_style)
file(GLOB scripts ${folder}/assets/*.js)
list(SORT scripts)
foreach(script ${scripts})
  file(READ ${script} text)
  string(APPEND report_script "${text}")
endforeach()
configure_file(${folder}/assets.cpp.in ${output} @ONLY)
