/*
** script/socket.c: the binding of a unix stream socket that carries lines. It knows nothing of what
** they say.
*/
#define _GNU_SOURCE
#include "script/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CONNECTION_TYPE "suptree.socket.connection"
#define LONGEST_LINE ((size_t) 256 << 20)
#define FIRST_ROOM ((size_t) 64 * 1024)
#define LONGEST_WAIT_S 1e9

static volatile sig_atomic_t interrupted;

volatile sig_atomic_t *sup_socket_interrupted(void)
{
    return &interrupted;
}

static int push_error(lua_State *L, int code)
{
    const char *name = strerrorname_np(code);
    lua_pushnil(L);
    lua_pushstring(L, strerror(code));
    lua_pushstring(L, name != NULL ? name : "?");
    return 3;
}

/* --- connections ------------------------------------------------------------------------------ */

struct connection {
    int fd;      /* -1: closed */
    int watched; /* a pipe that somebody should read; -1: none */
    char *bytes; /* what was received and not taken yet */
    size_t first, size, room;
    size_t searched; /* no line end before this one */
};

static int close_connection(lua_State *L)
{
    struct connection *c = luaL_checkudata(L, 1, CONNECTION_TYPE);
    free(c->bytes);
    if (c->fd >= 0) close(c->fd);
    *c = (struct connection){.fd = -1, .watched = -1};
    return 0;
}

static struct connection *check_connection(lua_State *L)
{
    struct connection *c = luaL_checkudata(L, 1, CONNECTION_TYPE);
    luaL_argcheck(L, c->fd >= 0, 1, "the connection has been closed");
    return c;
}

/*
** The address of ${path} in ${address}. A path that is too long for one is reached through its
** folder, which is opened: *folder, to be closed by the caller. 0 or -errno.
*/
static int make_address(const char *path, struct sockaddr_un *address, int *folder)
{
    char parent[4096];
    const char *slash = strrchr(path, '/');
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    *folder = -1;
    if (strlen(path) < sizeof address->sun_path) {
        strcpy(address->sun_path, path);
        return 0;
    }
    if (slash == NULL || (size_t) (slash - path) >= sizeof parent) return -ENAMETOOLONG;
    memcpy(parent, path, (size_t) (slash - path));
    parent[slash - path] = '\0';
    *folder = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*folder < 0) return -errno;
    int size =
        snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d%s", *folder, slash);
    return size < (int) sizeof address->sun_path ? 0 : -ENAMETOOLONG;
}

static int open_socket(const char *path)
{
    struct sockaddr_un address;
    int folder;
    int fd = -1;
    int rc = make_address(path, &address, &folder);
    if (rc == 0) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (rc == 0 && fd < 0) rc = -errno;
    if (rc == 0 && connect(fd, (struct sockaddr *) &address, sizeof address) != 0) rc = -errno;
    if (rc != 0 && fd >= 0) close(fd);
    if (folder >= 0) close(folder);
    return rc != 0 ? rc : fd;
}

static int connect_to(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct connection *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (struct connection){.fd = -1, .watched = -1};
    luaL_setmetatable(L, CONNECTION_TYPE);
    int fd = open_socket(path);
    if (fd < 0) return push_error(L, -fd);
    c->fd = fd;
    return 1;
}

static int send_text(lua_State *L)
{
    struct connection *c = check_connection(L);
    size_t size;
    const char *text = luaL_checklstring(L, 2, &size);
    while (size > 0) {
        ssize_t n = send(c->fd, text, size, MSG_NOSIGNAL);
        if (n < 0 && (errno != EINTR || interrupted)) return push_error(L, errno);
        if (n > 0) {
            text += n;
            size -= (size_t) n;
        }
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* --- receiving -------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Room behind what is there. 0 or -errno. */
static int make_room(struct connection *c)
{
    if (c->first > 0) {
        memmove(c->bytes, c->bytes + c->first, c->size - c->first);
        c->size -= c->first;
        c->searched -= c->first;
        c->first = 0;
    }
    if (c->size < c->room) return 0;
    size_t room = c->room > 0 ? 2 * c->room : FIRST_ROOM;
    if (room > LONGEST_LINE) return -EMSGSIZE;
    char *bytes = realloc(c->bytes, room);
    if (bytes == NULL) return -ENOMEM;
    c->bytes = bytes;
    c->room = room;
    return 0;
}

/* Why waiting ended without bytes. */
static const char *const no_bytes[] = {"timeout", "interrupted", "unread"};
enum { READABLE = 0, TIMED_OUT = 1, INTERRUPTED = 2, UNREAD = 3 };

static int round_up_ms(double seconds)
{
    return seconds > 1e6 ? 1000000000 : (int) (seconds * 1000) + 1;
}

/* Wait for bytes until ${deadline} (of now_s(); negative: for ever). -errno or one of the above. */
static int await_bytes(const struct connection *c, double deadline)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = c->fd, .events = POLLIN}, {.fd = c->watched}};
        double left = deadline < 0 ? 0 : deadline - now_s();
        if (interrupted) return INTERRUPTED;
        int ready = poll(fds, 2, deadline < 0 ? -1 : left > 0 ? round_up_ms(left) : 0);
        if (ready < 0 && errno != EINTR) return -errno;
        if (ready > 0 && fds[1].revents & (POLLERR | POLLNVAL)) return UNREAD;
        if (ready > 0) return READABLE;
        if (ready == 0 && deadline - now_s() <= 0) return TIMED_OUT;
    }
}

/* Push the next line of what is there; false: no whole one. */
static bool take_line(lua_State *L, struct connection *c)
{
    if (c->size == c->searched) return false;
    char *end = memchr(c->bytes + c->searched, '\n', c->size - c->searched);
    if (end == NULL) {
        c->searched = c->size;
        return false;
    }
    size_t next = (size_t) (end - c->bytes) + 1;
    lua_pushlstring(L, c->bytes + c->first, next - 1 - c->first);
    c->first = next;
    c->searched = next;
    return true;
}

static int receive_line(lua_State *L)
{
    struct connection *c = check_connection(L);
    double limit = luaL_optnumber(L, 2, -1);
    double deadline = limit < 0 || limit > LONGEST_WAIT_S ? -1 : now_s() + limit;
    while (!take_line(L, c)) {
        int rc = await_bytes(c, deadline);
        if (rc > READABLE) {
            lua_pushnil(L);
            lua_pushstring(L, no_bytes[rc - 1]);
            return 2;
        }
        if (rc == 0) rc = make_room(c);
        if (rc < 0) return push_error(L, -rc);
        ssize_t n = recv(c->fd, c->bytes + c->size, c->room - c->size, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET)) {
            lua_pushnil(L);
            lua_pushliteral(L, "closed");
            return 2;
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) return push_error(L, errno);
        if (n > 0) c->size += (size_t) n;
    }
    return 1;
}

static int watch_pipe(lua_State *L)
{
    check_connection(L)->watched = (int) luaL_checkinteger(L, 2);
    return 0;
}

static int push_descriptor(lua_State *L)
{
    lua_pushinteger(L, check_connection(L)->fd);
    return 1;
}

static int ask_line(lua_State *L)
{
    struct connection *c = check_connection(L);
    bool has_line = c->size > c->searched &&
                    memchr(c->bytes + c->searched, '\n', c->size - c->searched) != NULL;
    lua_pushboolean(L, has_line);
    return 1;
}

/* --- time and signals ------------------------------------------------------------------------- */

static int push_now(lua_State *L)
{
    lua_pushnumber(L, now_s());
    return 1;
}

static int sleep_for(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    if (!interrupted) poll(NULL, 0, round_up_ms(seconds));
    lua_pushboolean(L, !interrupted);
    return 1;
}

static void note_interrupt(int number)
{
    (void) number;
    interrupted = 1;
}

static int catch_interrupt(lua_State *L)
{
    struct sigaction action = {.sa_handler = note_interrupt};
    struct sigaction former;
    (void) L;
    interrupted = 0;
    sigemptyset(&action.sa_mask);
    /* Where it is ignored (nohup, a job in the background), it stays so. */
    if (sigaction(SIGINT, NULL, &former) == 0 && former.sa_handler != SIG_IGN)
        sigaction(SIGINT, &action, NULL);
    return 0;
}

static int leave_by_signal(lua_State *L)
{
    int number = (int) luaL_checkinteger(L, 1);
    fflush(NULL);
    signal(number, SIG_DFL);
    raise(number);
    return 0;
}

int sup_socket_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"catch_interrupt", catch_interrupt},
        {"connect", connect_to},
        {"leave", leave_by_signal},
        {"now", push_now},
        {"sleep", sleep_for},
        {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"__close", close_connection}, {"__gc", close_connection}, {"close", close_connection},
        {"fd", push_descriptor},       {"has_line", ask_line},     {"receive", receive_line},
        {"send", send_text},           {"watch", watch_pipe},      {NULL, NULL},
    };
    luaL_newmetatable(L, CONNECTION_TYPE);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
