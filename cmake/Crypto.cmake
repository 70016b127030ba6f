# What the core needs: OpenSSL, whose are the message authentication codes of keyed connections.
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
