/*
** script/editor.h: editing lines on a terminal, by libedit, as a Lua module for the console.
** libedit is opened when it is first asked for, so that nothing else pays for it.
*/
#ifndef SUP_SCRIPT_EDITOR_H
#define SUP_SCRIPT_EDITOR_H

#include <lua.h>

/*
** Push the module `suptree.editor`:
**   open(history)        true; or nil and why: then lines can be read as they come. `history`: the
**                        file of former lines, or nil
**   read(prompt, fd, complete)  the next line; or nil and a word: "end" (Ctrl-D), "interrupted"
**                        (Ctrl-C), "readable": there is something to read at the descriptor `fd`
**                        (nil: none). What was typed so far then stands, and the next read goes on.
**                        complete(line, first, last) -> the words that may stand there instead
**   show(text)           lines above the prompt, which is drawn again
**   remember(line)       for the arrow keys, and for the file
**   close()              save the history, and leave the terminal as it was
*/
int sup_editor_open(lua_State *L);

#endif
