# Lua files as C data, by CMake alone: sup_embed_lua(TARGET FOLDER) adds a generated embedded_lua.c to TARGET, with the table that
# src/script/embedded.h declares. A file that changes, comes or goes makes it anew.
# The same file is the generator: cmake -D ROOT= -D LIST= -D OUT= -P embed.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  file(STRINGS ${LIST} paths)
  set(arrays "")
  set(rows "")
  set(n 0)
  foreach(path IN LISTS paths)
    file(READ ${ROOT}/${path} hex HEX)
    file(SIZE ${ROOT}/${path} size)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    # lua/suptree/cli/run.lua is suptree.cli.run, lua/suptree/init.lua is suptree
    string(REGEX REPLACE "^lua/|(/init)?\\.lua$" "" name "${path}")
    string(REPLACE "/" "." name "${name}")
    string(APPEND arrays "/* ${path} */\nstatic const unsigned char file_${n}[] = {\n${hex}0x00};\n\n")
    string(APPEND rows "    {\"${name}\", \"${path}\", file_${n}, ${size}},\n")
    math(EXPR n "${n} + 1")
  endforeach()
  file(WRITE ${OUT} "/* Made by cmake/embed.cmake from the files of lua/. */\n#include \"script/embedded.h\"\n\n${arrays}"
    "const struct sup_embedded sup_embedded_lua[] = {\n${rows}    {0, 0, 0, 0},\n};\n"
    "const size_t sup_embedded_lua_count = ${n};\n")
  return()
endif()

include_guard()
set(SUP_EMBED_SCRIPT ${CMAKE_CURRENT_LIST_FILE})

function(sup_embed_lua target folder)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS ${folder}/*.lua)
  list(SORT files)
  set(paths ${files})
  list(TRANSFORM paths REPLACE "^${PROJECT_SOURCE_DIR}/" "")
  list(JOIN paths "\n" text)
  set(list ${PROJECT_BINARY_DIR}/embedded_lua.list)
  set(out ${PROJECT_BINARY_DIR}/embedded_lua.c)
  file(CONFIGURE OUTPUT ${list} CONTENT "${text}\n" @ONLY) # written only when it differs
  add_custom_command(OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -D ROOT=${PROJECT_SOURCE_DIR} -D LIST=${list} -D OUT=${out} -P ${SUP_EMBED_SCRIPT}
    DEPENDS ${files} ${list} ${SUP_EMBED_SCRIPT}
    COMMENT "Embedding the files of lua/" VERBATIM)
  target_sources(${target} PRIVATE ${out})
endfunction()
