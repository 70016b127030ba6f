# fastnet_extension(<name>): src/fastnet/_native/<name>.pyx as the module fastnet._native.<name>.

# Cython's directives, once for all extensions. Bounds checks stay on: hot loops belong in C.
set(FASTNET_CYTHON_ARGS
  -X language_level=3
  -X embedsignature=True
  -X embedsignature.format=python
  -X warn.unused=True
  -X warn.maybe_uninitialized=True
)
if(FASTNET_WERROR)
  list(APPEND FASTNET_CYTHON_ARGS --warning-errors)
endif()

if(APPLE)
  set(FASTNET_DROP_UNUSED -Wl,-dead_strip)
else()
  set(FASTNET_DROP_UNUSED -Wl,--gc-sections)
endif()

function(fastnet_extension name)
  cython_transpile("src/fastnet/_native/${name}.pyx"
    LANGUAGE C
    MODULE_NAME "fastnet._native.${name}"
    INCLUDE_DIRECTORIES src
    CYTHON_ARGS ${FASTNET_CYTHON_ARGS}
    OUTPUT "cython/${name}.c"
    OUTPUT_VARIABLE generated
  )
  set(target "native_${name}")
  python_add_library(${target} MODULE "${generated}" WITH_SOABI)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME "${name}")
  target_link_libraries(${target} PRIVATE fastnet_core)
  target_link_options(${target} PRIVATE ${FASTNET_DROP_UNUSED})
  fastnet_warnings(${target} CYTHON)
  install(TARGETS ${target} DESTINATION fastnet/_native)
endfunction()
