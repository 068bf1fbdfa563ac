/*
** spec/c/lib_log.c: see lib_log.h.
*/
#define _GNU_SOURCE
#include "lib_log.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BOUND_MS 60000 /* the longest that a condition may take */

void rig_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static int64_t read_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Between two looks at a condition that nothing announces. */
static void pause_briefly(void)
{
    poll(NULL, 0, 2);
}

void rig_init(struct rig *rig)
{
    int ends[2];
    *rig = (struct rig){.socket = -1};
    signal(SIGPIPE, SIG_IGN);
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/suptree-log-spec-XXXXXX");
    CHECK(mkdtemp(rig->dir) != NULL);
    rig->rings = memfd_create("rings", MFD_CLOEXEC);
    CHECK(rig->rings >= 0 && pipe2(rig->staging, O_CLOEXEC) == 0);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    rig->out = ends[0];
    rig->out_write = ends[1];
    rig->seen = calloc(1, 1);
    CHECK(rig->seen != NULL);
}

void rig_output(struct rig *rig, int fd)
{
    close(rig->out);
    close(rig->out_write);
    rig->out = -1;
    rig->out_write = fd;
}

const char *rig_path(const struct rig *rig, const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", rig->dir, name);
    return path;
}

static _Noreturn void exec_log(const struct rig *rig, int socket)
{
    char program[512], socket_text[16], rings_text[16], staging_text[2][16];
    const char *build = getenv("SUPTREE_BUILD");
    char *args[12] = {program,         "--socket",        socket_text,
                      "--rings-fd",    rings_text,        "--staging-read",
                      staging_text[0], "--staging-write", staging_text[1]};
    int count = 9;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close_range(3, ~0u, CLOSE_RANGE_CLOEXEC); /* what the caller of the test left open */
    snprintf(program, sizeof(program), "%s/suptree-log", build == NULL ? "build" : build);
    int socket_copy = dup(socket);
    int rings_copy = dup(rig->rings);
    dup2(rig->out_write, STDOUT_FILENO);
    snprintf(socket_text, sizeof(socket_text), "%d", socket_copy);
    snprintf(rings_text, sizeof(rings_text), "%d", rings_copy);
    for (int i = 0; i < 2; i++)
        snprintf(staging_text[i], sizeof(staging_text[i]), "%d", dup(rig->staging[i]));
    if (rig->is_quiet) args[count++] = "--quiet";
    if (rig->is_coloured) args[count++] = "--colour";
    execv(program, args);
    fprintf(stderr, "cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

void rig_start(struct rig *rig)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    rig->pid = fork();
    CHECK(rig->pid >= 0);
    if (rig->pid == 0) exec_log(rig, ends[1]);
    close(ends[1]);
    rig->socket = ends[0];
    for (size_t i = 0; i < rig->count; i++) rig_tell(rig, &rig->sources[i]);
}

static void send_message(struct rig *rig, const struct sup_log_wire *message, const char *name,
                         const char *file, int fd)
{
    int code;
    while ((code = sup_log_wire_send(rig->socket, message, name, file, fd)) == -EAGAIN) {
        struct pollfd room = {.fd = rig->socket, .events = POLLOUT};
        CHECK(poll(&room, 1, BOUND_MS) == 1);
    }
    if (code < 0) FAIL("cannot send to suptree-log: %s", strerror(-code));
}

void rig_tell(struct rig *rig, const struct rig_source *source)
{
    struct sup_log_wire message = {.type = SUP_LOG_SOURCE,
                                   .mode = source->mode,
                                   .node = source->node,
                                   .settings = source->settings};
    send_message(rig, &message, source->name, source->file, source->read);
}

static struct rig_source *add(struct rig *rig, uint64_t node, uint32_t mode, const char *name,
                              const char *file, const struct sup_log_settings *settings)
{
    int ends[2];
    CHECK(rig->count < RIG_SOURCES);
    struct rig_source *source = &rig->sources[rig->count++];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    *source = (struct rig_source){
        .node = node, .mode = mode, .read = ends[0], .write = ends[1], .settings = *settings};
    snprintf(source->name, sizeof(source->name), "%s", name);
    snprintf(source->file, sizeof(source->file), "%s", file);
    if (rig->socket >= 0) rig_tell(rig, source);
    return source;
}

struct rig_source *rig_add(struct rig *rig, uint64_t node, uint32_t mode, const char *name,
                           const char *file)
{
    return add(rig, node, mode, name, file, &(struct sup_log_settings){0});
}

struct rig_source *rig_add_with(struct rig *rig, uint64_t node, const char *name, const char *file,
                                const struct sup_log_settings *settings)
{
    return add(rig, node, SUP_LOG_FILE, name, file, settings);
}

void rig_say(struct rig *rig, enum sup_log_wire_type type, uint64_t node)
{
    struct sup_log_wire message = {.type = (uint16_t) type, .node = node};
    send_message(rig, &message, NULL, NULL, -1);
}

void rig_write(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, text, size);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) FAIL("write: %s", strerror(errno));
        text += done;
        size -= (size_t) done;
    }
}

void rig_print(const struct rig_source *source, const char *text)
{
    rig_write(source->write, text, strlen(text));
}

bool rig_read(struct rig *rig, int timeout_ms)
{
    char bytes[65536];
    struct pollfd ready = {.fd = rig->out, .events = POLLIN};
    if (poll(&ready, 1, timeout_ms) <= 0) return false;
    ssize_t got = read(rig->out, bytes, sizeof(bytes));
    if (got <= 0) return false;
    rig->seen = realloc(rig->seen, rig->seen_size + (size_t) got + 1);
    CHECK(rig->seen != NULL);
    memcpy(rig->seen + rig->seen_size, bytes, (size_t) got);
    rig->seen_size += (size_t) got;
    rig->seen[rig->seen_size] = '\0';
    return true;
}

bool rig_has_seen(const struct rig *rig, const char *text)
{
    return strstr(rig->seen, text) != NULL;
}

void rig_forget(struct rig *rig)
{
    rig->seen_size = 0;
    rig->seen[0] = '\0';
}

static const char *find_end(const struct rig *rig)
{
    return rig->seen + (rig->seen_size > 2000 ? rig->seen_size - 2000 : 0);
}

void rig_expect(struct rig *rig, const char *text)
{
    int64_t end = read_ms() + BOUND_MS;
    while (!rig_has_seen(rig, text)) {
        if (read_ms() > end) FAIL("expected \"%s\" in: ...%s", text, find_end(rig));
        rig_read(rig, 100);
    }
}

void rig_expect_size(const char *file, size_t size)
{
    int64_t end = read_ms() + BOUND_MS;
    struct stat status = {0};
    while (stat(file, &status) < 0 || (size_t) status.st_size != size) {
        if (read_ms() > end)
            FAIL("%s: %lld bytes instead of %zu", file, (long long) status.st_size, size);
        pause_briefly();
    }
}

void rig_expect_pending(int fd, size_t size)
{
    int64_t end = read_ms() + BOUND_MS;
    int pending = -1;
    while (ioctl(fd, FIONREAD, &pending) < 0 || (size_t) pending != size) {
        if (read_ms() > end) FAIL("%d bytes in the pipe instead of %zu", pending, size);
        pause_briefly();
    }
}

/* The timeout of the epoll_wait that ${pid} sleeps in; -2: it does something else. */
static int read_timeout(pid_t pid)
{
    char path[64], line[256] = "";
    unsigned long long args[6];
    long number;
    snprintf(path, sizeof(path), "/proc/%d/syscall", (int) pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) FAIL("%s: %s", path, strerror(errno));
    bool whole = fgets(line, sizeof(line), file) != NULL;
    fclose(file);
    if (!whole || sscanf(line, "%ld %llx %llx %llx %llx", &number, &args[0], &args[1], &args[2],
                         &args[3]) != 5)
        return -2;
    return args[2] == 64 ? (int) (uint32_t) args[3] : -2;
}

void rig_expect_idle(const struct rig *rig, int timeout_ms)
{
    int64_t end = read_ms() + BOUND_MS;
    for (;;) {
        int now = read_timeout(rig->pid);
        if (now != -2 && (timeout_ms == -2 || now == timeout_ms)) return;
        if (read_ms() > end) FAIL("it sleeps with timeout %d instead of %d", now, timeout_ms);
        pause_briefly();
    }
}

char *rig_slurp(const char *file, size_t *size)
{
    struct stat status;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) FAIL("%s: %s", file, strerror(errno));
    char *text = malloc((size_t) status.st_size + 1);
    CHECK(text != NULL);
    size_t done = 0;
    while (done < (size_t) status.st_size) {
        ssize_t got = read(fd, text + done, (size_t) status.st_size - done);
        CHECK(got > 0);
        done += (size_t) got;
    }
    close(fd);
    text[done] = '\0';
    *size = done;
    return text;
}

static void list_old(const char *file, glob_t *found)
{
    char pattern[600];
    snprintf(pattern, sizeof(pattern), "%s.2*Z", file);
    int code = glob(pattern, 0, NULL, found);
    CHECK(code == 0 || code == GLOB_NOMATCH);
    if (code == GLOB_NOMATCH) found->gl_pathc = 0;
}

size_t rig_count_old(const char *file)
{
    glob_t found = {0};
    list_old(file, &found);
    size_t count = found.gl_pathc;
    globfree(&found);
    return count;
}

char *rig_gather(const char *file, uint64_t max_size, size_t *size)
{
    glob_t found = {0};
    char *all = NULL;
    *size = 0;
    list_old(file, &found);
    for (size_t i = 0; i <= found.gl_pathc; i++) {
        size_t part;
        char *text = rig_slurp(i < found.gl_pathc ? found.gl_pathv[i] : file, &part);
        if (i < found.gl_pathc && (part == 0 || text[part - 1] != '\n'))
            FAIL("%s: ends in the middle of a line", found.gl_pathv[i]);
        if (max_size > 0 && part > max_size) FAIL("%s: has %zu bytes", file, part);
        all = realloc(all, *size + part + 1);
        CHECK(all != NULL);
        memcpy(all + *size, text, part + 1);
        *size += part;
        free(text);
    }
    globfree(&found);
    return all;
}

static uint64_t read_ring(const struct rig *rig, uint32_t index, uint32_t serial, uint8_t *bytes)
{
    static struct sup_ring ring;
    off_t place = (off_t) index * (off_t) sizeof(ring);
    if (pread(rig->rings, &ring, sizeof(ring), place) != (ssize_t) sizeof(ring) ||
        ring.serial != serial)
        return 0;
    size_t size = ring.head < SUP_RING_BYTES ? (size_t) ring.head : SUP_RING_BYTES;
    for (size_t i = 0; i < size && bytes != NULL; i++)
        bytes[i] = ring.bytes[(ring.head - size + i) % SUP_RING_BYTES];
    return ring.head;
}

size_t rig_ring(const struct rig *rig, uint32_t index, uint32_t serial, uint8_t *bytes)
{
    uint64_t head = read_ring(rig, index, serial, bytes);
    return head < SUP_RING_BYTES ? (size_t) head : SUP_RING_BYTES;
}

void rig_expect_ring(const struct rig *rig, uint32_t index, uint64_t size)
{
    int64_t end = read_ms() + BOUND_MS;
    uint64_t head;
    while ((head = read_ring(rig, index, 0, NULL)) != size) {
        if (read_ms() > end)
            FAIL("ring %u has had %llu bytes instead of %llu", index, (unsigned long long) head,
                 (unsigned long long) size);
        pause_briefly();
    }
}

int rig_wait(struct rig *rig)
{
    int64_t end = read_ms() + BOUND_MS;
    int status;
    while (waitpid(rig->pid, &status, WNOHANG) == 0) {
        if (read_ms() > end) FAIL("suptree-log does not end");
        if (rig->out < 0 || !rig_read(rig, 2)) pause_briefly();
    }
    while (rig->out >= 0 && rig_read(rig, 0)) continue;
    rig->pid = 0;
    if (rig->socket >= 0) close(rig->socket);
    rig->socket = -1;
    return status;
}

void rig_kill(struct rig *rig)
{
    kill(rig->pid, SIGKILL);
    int status = rig_wait(rig);
    CHECK(WIFSIGNALED(status));
}

int rig_quit(struct rig *rig)
{
    rig_say(rig, SUP_LOG_QUIT, 0);
    return rig_wait(rig);
}

void rig_finish(struct rig *rig)
{
    char command[128];
    if (rig->pid > 0) rig_kill(rig);
    for (size_t i = 0; i < rig->count; i++) {
        close(rig->sources[i].read);
        if (rig->sources[i].write >= 0) close(rig->sources[i].write);
    }
    if (rig->out >= 0) close(rig->out);
    if (rig->out_write >= 0) close(rig->out_write);
    close(rig->rings);
    close(rig->staging[0]);
    close(rig->staging[1]);
    free(rig->seen);
    snprintf(command, sizeof(command), "rm -rf '%s'", rig->dir);
    CHECK(system(command) == 0);
}
