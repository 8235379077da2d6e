# varve_room(name SOURCES ... DEPS ...): the static library varve_<name> of one core folder.
# DEPS name other rooms (by folder) or libraries; the order of rooms is checked by the tidy test.
function(varve_room name)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS" ${ARGN})
  list(TRANSFORM ROOM_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE absolute)
  set_property(GLOBAL PROPERTY varve_${name}_sources ${absolute})  # for the build with planted bugs
  set_property(GLOBAL APPEND PROPERTY varve_rooms ${name})
  if(ROOM_SOURCES)
    add_library(varve_${name} STATIC ${ROOM_SOURCES})
    set(scope PUBLIC)
  else()
    add_library(varve_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(varve_${name} ${scope} $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  foreach(dep ${ROOM_DEPS})
    if(EXISTS ${PROJECT_SOURCE_DIR}/core/${dep}/CMakeLists.txt)
      set(dep varve_${dep})
    endif()
    target_link_libraries(varve_${name} ${scope} ${dep})
  endforeach()
endfunction()

# Ran by tests/run.sh, which has built the sanitized presets: their programs become tests of this build.
option(VARVE_SANITIZED_RUNS "CTest also runs build/asan, build/tsan and build/fuzz" OFF)
add_custom_target(unit_tests COMMENT "every varve_test()")

# varve_test(name SOURCES ... DEPS ...): a Catch2 program and its CTest entry, label unit. With
# VARVE_SANITIZED_RUNS also asan_<name> and tsan_<name>, the same program from those builds.
function(varve_test name)
  cmake_parse_arguments(TEST "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE ${TEST_DEPS} Catch2::Catch2WithMain)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  add_dependencies(unit_tests ${name})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS unit)
  if(VARVE_SANITIZED_RUNS AND NOT VARVE_SANITIZE)
    foreach(sanitizer asan tsan)
      add_test(NAME ${sanitizer}_${name}
               COMMAND ${PROJECT_SOURCE_DIR}/build/${sanitizer}/bin/${name})
      set_tests_properties(${sanitizer}_${name} PROPERTIES LABELS ${sanitizer})
    endforeach()
  endif()
endfunction()

# varve_plugin(name SOURCES ... LIBRARIES ...): lib/varve/plugins/<name>.so, which sees only the ABI.
function(varve_plugin name)
  cmake_parse_arguments(PLUGIN "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(plugin_${name} MODULE ${PLUGIN_SOURCES})
  set_property(GLOBAL APPEND PROPERTY varve_plugins plugin_${name})
  set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME ${name}
    LIBRARY_OUTPUT_DIRECTORY ${VARVE_PLUGIN_DIRECTORY} CXX_VISIBILITY_PRESET hidden
    C_VISIBILITY_PRESET hidden)
  target_include_directories(plugin_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(plugin_${name} PRIVATE ${PLUGIN_LIBRARIES})
endfunction()
