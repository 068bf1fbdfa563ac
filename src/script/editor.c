/*
** script/editor.c: libedit by its readline face, in its form with callbacks: while a person types,
** what comes from elsewhere can be shown. One terminal, one editor: hence the statics.
*/
#include "script/editor.h"

#include "script/cut.h"

#include <dlfcn.h>
#include <editline/readline.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HISTORY_LINES 1000
#define BREAKS " \t\n\"'`@$><=;|&{}()[],+-*/%^#~"

/* What of libedit is used. */
#define FUNCTIONS(X) \
    X(int, add_history, (const char *) ) \
    X(int, history_truncate_file, (const char *, int) ) \
    X(int, read_history, (const char *) ) \
    X(int, rl_add_defun, (const char *, rl_command_func_t *, int) ) \
    X(void, rl_callback_handler_install, (const char *, rl_vcpfunc_t *) ) \
    X(void, rl_callback_handler_remove, (void) ) \
    X(void, rl_callback_read_char, (void) ) \
    X(char **, rl_completion_matches, (const char *, rl_compentry_func_t *) ) \
    X(void, rl_forced_update_display, (void) ) \
    X(int, rl_initialize, (void) ) \
    X(void, using_history, (void) ) \
    X(int, write_history, (const char *) )

static struct {
    void *library; /* NULL: not opened */
#define MEMBER(type, name, parameters) type(*name) parameters;
    FUNCTIONS(MEMBER)
    lua_State *L;     /* while a line is read: for completion */
    int complete;     /* index in ${L} of the function; 0: none */
    size_t next_word; /* of those that it returned */
    bool installed;   /* the prompt is there */
    bool done, ended; /* a line, or the end, came */
    char *line;       /* malloc()ed */
    char *history;    /* the file; NULL: none */
} editor;

/* --- opening ---------------------------------------------------------------------------------- */

static bool find_functions(void)
{
#define FIND(type, name, parameters) \
    *(void **) &editor.name = dlsym(editor.library, #name); \
    if (editor.name == NULL) return false;
    FUNCTIONS(FIND)
    return true;
}

static char **complete_word(const char *text, int first, int last);

/* Set a variable of libedit's. */
static void set_variable(const char *name, const void *value, size_t size)
{
    void *variable = dlsym(editor.library, name);
    if (variable != NULL) memcpy(variable, value, size);
}

/*
** Ctrl-D that was typed while a command ran: the terminal was in its canonical mode then and gives
** it as a NUL.
*/
static int end_by_nul(int count, int key)
{
    (void) count;
    (void) key;
    char **line = dlsym(editor.library, "rl_line_buffer");
    editor.ended = line == NULL || *line == NULL || (*line)[0] == '\0';
    return 0;
}

static void set_up(void)
{
    rl_completion_func_t *complete = complete_word;
    const char *name = "suptree", *breaks = BREAKS;
    const int none = 0;
    set_variable("rl_attempted_completion_function", &complete, sizeof complete);
    set_variable("rl_readline_name", &name, sizeof name);
    set_variable("rl_completer_word_break_characters", &breaks, sizeof breaks);
    set_variable("rl_completion_append_character", &none, sizeof none);
    set_variable("rl_catch_signals", &none, sizeof none);
    editor.rl_initialize();
    editor.rl_add_defun("end-by-nul", end_by_nul, '\0');
    editor.using_history();
}

static int open_editor(lua_State *L)
{
    const char *history = luaL_optstring(L, 1, NULL);
    editor.library = dlopen("libedit.so.2", RTLD_NOW | RTLD_LOCAL);
    if (editor.library == NULL || !find_functions()) {
        lua_pushnil(L);
        lua_pushliteral(L, "libedit is not installed; on Debian: apt-get install libedit2");
        return 2;
    }
    set_up();
    if (history != NULL) {
        editor.history = strdup(history);
        editor.read_history(history);
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* --- completion ------------------------------------------------------------------------------- */

/* The words stand in a table on the top of the stack. */
static char *take_word(const char *text, int state)
{
    (void) text;
    if (state == 0) editor.next_word = 1;
    lua_rawgeti(editor.L, -1, (lua_Integer) editor.next_word++);
    const char *word = lua_tostring(editor.L, -1);
    char *copy = word == NULL ? NULL : strdup(word);
    lua_pop(editor.L, 1);
    return copy;
}

static char **complete_word(const char *text, int first, int last)
{
    char **words = NULL;
    const int over = 1; /* names of files are no names of services */
    set_variable("rl_attempted_completion_over", &over, sizeof over);
    char **line = dlsym(editor.library, "rl_line_buffer");
    if (editor.L == NULL || editor.complete == 0 || line == NULL) return NULL;
    lua_pushvalue(editor.L, editor.complete);
    lua_pushstring(editor.L, *line);
    lua_pushinteger(editor.L, first + 1);
    lua_pushinteger(editor.L, last);
    if (lua_pcall(editor.L, 3, 1, 0) == LUA_OK && lua_istable(editor.L, -1))
        words = editor.rl_completion_matches(text, take_word);
    lua_pop(editor.L, 1);
    return words;
}

/* --- lines ------------------------------------------------------------------------------------ */

static void take_line(char *line)
{
    editor.done = line != NULL;
    editor.ended = line == NULL;
    editor.line = line;
    editor.rl_callback_handler_remove();
    editor.installed = false;
}

static void leave_line(void)
{
    if (editor.installed) editor.rl_callback_handler_remove();
    editor.installed = false;
    fputs("\n", stdout);
    fflush(stdout);
}

/* Which of the two descriptors can be read; -1: neither. Ctrl-C ends it, if it came just before,
   too. */
static int await_input(const int fds[2])
{
    struct pollfd polls[] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
    sigset_t interrupt, former;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    sigprocmask(SIG_BLOCK, &interrupt, &former);
    int ready = sup_cut_is_asked() ? 0 : ppoll(polls, 2, NULL, &former);
    sigprocmask(SIG_SETMASK, &former, NULL);
    if (ready <= 0) return -1;
    return polls[0].revents != 0 ? 0 : 1;
}

/* A word that says why there is no line, or NULL: there is one. */
static const char *await_line(int fd)
{
    while (!editor.done && !editor.ended) {
        int ready = await_input((int[2]){STDIN_FILENO, fd});
        if (sup_cut_is_asked()) {
            leave_line();
            return "interrupted";
        }
        if (ready == 0) editor.rl_callback_read_char();
        else if (ready == 1) return "readable";
    }
    if (editor.ended && editor.installed) leave_line();
    return editor.ended ? "end" : NULL;
}

static int read_line(lua_State *L)
{
    const char *prompt = luaL_checkstring(L, 1);
    int fd = (int) luaL_optinteger(L, 2, -1);
    lua_settop(L, 3);
    editor.L = L;
    editor.complete = lua_isfunction(L, 3) ? 3 : 0;
    editor.done = editor.ended = false;
    if (!editor.installed) {
        sup_cut_forget();
        editor.rl_callback_handler_install(prompt, take_line);
    }
    editor.installed = true;
    const char *why = await_line(fd);
    editor.L = NULL;
    if (why != NULL) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    lua_pushstring(L, editor.line);
    free(editor.line);
    editor.line = NULL;
    return 1;
}

static int show(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    if (editor.installed) fputs("\r\033[K", stdout);
    fputs(text, stdout);
    fflush(stdout);
    if (editor.installed) editor.rl_forced_update_display();
    return 0;
}

static int remember(lua_State *L)
{
    const char *line = luaL_checkstring(L, 1);
    if (line[0] != '\0') editor.add_history(line);
    return 0;
}

static int close_editor(lua_State *L)
{
    (void) L;
    if (editor.library == NULL) return 0;
    if (editor.installed) leave_line();
    if (editor.history != NULL && editor.write_history(editor.history) == 0)
        editor.history_truncate_file(editor.history, HISTORY_LINES);
    free(editor.history);
    editor.history = NULL;
    return 0;
}

int sup_editor_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"close", close_editor}, {"open", open_editor},
                                         {"read", read_line},     {"remember", remember},
                                         {"show", show},          {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
