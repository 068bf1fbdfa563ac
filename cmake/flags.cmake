# Compiler and linker flags: language, warnings, hardening, sanitizers.
option(SUP_WERROR "Warnings are errors (also when CI is set in the environment)" OFF)
set(SUP_SANITIZE "" CACHE STRING "Sanitizers: empty, address (with undefined), or thread")
set_property(CACHE SUP_SANITIZE PROPERTY STRINGS "" address thread)

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # the layers go into programs and into suptree.so
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")

# Defined empty, so that a file which defines it itself does not clash.
add_compile_definitions("_GNU_SOURCE=")
add_compile_options(-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/= -fno-common)

add_compile_options(
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wswitch-enum)
if(SUP_WERROR OR NOT "$ENV{CI}" STREQUAL "")
  add_compile_options(-Werror)
endif()

add_link_options(-Wl,--as-needed -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)

if(SUP_SANITIZE STREQUAL "")
  include(CheckCCompilerFlag)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection)
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug") # fortified functions need an optimizing compiler
    check_c_compiler_flag("-Werror -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3" SUP_HAVE_FORTIFY_3)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$<IF:$<BOOL:${SUP_HAVE_FORTIFY_3}>,3,2>)
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
    add_compile_options(-fcf-protection)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    add_compile_options(-mbranch-protection=standard)
  endif()
elseif(SUP_SANITIZE STREQUAL "address")
  set(sup_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(SUP_SANITIZE STREQUAL "thread")
  set(sup_sanitizers -fsanitize=thread -fno-omit-frame-pointer)
else()
  message(FATAL_ERROR "SUP_SANITIZE is '${SUP_SANITIZE}'; use address or thread, or leave it empty")
endif()

option(SUP_FUZZ "Build the fuzz targets for libFuzzer; needs clang" OFF)
if(SUP_FUZZ)
  list(APPEND sup_sanitizers -fsanitize=fuzzer-no-link)
endif()

if(NOT SUP_SANITIZE STREQUAL "")
  add_compile_options(${sup_sanitizers} -O1)
  add_link_options(${sup_sanitizers})
  add_compile_definitions(SUP_SANITIZE_BUILD=1)
endif()
add_compile_definitions(SUPTREE_VERSION="${PROJECT_VERSION}")
