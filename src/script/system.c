/*
** script/system.c: the binding of files, memory files and other programs.
*/
#include "script/system.h"

#include "script/child.h"
#include "script/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_TYPE "suptree.system.file"
#define MAX_FILE_BYTES ((size_t) 16 << 20)
#define MAX_RESULT_BYTES ((size_t) 1 << 30)
#define MAX_WORDS 65536

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

static void set_file_type(lua_State *L);

static struct file *push_file(lua_State *L)
{
    struct file *file = lua_newuserdatauv(L, sizeof *file, 0);
    *file = (struct file){.fd = -1};
    set_file_type(L);
    return file;
}

int *sup_system_push_file(lua_State *L)
{
    return &push_file(L)->fd;
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

/* The columns of the terminal; nothing: it is none, or does not say. */
static int terminal_width(lua_State *L)
{
    struct winsize size;
    int fd = (int) luaL_checkinteger(L, 1);
    if (!isatty(fd) || ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}

/* --- memory files ----------------------------------------------------------------------------- */

static int make_memfd(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    struct file *file = push_file(L);
    file->fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return file->fd >= 0 ? 1 : push_errno(L, errno);
}

static int file_fd(lua_State *L)
{
    lua_pushinteger(L, check_file(L, 1)->fd);
    return 1;
}

static int file_read(lua_State *L)
{
    struct file *file = check_file(L, 1);
    free(file->bytes);
    file->bytes = NULL;
    return push_contents(L, file, MAX_RESULT_BYTES);
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno != EINTR) return -errno;
        if (n > 0) {
            bytes += n;
            size -= (size_t) n;
        }
    }
    return 0;
}

static int push_status(lua_State *L, int rc)
{
    if (rc != 0) return push_errno(L, -rc);
    lua_pushboolean(L, 1);
    return 1;
}

static int file_write(lua_State *L)
{
    size_t size;
    struct file *file = check_file(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &size);
    return push_status(L, write_all(file->fd, bytes, size));
}

static int file_seal(lua_State *L)
{
    int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int rc = fcntl(check_file(L, 1)->fd, F_ADD_SEALS, seals);
    return push_status(L, rc == 0 ? 0 : -errno);
}

static int write_descriptor(lua_State *L)
{
    size_t size;
    int fd = (int) luaL_checkinteger(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &size);
    return push_status(L, write_all(fd, bytes, size));
}

/* --- programs --------------------------------------------------------------------------------- */

static int die_with_parent(lua_State *L)
{
    return push_status(L, prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 ? 0 : -errno);
}

/* The array of words at ${index} as argv, in a userdata that is pushed; its words stay there. */
static char **push_argv(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Unsigned count = lua_rawlen(L, index);
    luaL_argcheck(L, count >= 1 && count <= MAX_WORDS, index, "too few or too many words");
    char **argv = lua_newuserdatauv(L, ((size_t) count + 1) * sizeof *argv, 0);
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, index, (lua_Integer) i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, index, "not only words");
        argv[i] = (char *) lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    argv[count] = NULL;
    return argv;
}

/* run(argv, memfd, limit_ns) -> "exit" | "signal" | "timeout", code, dropped bytes */
static int run_child(lua_State *L)
{
    static const char *const ends[] = {
        [SUP_CHILD_EXITED] = "exit",
        [SUP_CHILD_SIGNALLED] = "signal",
        [SUP_CHILD_TIMED_OUT] = "timeout",
    };
    struct file *file = check_file(L, 2);
    int64_t limit_ns = luaL_checkinteger(L, 3);
    char **argv = push_argv(L, 1);
    struct sup_child child;
    int rc = sup_child_run(argv, file->fd, limit_ns, -1, &child);
    if (rc != 0) return push_errno(L, -rc);
    lua_pushstring(L, ends[child.end]);
    lua_pushinteger(L, child.code);
    lua_pushinteger(L, (lua_Integer) child.dropped);
    return 3;
}

static void set_inherited(lua_State *L, int first, int last, int flags)
{
    for (int i = first; i <= last; i++) fcntl(check_file(L, i)->fd, F_SETFD, flags);
}

/*
** Signals wait until the new program takes them: between its first instruction and its handlers
** they would end it.
*/
static int become(lua_State *L)
{
    int last = lua_gettop(L);
    for (int i = 2; i <= last; i++) check_file(L, i);
    char **argv = push_argv(L, 1);
    sigset_t all;
    sigset_t former;
    set_inherited(L, 2, last, 0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &former);
    execv(argv[0], argv);
    int code = errno;
    sigprocmask(SIG_SETMASK, &former, NULL);
    set_inherited(L, 2, last, FD_CLOEXEC);
    return push_errno(L, code);
}

/* Give the userdata on the top its type, which is made for the first one. */
static void set_file_type(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"__close", close_file}, {"__gc", close_file}, {"close", close_file}, {"fd", file_fd},
        {"read", file_read},     {"seal", file_seal},  {"write", file_write}, {NULL, NULL},
    };
    if (luaL_newmetatable(L, FILE_TYPE)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
}

int sup_system_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"die_with_parent", die_with_parent},
        {"exec", become},
        {"executable", executable},
        {"is_terminal", is_terminal},
        {"memfd", make_memfd},
        {"read_file", read_file},
        {"real_path", real_path},
        {"run", run_child},
        {"terminal_width", terminal_width},
        {"trust", trust},
        {"write", write_descriptor},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    lua_pushliteral(L, SUPTREE_VERSION);
    lua_setfield(L, -2, "version");
    return 1;
}
