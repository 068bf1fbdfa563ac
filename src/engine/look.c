/*
** engine/look.c: see look.h.
*/
#include "engine/look.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STATUS_LINE 12 /* "HTTP/1.1 200" */
#define DRAIN_MOST ((size_t) 65536)
#define REQUEST_ROOM (SUP_READY_URL_MAX + 256)

static enum sup_look_state fail(struct sup_look *look, const char *text)
{
    snprintf(look->text, sizeof look->text, "%s", text);
    return SUP_LOOK_FAILS;
}

static enum sup_look_state fail_errno(struct sup_look *look, int code)
{
    static const struct {
        int code;
        const char *words;
    } known[] = {
        {ECONNREFUSED, "connection refused"},
        {ENOENT, "there is no socket"},
        {EAGAIN, "its queue is full"},
        {ECONNRESET, "the connection was cut"},
        {EACCES, "permission denied"},
        {EMFILE, "no descriptors are left to look"},
        {ENFILE, "no descriptors are left to look"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code) return fail(look, known[i].words);
    char buf[64];
    return fail(look, strerror_r(code, buf, sizeof buf));
}

static enum sup_look_state wait_for(struct sup_look *look, uint32_t events)
{
    look->events = events;
    return SUP_LOOK_WAITS;
}

static void close_it(struct sup_look *look)
{
    if (look->fd >= 0) close(look->fd);
    look->fd = -1;
}

/* --- http ------------------------------------------------------------------------------------- */

static size_t write_request(const struct sup_look *look, char *request)
{
    const struct sup_address *address = &look->address;
    const char *path = address->path;
    const char *slash = path[0] == '/' ? "" : "/";
    char host[64];
    const char *name = address->host[0] == '\0' ? "localhost" : address->host;
    snprintf(host, sizeof host, address->is_ipv6 ? "[%s]" : "%s", name);
    int n = snprintf(request, REQUEST_ROOM,
                     "GET %s%s HTTP/1.1\r\nHost: %s:%u\r\nUser-Agent: suptree\r\nAccept: */*\r\n"
                     "Connection: close\r\n\r\n",
                     slash, path, host, (unsigned) address->port);
    return n < 0 ? 0 : (size_t) n;
}

static enum sup_look_state send_request(struct sup_look *look)
{
    char request[REQUEST_ROOM];
    size_t size = write_request(look, request);
    while (look->sent < size) {
        ssize_t n = send(look->fd, request + look->sent, size - look->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return wait_for(look, EPOLLOUT);
        if (n < 0) return fail_errno(look, errno);
        look->sent += (size_t) n;
    }
    return wait_for(look, EPOLLIN);
}

static enum sup_look_state judge_answer(struct sup_look *look)
{
    int status = 0;
    for (int i = 9; i < STATUS_LINE; i++) {
        if (look->answer[i] < '0' || look->answer[i] > '9') status = -10000;
        status = status * 10 + look->answer[i] - '0';
    }
    if (memcmp(look->answer, "HTTP/1.", 7) != 0 || status < 100)
        return fail(look, "what answers does not speak HTTP");
    if (status >= look->ready->status_low && status <= look->ready->status_high)
        return SUP_LOOK_HOLDS;
    snprintf(look->text, sizeof look->text, "status %d", status);
    return SUP_LOOK_FAILS;
}

static enum sup_look_state read_answer(struct sup_look *look)
{
    while (look->answered < STATUS_LINE) {
        ssize_t n = recv(look->fd, look->answer + look->answered, STATUS_LINE - look->answered, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return wait_for(look, EPOLLIN);
        if (n < 0) return fail_errno(look, errno);
        if (n == 0) return fail(look, "the connection was closed without an answer");
        look->answered += (size_t) n;
    }
    return judge_answer(look);
}

bool sup_look_drain(struct sup_look *look)
{
    char bytes[4096];
    if (look->fd < 0 || look->answered < STATUS_LINE) return false;
    while (look->left > 0) {
        ssize_t n = recv(look->fd, bytes, sizeof bytes, 0);
        if (n < 0 && errno == EINTR) continue;
        look->events = EPOLLIN;
        if (n < 0 && errno == EAGAIN) return true;
        if (n <= 0) return false;
        look->left -= (size_t) n < look->left ? (size_t) n : look->left;
    }
    return false;
}

/* --- connecting ------------------------------------------------------------------------------- */

static enum sup_look_state connect_tcp(struct sup_look *look);

/*
** Looking for nobody at a port from which connections are made may find itself: the kernel gives
** the socket the very port that it calls.
*/
static bool is_itself(int fd)
{
    struct sockaddr_storage own = {0}, other = {0};
    socklen_t own_size = sizeof own, other_size = sizeof other;
    if (getsockname(fd, (struct sockaddr *) &own, &own_size) < 0) return false;
    if (getpeername(fd, (struct sockaddr *) &other, &other_size) < 0) return false;
    return own.ss_family != AF_UNIX && own_size == other_size &&
           memcmp(&own, &other, own_size) == 0;
}

/* There is one more address where this may succeed: this machine has two. */
static enum sup_look_state try_other(struct sup_look *look, int code)
{
    bool has_other = look->ready->kind != SUP_READY_UNIX && look->address.host[0] == '\0';
    if (!has_other || look->tried_ipv6) {
        /* Of both, what the first said is what people expect to read. */
        return has_other ? fail_errno(look, ECONNREFUSED) : fail_errno(look, code);
    }
    close_it(look);
    look->tried_ipv6 = true;
    return connect_tcp(look);
}

static enum sup_look_state go_on_connected(struct sup_look *look)
{
    look->connected = true;
    if (is_itself(look->fd)) return try_other(look, ECONNREFUSED);
    return look->ready->kind == SUP_READY_HTTP ? send_request(look) : SUP_LOOK_HOLDS;
}

static enum sup_look_state dial(struct sup_look *look, const struct sockaddr *to, socklen_t size)
{
    look->connected = false;
    look->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (look->fd < 0) return fail_errno(look, errno);
    if (connect(look->fd, to, size) == 0) return go_on_connected(look);
    if (errno == EINPROGRESS) return wait_for(look, EPOLLOUT);
    return try_other(look, errno);
}

static enum sup_look_state connect_tcp(struct sup_look *look)
{
    const struct sup_address *address = &look->address;
    bool is_ipv6 = address->host[0] == '\0' ? look->tried_ipv6 : address->is_ipv6;
    const char *loopback = is_ipv6 ? "::1" : "127.0.0.1";
    const char *host = address->host[0] == '\0' ? loopback : address->host;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(address->port)};
    if (is_ipv6) {
        inet_pton(AF_INET6, host, &six.sin6_addr);
        return dial(look, (struct sockaddr *) &six, sizeof six);
    }
    inet_pton(AF_INET, host, &four.sin_addr);
    return dial(look, (struct sockaddr *) &four, sizeof four);
}

static enum sup_look_state connect_unix(struct sup_look *look)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(look->ready->text) >= sizeof name.sun_path) return fail_errno(look, ENAMETOOLONG);
    strcpy(name.sun_path, look->ready->text);
    return dial(look, (struct sockaddr *) &name, sizeof name);
}

/* --- one look --------------------------------------------------------------------------------- */

enum sup_look_state sup_look_begin(struct sup_look *look, const struct sup_ready *ready)
{
    const char *hint;
    *look = (struct sup_look){.fd = -1, .ready = ready, .left = DRAIN_MOST};
    if (ready->kind == SUP_READY_UNIX) return connect_unix(look);
    bool is_url = ready->kind == SUP_READY_HTTP;
    const char *fault = is_url ? sup_url_parse(ready->text, &look->address, &hint)
                               : sup_address_parse(ready->text, &look->address, &hint);
    return fault == NULL ? connect_tcp(look) : fail(look, fault);
}

enum sup_look_state sup_look_go_on(struct sup_look *look)
{
    int code = 0;
    socklen_t size = sizeof code;
    if (look->fd < 0) return SUP_LOOK_FAILS;
    if (look->connected) return look->events == EPOLLOUT ? send_request(look) : read_answer(look);
    if (getsockopt(look->fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0) code = errno;
    return code == 0 ? go_on_connected(look) : try_other(look, code);
}

void sup_look_end(struct sup_look *look)
{
    close_it(look);
}
