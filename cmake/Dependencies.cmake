# What the extensions need besides the core, and what to do when it is not there.

find_package(Python COMPONENTS Interpreter Development.Module)
if(NOT Python_Development.Module_FOUND OR NOT EXISTS "${Python_INCLUDE_DIRS}/Python.h")
  message(FATAL_ERROR
    "fastnet cannot be built: Python's header file Python.h was not found.\n"
    "Install the development files of the Python you are using, then try again:\n"
    "  Debian, Ubuntu:  apt-get install python3-dev\n"
    "  Fedora, RHEL:    dnf install python3-devel\n"
    "  Alpine:          apk add python3-dev")
endif()

find_package(Cython 3.2...<4 MODULE REQUIRED)
include(UseCython)
