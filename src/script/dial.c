/*
** script/dial.c: a blocking stream of lines over a unix socket.
*/
#include "script/dial.h"

#include <errno.h>
#include <lauxlib.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LINE_TYPE "suptree.dial.line"
#define MAX_LINE ((size_t) 128 << 20)
#define CHUNK ((size_t) 1 << 16)

struct line {
    int fd; /* -1: closed */
    char *bytes;
    size_t size, room;
    size_t seen; /* of them hold no end of a line */
};

static int push_reason(lua_State *L, int error)
{
    lua_pushnil(L);
    lua_pushstring(L, strerror(error));
    lua_pushinteger(L, error);
    return 3;
}

static int push_word(lua_State *L, const char *word)
{
    lua_pushnil(L);
    lua_pushstring(L, word);
    return 2;
}

/* --- opening and closing ---------------------------------------------------------------------- */

static int close_line(lua_State *L)
{
    struct line *line = luaL_checkudata(L, 1, LINE_TYPE);
    if (line->fd >= 0) close(line->fd);
    free(line->bytes);
    *line = (struct line){.fd = -1};
    return 0;
}

static struct line *check_line(lua_State *L)
{
    struct line *line = luaL_checkudata(L, 1, LINE_TYPE);
    luaL_argcheck(L, line->fd >= 0, 1, "the line has been closed");
    return line;
}

static int connect_line(lua_State *L)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size;
    const char *path = luaL_checklstring(L, 1, &size);
    if (size >= sizeof address.sun_path) return push_reason(L, ENAMETOOLONG);
    memcpy(address.sun_path, path, size);
    struct line *line = lua_newuserdatauv(L, sizeof *line, 0);
    *line = (struct line){.fd = -1};
    luaL_setmetatable(L, LINE_TYPE);
    line->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (line->fd < 0) return push_reason(L, errno);
    if (connect(line->fd, (struct sockaddr *) &address, sizeof address) == 0) return 1;
    int error = errno;
    close(line->fd);
    line->fd = -1;
    return push_reason(L, error);
}

/* --- out -------------------------------------------------------------------------------------- */

static int send_text(lua_State *L)
{
    size_t size;
    struct line *line = check_line(L);
    const char *text = luaL_checklstring(L, 2, &size);
    while (size > 0) {
        ssize_t n = send(line->fd, text, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return push_reason(L, errno);
        text += n;
        size -= (size_t) n;
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* --- in --------------------------------------------------------------------------------------- */

static char *find_end(struct line *line)
{
    if (line->size == line->seen) return NULL;
    char *end = memchr(line->bytes + line->seen, '\n', line->size - line->seen);
    if (end == NULL) line->seen = line->size;
    return end;
}

static int64_t now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* 1: there is something; 0: the time is over; -errno. */
static int await(const struct line *line, int64_t until_ms)
{
    struct pollfd wait = {.fd = line->fd, .events = POLLIN};
    int64_t left_ms = until_ms < 0 ? -1 : until_ms - now_ms();
    if (until_ms >= 0 && left_ms < 0) left_ms = 0;
    int n = poll(&wait, 1, left_ms > INT32_MAX ? INT32_MAX : (int) left_ms);
    return n < 0 ? -errno : n;
}

/* Read more: its size, 0: the end, or -errno. */
static ssize_t read_more(struct line *line)
{
    if (line->room - line->size < CHUNK) {
        size_t room = line->room * 2 + CHUNK;
        if (room > MAX_LINE) return -EMSGSIZE;
        char *bytes = realloc(line->bytes, room);
        if (bytes == NULL) return -ENOMEM;
        line->bytes = bytes;
        line->room = room;
    }
    ssize_t n = recv(line->fd, line->bytes + line->size, line->room - line->size, 0);
    if (n > 0) line->size += (size_t) n;
    return n < 0 ? -errno : n;
}

static int push_line(lua_State *L, struct line *line, const char *end)
{
    size_t size = (size_t) (end - line->bytes);
    lua_pushlstring(L, line->bytes, size);
    line->size -= size + 1;
    memmove(line->bytes, end + 1, line->size);
    line->seen = 0;
    return 1;
}

static int receive_line(lua_State *L)
{
    struct line *line = check_line(L);
    double seconds = luaL_optnumber(L, 2, -1);
    int64_t until_ms = seconds < 0 || seconds > 1e9 ? -1 : now_ms() + (int64_t) (seconds * 1000);
    for (;;) {
        const char *end = find_end(line);
        if (end != NULL) return push_line(L, line, end);
        int r = await(line, until_ms);
        if (r == 0) return push_word(L, "timeout");
        if (r == -EINTR) return push_word(L, "interrupted");
        ssize_t n = r < 0 ? r : read_more(line);
        if (n == 0 || n == -ECONNRESET) return push_word(L, "closed");
        if (n < 0 && n != -EINTR && n != -EAGAIN) return push_reason(L, (int) -n);
    }
}

static int has_line(lua_State *L)
{
    lua_pushboolean(L, find_end(check_line(L)) != NULL);
    return 1;
}

static int get_fd(lua_State *L)
{
    lua_pushinteger(L, check_line(L)->fd);
    return 1;
}

int sup_dial_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"connect", connect_line}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"__close", close_line}, {"__gc", close_line},      {"close", close_line}, {"fd", get_fd},
        {"has_line", has_line},  {"receive", receive_line}, {"send", send_text},   {NULL, NULL},
    };
    luaL_newmetatable(L, LINE_TYPE);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
