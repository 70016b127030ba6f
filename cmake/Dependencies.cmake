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

# For the keyed connections: their message authentication codes are OpenSSL's.
find_package(OpenSSL 3 QUIET COMPONENTS Crypto)
if(NOT TARGET OpenSSL::Crypto OR OPENSSL_VERSION VERSION_LESS 3)
  set(found "it was not found")
  if(OPENSSL_VERSION)
    set(found "only version ${OPENSSL_VERSION} was found")
  endif()
  message(FATAL_ERROR
    "fastnet cannot be built: it needs the development files of OpenSSL 3, and ${found}.\n"
    "Install them, then try again:\n"
    "  Debian, Ubuntu:  apt-get install libssl-dev\n"
    "  Fedora, RHEL:    dnf install openssl-devel\n"
    "  Alpine:          apk add openssl-dev\n"
    "  macOS:           brew install openssl@3\n"
    "or name another place with OPENSSL_ROOT_DIR.")
endif()

find_package(Cython 3.2...<4 MODULE REQUIRED)
include(UseCython)
