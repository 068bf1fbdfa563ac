/*
** engine/library.c: an engine in a program of somebody else's: its keeper, its thread, its end.
** Must not know who asks it what.
*/
#include "engine/library.h"

#include "engine/inside.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEEPER_NAME "suptree-keeper"
#define KEEPER_FD 3
#define KEEPER_FD_TEXT "3"
#ifndef SUPTREE_BINDIR
#define SUPTREE_BINDIR "/usr/local/bin"
#endif

extern char **environ;

struct sup_library {
    struct sup_library_options options;
    struct sup_engine *engine;
    pthread_t thread;
    bool ready; /* the engine was initialised */
};

/* --- finding the keeper ----------------------------------------------------------------------- */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* Beside the file that holds this code, and in the bin folders of the places where it may be
   installed. */
static bool find_beside(char *path, size_t size)
{
    static const char *const places[] = {"", "../bin/", "../../bin/", "../../../bin/",
                                         "../../../../bin/"};
    Dl_info info;
    char real[PATH_MAX];
    if (dladdr((const void *) KEEPER_NAME, &info) == 0 || info.dli_fname == NULL) return false;
    /* A static program may know itself by the word that it was started with. */
    if (realpath(info.dli_fname, real) == NULL && realpath("/proc/self/exe", real) == NULL)
        return false;
    char *slash = strrchr(real, '/');
    if (slash == NULL) return false;
    slash[1] = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int n = snprintf(path, size, "%s%s%s", real, places[i], KEEPER_NAME);
        if (n > 0 && (size_t) n < size && is_program(path)) return true;
    }
    return false;
}

/* As the program itself would be found. */
static bool find_in_path(char *path, size_t size)
{
    const char *at = secure_getenv("PATH");
    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ":");
        int n = snprintf(path, size, "%.*s/%s", (int) length, at, KEEPER_NAME);
        if (at[0] == '/' && n > 0 && (size_t) n < size && is_program(path)) return true;
        at += length + (at[length] == ':');
    }
    return false;
}

int sup_library_find_keeper(char *path, size_t size, struct sup_err *err)
{
    const char *named = secure_getenv("SUPTREE_KEEPER");
    if (named != NULL && named[0] != '\0') {
        snprintf(path, size, "%s", named);
        if (is_program(path)) return 0;
        return sup_err_set(err, -ENOENT, "SUPTREE_KEEPER", "name the program, or unset it",
                           "%s cannot be run: %s", named, strerror(errno));
    }
    if (find_beside(path, size)) return 0;
    snprintf(path, size, "%s/%s", SUPTREE_BINDIR, KEEPER_NAME);
    if (is_program(path) || find_in_path(path, size)) return 0;
    return sup_err_set(err, -ENOENT, KEEPER_NAME, "install it, or name it in SUPTREE_KEEPER",
                       "it is neither beside the library, nor in %s, nor in PATH", SUPTREE_BINDIR);
}

/* --- descriptors ------------------------------------------------------------------------------ */

void sup_library_open_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) return;
}

void sup_library_check_socket(const struct sup_engine *engine)
{
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(engine->link.socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
        type == SOCK_SEQPACKET)
        return;
    fprintf(stderr,
            "suptree: this program has closed descriptors that belong to suptree: its services are "
            "stopped, and it is aborted, as their numbers may be files of its own by now; close "
            "what is unknown before the supervisor serves\n");
    abort();
}

/* --- the keeper ------------------------------------------------------------------------------- */

/* It begins as if nobody had touched its signals. */
static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    sigemptyset(&none);
    int r = posix_spawnattr_setsigdefault(attributes, &all);
    if (r == 0) r = posix_spawnattr_setsigmask(attributes, &none);
    if (r == 0)
        r = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return r;
}

/* Returns 0 or a positive errno. */
static int spawn_keeper(const char *program, int socket, pid_t *pid)
{
    char *argv[] = {(char *) program,    (char *) "--library",    (char *) "--detach",
                    (char *) "--socket", (char *) KEEPER_FD_TEXT, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0) return r;
    r = posix_spawnattr_init(&attributes);
    if (r == 0) {
        r = posix_spawn_file_actions_adddup2(&actions, socket, KEEPER_FD);
        if (r == 0) r = set_signals(&attributes);
        if (r == 0) r = posix_spawn(pid, program, &actions, &attributes, argv, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* The socket to a new keeper, or -errno with ${err}. */
static int start_keeper(struct sup_err *err)
{
    char program[PATH_MAX];
    int pair[2];
    pid_t pid;
    int r = sup_library_find_keeper(program, sizeof program, err);
    if (r < 0) return r;
    sup_library_open_standard();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return sup_err_set(err, -errno, "", "", "no socket to the keeper: %s", strerror(errno));
    r = spawn_keeper(program, pair[1], &pid);
    close(pair[1]);
    if (r != 0) {
        close(pair[0]);
        return sup_err_set(err, -r, program, "", "cannot be started: %s", strerror(r));
    }
    /* It goes on in a child of its own. The program may be quicker to wait for this one. */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    return pair[0];
}

/* The keeper ends once it hears no more; its end of the socket is closed when it has ended. */
static void await_keeper(int socket)
{
    struct pollfd end = {.fd = socket, .events = POLLIN};
    char bytes[sizeof(struct sup_wire)];
    ssize_t size;
    shutdown(socket, SHUT_WR);
    do {
        poll(&end, 1, -1);
        size = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
    } while (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET)));
}

/* --- the thread ------------------------------------------------------------------------------- */

static void *run(void *argument)
{
    struct sup_library *library = argument;
    struct sup_engine *engine = library->engine;
    sup_loop_run(engine);
    int code = sup_engine_end(engine);
    library->options.ended(library->options.context, engine, engine->tree, code);
    sup_inbox_refuse(&engine->inbox);
    return NULL;
}

/* The program's signals are for its own threads. */
static int start_thread(struct sup_library *library)
{
    sigset_t all, former;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &former);
    int r = pthread_create(&library->thread, NULL, run, library);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return -r;
}

/* --- its life --------------------------------------------------------------------------------- */

static void discard(struct sup_library *library)
{
    if (library->ready) {
        int socket = library->engine->link.socket;
        sup_engine_finish(library->engine);
        await_keeper(socket);
        close(socket);
    }
    free(library->engine);
    free(library);
}

static int begin(struct sup_library *library, struct sup_err *err)
{
    struct sup_host_options options = {.name = library->options.name,
                                       .threads = library->options.threads};
    options.socket = start_keeper(err);
    if (options.socket < 0) return options.socket;
    int r = sup_engine_init(library->engine, &options);
    library->ready = true;
    library->engine->library = &library->options;
    if (r < 0) return sup_err_set(err, r, "", "", "there is no room for it: %s", strerror(-r));
    if (sup_recovery_run(library->engine, err) != 0) return err->code != 0 ? err->code : -EIO;
    r = start_thread(library);
    return r == 0 ? 0 : sup_err_set(err, r, "", "", "no thread for it: %s", strerror(-r));
}

int sup_library_open(struct sup_library **opened, const struct sup_library_options *options,
                     struct sup_err *err)
{
    struct sup_library *library = calloc(1, sizeof *library);
    *opened = NULL;
    if (library != NULL) {
        library->options = *options;
        library->engine = calloc(1, sizeof *library->engine);
    }
    if (library == NULL || library->engine == NULL) {
        free(library);
        return sup_err_set(err, -ENOMEM, "", "free some memory", "there is no memory for it");
    }
    int r = begin(library, err);
    if (r == 0) *opened = library;
    else discard(library);
    return r;
}

struct sup_engine *sup_library_engine(struct sup_library *library)
{
    return library->engine;
}

void sup_library_close(struct sup_library *library)
{
    if (library == NULL) return;
    pthread_join(library->thread, NULL);
    discard(library);
}
