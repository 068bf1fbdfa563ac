/*
** script/context.c: what a service says and hears: ctx, print, its streams. The calls of ctx are
** the places where a service that was asked to stop notices it.
*/
#include "script/service.h"

#include "core/options.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT_SIZE 2048

static const char on_stop; /* registry: the functions that wait for the stop */

/* --- output ----------------------------------------------------------------------------------- */

/* The arguments from ${first} on as one line, in one piece. */
static int write_line(lua_State *L, int first, const char *between)
{
    luaL_Buffer line;
    int count = lua_gettop(L);
    luaL_buffinit(L, &line);
    for (int i = first; i <= count; i++) {
        if (i > first) luaL_addstring(&line, between);
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_addchar(&line, '\n');
    luaL_pushresult(&line);
    size_t size;
    const char *bytes = lua_tolstring(L, -1, &size);
    sup_thread_write(sup_service_of(L)->thread, bytes, size);
    return 0;
}

static int print_line(lua_State *L)
{
    return write_line(L, 1, "\t");
}

static ssize_t write_stream(void *cookie, const char *bytes, size_t size)
{
    struct sup_thread *thread = cookie;
    int r = sup_thread_write(thread, bytes, size);
    if (r >= 0) return (ssize_t) size;
    errno = -r;
    return 0;
}

/*
** glibc keeps a list of all streams, for exit to flush them, and walks it for each that is closed:
** the end of 10,000 services would take seconds. What is taken out of it is the same otherwise.
** Where the C library does not offer that, it stays in.
*/
__attribute__((weak)) void _IO_un_link(FILE *file);

/* A file whose lines go to the service's output. */
static FILE *open_stream(struct sup_thread *thread, int mode)
{
    const cookie_io_functions_t functions = {.write = write_stream};
    FILE *file = fopencookie(thread, "w", functions);
    if (file == NULL) return NULL;
    if (_IO_un_link != NULL) _IO_un_link(file);
    setvbuf(file, NULL, mode, BUFSIZ);
    return file;
}

bool sup_streams_open(struct sup_kept *kept, struct sup_thread *thread)
{
    if (kept->out == NULL) kept->out = open_stream(thread, _IOLBF);
    if (kept->err == NULL) kept->err = open_stream(thread, _IONBF);
    return kept->out != NULL && kept->err != NULL;
}

void sup_streams_close(struct sup_kept *kept)
{
    if (kept->out != NULL) fclose(kept->out);
    if (kept->err != NULL) fclose(kept->err);
    kept->out = kept->err = NULL;
}

/* A service may give them other buffers. */
static bool are_as_opened(const struct sup_kept *kept)
{
    return __flbf(kept->out) && __fbufsize(kept->out) != 1 && !__flbf(kept->err) &&
           __fbufsize(kept->err) <= 1;
}

static void flush_stream(FILE *file)
{
    if (fflush(file) != 0) __fpurge(file);
    clearerr(file);
}

bool sup_streams_flush(struct sup_kept *kept)
{
    flush_stream(kept->out);
    flush_stream(kept->err);
    if (are_as_opened(kept)) return true;
    sup_streams_close(kept);
    return false;
}

/* The stream itself is the thread's. */
static int close_stream(lua_State *L)
{
    luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fflush(stream->f) == 0, NULL);
}

static void push_stream(lua_State *L, FILE *file)
{
    luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
    stream->closef = NULL; /* closed, as long as there is none */
    luaL_setmetatable(L, LUA_FILEHANDLE);
    stream->f = file;
    stream->closef = close_stream;
}

void sup_service_open_output(lua_State *L, struct sup_service *service)
{
    lua_pushcfunction(L, print_line);
    lua_setglobal(L, "print");
    lua_getglobal(L, "io");
    push_stream(L, service->kept->out);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "_IO_output");
    lua_setfield(L, -2, "stdout");
    push_stream(L, service->kept->err);
    lua_setfield(L, -2, "stderr");
    lua_pop(L, 1);
}

/* --- stopping --------------------------------------------------------------------------------- */

void sup_service_on_stop(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &on_stop) != LUA_TTABLE) {
        lua_pop(L, 1);
        lua_newtable(L);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &on_stop);
    }
    lua_insert(L, -2);
    lua_rawseti(L, -2, (lua_Integer) lua_rawlen(L, -2) + 1);
    lua_pop(L, 1);
}

void sup_service_check_stop(lua_State *L)
{
    char context[CONTEXT_SIZE];
    struct sup_service *service = sup_service_of(L);
    if (service->told || !sup_thread_is_asked(service->thread)) return;
    service->told = true;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &on_stop) == LUA_TTABLE) {
        lua_Integer count = (lua_Integer) lua_rawlen(L, -1);
        for (lua_Integer i = 1; i <= count; i++) {
            lua_rawgeti(L, -1, i);
            lua_pushstring(L, sup_thread_context(service->thread, context, sizeof context));
            lua_call(L, 1, 0);
        }
    }
    lua_pop(L, 1);
}

/* --- ctx -------------------------------------------------------------------------------------- */

static int64_t check_duration(lua_State *L, int index)
{
    int64_t ns = 0;
    bool good = lua_type(L, index) == LUA_TNUMBER
                    ? sup_seconds_to_ns(lua_tonumber(L, index), &ns)
                    : sup_parse_duration(luaL_checkstring(L, index), &ns);
    if (!good)
        luaL_error(L, "a time is a number of seconds, not negative, or a text like \"500ms\"");
    return ns;
}

int sup_service_sleep(lua_State *L, int index)
{
    int64_t ns = check_duration(L, index);
    bool whole = sup_thread_sleep(sup_service_of(L)->thread, ns);
    sup_service_check_stop(L);
    lua_pushboolean(L, whole);
    return 1;
}

static int ctx_sleep(lua_State *L)
{
    luaL_checkany(L, 2);
    return sup_service_sleep(L, 2);
}

static int ctx_stopping(lua_State *L)
{
    sup_service_check_stop(L);
    lua_pushboolean(L, sup_thread_is_asked(sup_service_of(L)->thread));
    return 1;
}

static int ctx_ready(lua_State *L)
{
    sup_thread_ready(sup_service_of(L)->thread);
    return 0;
}

static int ctx_heartbeat(lua_State *L)
{
    sup_thread_heartbeat(sup_service_of(L)->thread);
    sup_service_check_stop(L);
    return 0;
}

static int ctx_log(lua_State *L)
{
    return write_line(L, 2, " ");
}

static int ctx_on_stop(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    struct sup_service *service = sup_service_of(L);
    if (!service->told) {
        sup_service_on_stop(L);
        return 0;
    }
    char context[CONTEXT_SIZE];
    lua_pushstring(L, sup_thread_context(service->thread, context, sizeof context));
    lua_call(L, 1, 0);
    return 0;
}

void sup_service_push_context(lua_State *L, const struct sup_service *service)
{
    static const luaL_Reg methods[] = {
        {"heartbeat", ctx_heartbeat},
        {"log", ctx_log},
        {"on_stop", ctx_on_stop},
        {"ready", ctx_ready},
        {"sleep", ctx_sleep},
        {"stopping", ctx_stopping},
        {NULL, NULL},
    };
    lua_createtable(L, 0, 3); /* args, ctx */
    lua_insert(L, -2);
    lua_setfield(L, -2, "args");
    lua_pushstring(L, service->order->path);
    lua_setfield(L, -2, "path");
    if (service->order->replica > 0) {
        lua_pushinteger(L, service->order->replica);
        lua_setfield(L, -2, "replica");
    }
    lua_createtable(L, 0, 1);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}
