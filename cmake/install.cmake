# What cmake --install puts where. The include root of C++ is include/varve, so that headers name each
# other as they do in this tree ("core/store/store.h"); C includes <varve/varve.h>.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(cpp_include ${CMAKE_INSTALL_INCLUDEDIR}/varve)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/varve)

# The rooms of the engine, lowest last: a linker wants them in this order.
set(engine_rooms store tiering cleaning map log device format runtime base)
# Their doors. What else these include is here, too: the install test compiles each of them alone.
set(engine_headers
  base/aligned_buffer.h base/check.h base/crc32c.h base/error.h base/ids.h base/log.h
  base/size_text.h base/text.h base/units.h
  runtime/clock.h runtime/latch.h runtime/random.h runtime/run_queue.h runtime/runtime.h
  runtime/system_clock.h runtime/task.h runtime/task_group.h runtime/timer_queue.h
  runtime/uring_loop.h runtime/wait_list.h
  device/block_device.h device/device_file.h device/uring_device.h
  format/catalog_record.h
  tiering/read_cache_stats.h
  store/store.h)

# Programs, and the plugins where varved looks for them: beside itself, whatever the libdir.
install(TARGETS varved varve)
get_property(plugins GLOBAL PROPERTY varve_plugins)
install(TARGETS ${plugins} LIBRARY DESTINATION lib/varve/plugins)

foreach(header ${engine_headers})
  get_filename_component(room ${header} DIRECTORY)
  install(FILES core/${header} DESTINATION ${cpp_include}/core/${room})
endforeach()
install(FILES core/embed/varve.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/varve)
install(DIRECTORY plugins/abi plugins/sdk DESTINATION ${cpp_include}/plugins
        FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The CMake package: varve::engine (C++), varve::c (C), varve::plugin (headers). Rooms are parts of it.
add_library(package_engine INTERFACE)
target_link_libraries(package_engine INTERFACE varve_store)
target_compile_features(package_engine INTERFACE cxx_std_20)
target_include_directories(package_engine INTERFACE $<INSTALL_INTERFACE:${cpp_include}>)
add_library(package_c INTERFACE)
target_link_libraries(package_c INTERFACE varve_embed)
target_include_directories(package_c INTERFACE
                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
add_library(package_plugin INTERFACE)
target_include_directories(package_plugin INTERFACE $<INSTALL_INTERFACE:${cpp_include}>)
set(exported)
foreach(target package_engine package_c package_plugin varve_embed)
  string(REGEX REPLACE "^[a-z]+_" "" name ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name})
  list(APPEND exported ${target})
endforeach()
foreach(room ${engine_rooms})
  set_target_properties(varve_${room} PROPERTIES EXPORT_NAME ${room})
  list(APPEND exported varve_${room})
endforeach()
# Where a C compiler links, it has to be told of the C++ library: behind the lowest room.
target_link_libraries(varve_base INTERFACE $<INSTALL_INTERFACE:$<$<LINK_LANGUAGE:C>:stdc++>>)
install(TARGETS ${exported} EXPORT varve_targets)
install(EXPORT varve_targets NAMESPACE varve:: FILE varve-targets.cmake DESTINATION ${package_folder})
configure_package_config_file(cmake/varve-config.cmake.in varve-config.cmake
                              INSTALL_DESTINATION ${package_folder}
                              NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(varve-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/varve-config.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/varve-config-version.cmake DESTINATION ${package_folder})

# pkg-config, for the C API. It finds its prefix from where it lies.
set(pkgconfig_folder ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH pc_libdir ${pkgconfig_folder} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH pc_includedir ${pkgconfig_folder} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
list(TRANSFORM engine_rooms PREPEND -lvarve_ OUTPUT_VARIABLE pc_rooms)
list(JOIN pc_rooms " " pc_rooms)
configure_file(cmake/varve.pc.in varve.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/varve.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
