/*
 * The Lua files of lua/ as data in the program. The table is made by cmake/embed.cmake; all of
 it is constant * and may be read by any thread. */
#ifndef SUP_SCRIPT_EMBEDDED_H
#define SUP_SCRIPT_EMBEDDED_H

#include <stddef.h>

struct sup_embedded {
    const char *name;          /* module name, "suptree.cli.run" */
    const char *path;          /* file in the source tree, "lua/suptree/cli/run.lua" */
    const unsigned char *data; /* the file's text; a zero byte follows it */
    size_t size;               /* bytes of text, without that zero byte */
};

/* Sorted by path. sup_embedded_lua_count rows, then one row of zeros. */
extern const struct sup_embedded sup_embedded_lua[];
extern const size_t sup_embedded_lua_count;

#endif
