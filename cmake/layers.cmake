# Layers and products. A layer is a folder of src; its headers are included as "LAYER/file.h". Each target sees only its own
# folder and those of the layers it may use, through build/include-LAYER/LAYER -> src/LAYER. A target exists when it has sources.
include_guard()

function(sup_include_dir layer out)
  set(dir ${PROJECT_BINARY_DIR}/include-${layer})
  file(MAKE_DIRECTORY ${dir})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/src/${layer} ${dir}/${layer} SYMBOLIC)
  set(${out} ${dir} PARENT_SCOPE)
endfunction()

function(sup_see target)
  foreach(layer ${ARGN})
    sup_include_dir(${layer} dir)
    target_include_directories(${target} PRIVATE ${dir})
  endforeach()
endfunction()

# Layers on the include path and on the link line of a program, library or test, in link order.
function(sup_use target)
  sup_see(${target} ${ARGN})
  foreach(layer ${ARGN})
    if(TARGET sup_${layer})
      target_link_libraries(${target} PRIVATE sup_${layer})
    endif()
  endforeach()
endfunction()

function(sup_layer name)
  cmake_parse_arguments(arg "" "" "USES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.c)
  # A program's main.c stays out of its layer, so that tests can link the rest.
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  if(NOT sources)
    return()
  endif()
  add_library(sup_${name} STATIC ${sources})
  set_target_properties(sup_${name} PROPERTIES ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  sup_see(sup_${name} ${name})
  sup_use(sup_${name} ${arg_USES})
endfunction()

# Libraries from outside. Their headers are visible to the layer alone, the libraries to whatever links it.
function(sup_layer_needs name)
  if(TARGET sup_${name})
    target_link_libraries(sup_${name} PRIVATE ${ARGN})
  endif()
endfunction()

function(sup_layer_headers name)
  if(TARGET sup_${name})
    target_include_directories(sup_${name} SYSTEM PRIVATE ${ARGN})
  endif()
endfunction()

function(sup_product target)
  set_target_properties(${target} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
    LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}
    ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endfunction()

# A program of one layer: src/LAYER/main.c and sup_LAYER. libc only, by construction: nothing else is linked.
function(sup_program name)
  cmake_parse_arguments(arg "" "LAYER" "USES" ${ARGN})
  file(GLOB main CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${arg_LAYER}/main.c)
  if(NOT main)
    return()
  endif()
  add_executable(${name} ${main})
  sup_product(${name})
  sup_use(${name} ${arg_LAYER} ${arg_USES})
endfunction()

# A module that exports PATTERN alone; ENTRY pulls the code out of the static layers.
function(sup_export_only target)
  cmake_parse_arguments(arg "" "ENTRY;PATTERN" "" ${ARGN})
  set(script ${PROJECT_BINARY_DIR}/${target}.map)
  file(CONFIGURE OUTPUT ${script} CONTENT "{ global: ${arg_PATTERN}; local: *; };\n" @ONLY)
  # Threads of it may outlive the Lua state that loaded it.
  target_link_options(${target} PRIVATE -Wl,-u,${arg_ENTRY} -Wl,--version-script=${script} -Wl,-z,nodelete)
  set_target_properties(${target} PROPERTIES LINK_DEPENDS ${script})
endfunction()

# A shared library that exports the functions that its header declares. Threads of it may outlive a dlclose.
function(sup_export_header target header)
  file(STRINGS ${header} lines REGEX "[ *]sup_[a-z_]+\\(|^sup_[a-z_]+\\(")
  set(names "")
  foreach(line IN LISTS lines)
    if(NOT line MATCHES "^(\\*\\*|/\\*|    )" AND line MATCHES "(sup_[a-z_]+)\\(")
      string(APPEND names " ${CMAKE_MATCH_1};")
    endif()
  endforeach()
  set(script ${PROJECT_BINARY_DIR}/${target}.map)
  file(CONFIGURE OUTPUT ${script} CONTENT "{ global:${names} local: *; };\n" @ONLY)
  target_link_options(${target} PRIVATE -Wl,--version-script=${script} -Wl,-z,nodelete)
  set_target_properties(${target} PROPERTIES LINK_DEPENDS "${script};${header}")
endfunction()

# A static library that holds the objects of its layers, so that a C program links one file.
function(sup_merge target)
  sup_see(${target} ${ARGN})
  foreach(layer ${ARGN})
    if(TARGET sup_${layer})
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:sup_${layer}>)
    endif()
  endforeach()
endfunction()
