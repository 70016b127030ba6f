# FASTNET_SANITIZE and FASTNET_FUZZ: flags for everything that this build compiles and links.
#
# Everything, because a sanitizer that sees only half of a program reports things that are not
# there (thread) or misses things that are (address).

if(NOT FASTNET_SANITIZE MATCHES "^(address,undefined|address|undefined|thread)?$")
  message(FATAL_ERROR "FASTNET_SANITIZE is \"${FASTNET_SANITIZE}\"; it can be "
                      "\"address,undefined\", \"thread\" or empty.")
endif()

if(SKBUILD AND FASTNET_SANITIZE STREQUAL "thread")
  message(FATAL_ERROR "The thread sanitizer works for the C core alone (a build without pip): "
                      "it would have to see all of the Python interpreter too.")
endif()

if(FASTNET_SANITIZE)
  # The first error ends the program, so that a test run cannot pass over it; assertions are on.
  # What Cython generates is large, and compiles four times as fast without optimisation.
  set(level -O1)
  if(SKBUILD)
    set(level -O0)
  endif()
  add_compile_options(
    -fsanitize=${FASTNET_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer ${level} -g
    -UNDEBUG)
  add_link_options(-fsanitize=${FASTNET_SANITIZE})
endif()

if(FASTNET_FUZZ)
  if(SKBUILD)
    message(FATAL_ERROR "FASTNET_FUZZ is for the C core alone: configure with cmake, not pip.")
  endif()
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "FASTNET_FUZZ needs clang, for libFuzzer, but the compiler is "
                        "${CMAKE_C_COMPILER_ID}. Install it (Debian, Ubuntu: apt-get install "
                        "clang) and configure a fresh directory with CC=clang.")
  endif()
  # Coverage in the core; the entry points alone link libFuzzer's main().
  add_compile_options(-fsanitize=fuzzer-no-link -g)
endif()
