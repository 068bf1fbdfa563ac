/*
** script/options.h: the core's table of options as a Lua module, for lua/suptree/values.lua,
** declaration.lua and `suptree help OPTION`.
*/
#ifndef SUP_SCRIPT_OPTIONS_H
#define SUP_SCRIPT_OPTIONS_H

#include <lua.h>

/*
** Push the module `suptree.options`:
**   rows                        array of rows in alphabetical order, and each row under its name:
**                               { id, name, type, default, allowed, min, max, doc, source,
**                               supervisor, process, thread, child, inherited, exec, infinity,
**                               positive, required }; the last ones are booleans
**   applies(name, kind, root)   may a node of that kind have the option?
**   nearest(word, words)        the word of the array that was probably meant, or nil
**   nearest_option(word, kind, root)  the same among the options of that kind
**   check(name, bytes)          true, or nil, reason, hint: an encoded value against its row
**   duration(text), seconds(number)   nanoseconds, or nil
**   size(text)                  bytes, or nil
**   signal(text)                number, or nil
**   signal_name(number), duration_text(ns)  text
**   name_is_valid(text)         may a node be called so?
** Misuse raises.
*/
int sup_options_open(lua_State *L);

#endif
