# fastnet_warnings(<target> CORE|TEST|CYTHON): the warnings of one kind of source.
#
# CORE    hand-written, and the part that meets untrusted lengths: implicit conversions too.
# TEST    hand-written tests and fuzz entries.
# CYTHON  generated code: it converts implicitly everywhere, and CPython's headers mark as
#         deprecated a few things that Cython still has to use.

function(fastnet_warnings target kind)
  set(flags -Wall)
  if(kind STREQUAL "CORE" OR kind STREQUAL "TEST")
    list(APPEND flags -Wextra -Wshadow -Wstrict-prototypes)
  endif()
  if(kind STREQUAL "CORE")
    list(APPEND flags -Wconversion)
  elseif(kind STREQUAL "CYTHON")
    list(APPEND flags -Wno-deprecated-declarations)
  endif()
  if(FASTNET_WERROR)
    list(APPEND flags -Werror)
  endif()
  target_compile_options(${target} PRIVATE ${flags})
endfunction()
