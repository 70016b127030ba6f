# The core's own tests: each csrc/tests/test_*.c is one program and one ctest. With FASTNET_FUZZ,
# in their place, each csrc/fuzz/fuzz_*.c is one fuzzer whose kept corpus ctest replays.

function(fastnet_test_program name source)
  add_executable(${name} "${source}")
  target_link_libraries(${name} PRIVATE fastnet_core)
  # assert() is how the tests check; a Release build would remove it.
  target_compile_options(${name} PRIVATE -UNDEBUG)
  fastnet_warnings(${name} TEST)
endfunction()

if(BUILD_TESTING AND NOT FASTNET_FUZZ)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/csrc/tests/test_*.c")
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    fastnet_test_program(${name} "${source}")
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES TIMEOUT 120)
  endforeach()
endif()

if(FASTNET_FUZZ)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/csrc/fuzz/fuzz_*.c")
  foreach(source IN LISTS sources)
    get_filename_component(name "${source}" NAME_WE)
    string(REGEX REPLACE "^fuzz_" "" corpus "${name}")
    fastnet_test_program(${name} "${source}")
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    add_test(NAME ${name}_corpus
      COMMAND ${name} -runs=0 "${CMAKE_CURRENT_SOURCE_DIR}/csrc/fuzz/corpus/${corpus}")
    set_tests_properties(${name}_corpus PROPERTIES TIMEOUT 300)
  endforeach()
endif()
