/*
** script/system.c: the binding of files and memory files.
*/
#include "script/system.h"

#include "script/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_TYPE "suptree.system.file"
#define MAX_FILE_BYTES (16 << 20)

static int push_errno(lua_State *L, int code)
{
    lua_pushnil(L);
    lua_pushstring(L, strerror(code));
    return 2;
}

/* --- files ------------------------------------------------------------------------------------ */

/* A descriptor and the bytes read from it; whichever is there is given back by __gc and __close. */
struct file {
    int fd;
    char *bytes;
};

static int close_file(lua_State *L)
{
    struct file *file = luaL_checkudata(L, 1, FILE_TYPE);
    free(file->bytes);
    if (file->fd >= 0) close(file->fd);
    file->bytes = NULL;
    file->fd = -1;
    return 0;
}

static struct file *push_file(lua_State *L)
{
    struct file *file = lua_newuserdatauv(L, sizeof *file, 0);
    *file = (struct file){.fd = -1};
    luaL_setmetatable(L, FILE_TYPE);
    return file;
}

static struct file *check_file(lua_State *L, int index)
{
    struct file *file = luaL_checkudata(L, index, FILE_TYPE);
    luaL_argcheck(L, file->fd >= 0, index, "the file has been closed");
    return file;
}

/* Read what ${fd} holds from its start, at most ${max} bytes, into *bytes. 0 or -errno. */
static int read_all(int fd, size_t max, char **bytes, size_t *size)
{
    struct stat st;
    if (fstat(fd, &st) != 0) return -errno;
    if (S_ISDIR(st.st_mode)) return -EISDIR;
    if (!S_ISREG(st.st_mode)) return -EINVAL;
    if ((uint64_t) st.st_size > max) return -EFBIG;
    size_t room = (size_t) st.st_size;
    *bytes = malloc(room + 1);
    if (*bytes == NULL) return -ENOMEM;
    for (*size = 0; *size < room;) {
        ssize_t n = pread(fd, *bytes + *size, room - *size, (off_t) *size);
        if (n == 0) break;
        if (n > 0) *size += (size_t) n;
        else if (errno != EINTR) return -errno;
    }
    return 0;
}

static int push_contents(lua_State *L, struct file *file, size_t max)
{
    size_t size = 0;
    int rc = read_all(file->fd, max, &file->bytes, &size);
    if (rc == -EINVAL) {
        lua_pushnil(L);
        lua_pushliteral(L, "Not a regular file");
        return 2;
    }
    if (rc != 0) return push_errno(L, -rc);
    lua_pushlstring(L, file->bytes, size);
    return 1;
}

static int read_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct file *file = push_file(L);
    lua_toclose(L, -1);
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file->fd < 0) return push_errno(L, errno);
    return push_contents(L, file, MAX_FILE_BYTES);
}

static int trust(lua_State *L)
{
    struct sup_err err = {0};
    if (sup_trust_check(luaL_checkstring(L, 1), &err) == 0) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, err.reason);
    lua_pushstring(L, err.hint);
    return 3;
}

static int real_path(lua_State *L)
{
    char real[PATH_MAX];
    if (realpath(luaL_checkstring(L, 1), real) == NULL) return push_errno(L, errno);
    lua_pushstring(L, real);
    return 1;
}

static int executable(lua_State *L)
{
    char path[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    if (size < 0) return push_errno(L, errno);
    lua_pushlstring(L, path, (size_t) size);
    return 1;
}

static int is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int) luaL_checkinteger(L, 1)));
    return 1;
}

int sup_system_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"executable", executable}, {"is_terminal", is_terminal},
        {"read_file", read_file},   {"real_path", real_path},
        {"trust", trust},           {NULL, NULL},
    };
    static const luaL_Reg methods[] = {
        {"__close", close_file},
        {"__gc", close_file},
        {"close", close_file},
        {NULL, NULL},
    };
    luaL_newmetatable(L, FILE_TYPE);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushliteral(L, SUPTREE_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
