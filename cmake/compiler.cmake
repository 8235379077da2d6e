# Compiler settings for every target. VARVE_SANITIZE: "", "address", "thread" or "fuzzer".
set(VARVE_SANITIZE "" CACHE STRING "address, thread, fuzzer or empty")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()
# Line tables are enough for stack traces; full debug information doubles the compile time.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(CCACHE ccache)
if(CCACHE)
  # Paths relative to the tree: another clone of the same commit finds its objects in the cache.
  set(launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      ${CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
endif()

add_compile_options(-Wall -Wextra -Werror -Wno-missing-field-initializers
                    -fstack-protector-strong -fno-omit-frame-pointer)
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND VARVE_SANITIZE)
  add_compile_options(-Wno-maybe-uninitialized)  # false alarms under sanitizers, g++ 12
  # Sanitized code at -O2 takes g++ 12 more than twice as long. Awaits need sibling calls.
  add_compile_options(-O1 -foptimize-sibling-calls)
endif()

if(VARVE_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
elseif(VARVE_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(VARVE_SANITIZE STREQUAL "fuzzer")
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=function
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
else()
  # What is installed names no folder of the machine that built it.
  add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
  add_compile_options($<$<CONFIG:RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
