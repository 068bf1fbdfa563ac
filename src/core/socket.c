/*
** core/socket.c: see socket.h. An entry is name and address, each with NUL, u32 backlog, u32 mode,
** u32 uid, u32 gid, u8 flags; entries are sorted by name.
*/
#include "core/socket.h"

#include "core/options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DETAILS 17u
#define REUSE_PORT 1u
#define FREE_BIND 2u
#define HINT_ADDRESS \
    "Write \"8080\" (all interfaces), \"127.0.0.1:8080\", \"[::1]:8080\", " \
    "\"udp:127.0.0.1:53\" or \"unix:run/web.sock\"."
#define HINT_NUMBERS "Write it in numbers, such as \"127.0.0.1:8080\"."
#define HINT_PATH "Put it into a folder with a shorter path."

/* --- addresses -------------------------------------------------------------------------------- */

static const char *parse_port(const char *text, uint16_t *port)
{
    size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 5 || text[length] != '\0')
        return "has no port: a number from 1 to 65535";
    *port = sup_parse_port(text, length);
    return *port == 0 ? "has a port that is no number from 1 to 65535" : NULL;
}

/* ${length} bytes of a host. */
static const char *parse_host(const char *text, size_t length, struct sup_socket_address *address)
{
    bool is_ipv6;
    if (length == 1 && text[0] == '*') return NULL;
    const char *fault = sup_parse_ip(text, length, &is_ipv6, address->ip);
    if (fault == NULL) address->host = is_ipv6 ? SUP_HOST_IPV6 : SUP_HOST_IPV4;
    return fault;
}

static const char *parse_path(const char *text, struct sup_socket_address *address,
                              const char **hint)
{
    bool is_abstract = text[0] == '@';
    address->type = is_abstract ? SUP_SOCKET_ABSTRACT : SUP_SOCKET_UNIX;
    address->path = is_abstract ? text + 1 : text;
    *hint = HINT_PATH;
    if (strlen(text) > SUP_SOCKET_PATH_MAX) return "is too long for a socket: 107 bytes at most";
    *hint = HINT_ADDRESS;
    if (address->path[0] == '\0') return "names no path";
    if (!is_abstract && text[0] != '/') return "is not an absolute path";
    if (!is_abstract && text[strlen(text) - 1] == '/') return "ends in a folder";
    for (; *text != '\0'; text++)
        if ((unsigned char) *text < 0x20 || *text == 0x7f) return "has a control character";
    return NULL;
}

const char *sup_socket_address_parse(const char *text, struct sup_socket_address *address,
                                     const char **hint)
{
    *address = (struct sup_socket_address){.path = ""};
    *hint = HINT_ADDRESS;
    if (strncmp(text, "unix:", 5) == 0) return parse_path(text + 5, address, hint);
    if (strncmp(text, "udp:", 4) == 0) address->type = SUP_SOCKET_UDP;
    if (strncmp(text, "udp:", 4) == 0 || strncmp(text, "tcp:", 4) == 0) text += 4;
    const char *colon = strrchr(text, ':');
    const char *fault = parse_port(colon == NULL ? text : colon + 1, &address->port);
    if (fault == NULL && colon != NULL) fault = parse_host(text, (size_t) (colon - text), address);
    if (fault != NULL && strstr(fault, "in numbers") != NULL) *hint = HINT_NUMBERS;
    return fault;
}

char *sup_socket_address_text(const struct sup_socket_address *address, char *buf)
{
    char host[INET6_ADDRSTRLEN] = "*";
    const char *before = address->type == SUP_SOCKET_UDP ? "udp:" : "";
    bool is_v6 = address->host == SUP_HOST_IPV6;
    if (address->type == SUP_SOCKET_UNIX || address->type == SUP_SOCKET_ABSTRACT) {
        snprintf(buf, SUP_SOCKET_ADDRESS_ROOM, "unix:%s%s",
                 address->type == SUP_SOCKET_ABSTRACT ? "@" : "", address->path);
        return buf;
    }
    if (address->host != SUP_HOST_ANY)
        inet_ntop(is_v6 ? AF_INET6 : AF_INET, address->ip, host, sizeof host);
    snprintf(buf, SUP_SOCKET_ADDRESS_ROOM, "%s%s%s%s:%u", before, is_v6 ? "[" : "", host,
             is_v6 ? "]" : "", address->port);
    return buf;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The text at ${*at}, which moves behind its NUL; NULL: there is none. */
static const char *take_text(const unsigned char *data, size_t size, size_t *at)
{
    const unsigned char *nul = *at < size ? memchr(data + *at, 0, size - *at) : NULL;
    if (nul == NULL) return NULL;
    const char *text = (const char *) data + *at;
    *at = (size_t) (nul - data) + 1;
    return text;
}

static void read_details(const unsigned char *data, struct sup_socket *socket)
{
    memcpy(&socket->backlog, data, 4);
    memcpy(&socket->mode, data + 4, 4);
    memcpy(&socket->uid, data + 8, 4);
    memcpy(&socket->gid, data + 12, 4);
    socket->reuse_port = (data[16] & REUSE_PORT) != 0;
    socket->free_bind = (data[16] & FREE_BIND) != 0;
}

/* Letters, digits and _ . @ -: what can stand between the colons of LISTEN_FDNAMES. */
static bool is_name(const char *text)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789_.@-");
    return length > 0 && length <= SUP_SOCKET_NAME_MAX && text[length] == '\0';
}

static int check_address(const struct sup_socket *socket, struct sup_socket_address *address,
                         struct sup_err *err)
{
    char text[SUP_SOCKET_ADDRESS_ROOM];
    const char *hint;
    const char *fault = sup_socket_address_parse(socket->address, address, &hint);
    if (fault != NULL)
        return sup_err_set(err, -EINVAL, "", hint, "%s: \"%.150s\" %s", socket->name,
                           socket->address, fault);
    if (strcmp(sup_socket_address_text(address, text), socket->address) != 0)
        return sup_option_refuse_broken(err);
    return 0;
}

static int check_entry(const struct sup_socket *socket, unsigned flags, struct sup_err *err)
{
    struct sup_socket_address address;
    int r = check_address(socket, &address, err);
    if (r < 0) return r;
    if (flags > (REUSE_PORT | FREE_BIND) || socket->backlog == 0 || socket->backlog > INT32_MAX ||
        (socket->mode != SUP_NO_ID && socket->mode > 0777))
        return sup_option_refuse_broken(err);
    bool owned = socket->mode != SUP_NO_ID || socket->uid != SUP_NO_ID || socket->gid != SUP_NO_ID;
    if (owned && address.type != SUP_SOCKET_UNIX)
        return sup_err_set(err, -EINVAL, "", "Take mode, user and group out.",
                           "%s: \"%.150s\" is no file that could belong to somebody", socket->name,
                           socket->address);
    bool is_ip = address.type == SUP_SOCKET_TCP || address.type == SUP_SOCKET_UDP;
    if (flags != 0 && !is_ip)
        return sup_err_set(err, -EINVAL, "", "Take reuse_port and free_bind out.",
                           "%s: \"%.150s\" has no port", socket->name, socket->address);
    return 0;
}

int sup_sockets_check(const unsigned char *data, size_t size, struct sup_err *err)
{
    const char *former = "";
    size_t at = 0;
    if (size > UINT32_MAX) return sup_option_refuse_broken(err);
    for (int count = 0; at < size; count++) {
        struct sup_socket socket;
        socket.name = take_text(data, size, &at);
        socket.address = take_text(data, size, &at);
        if (socket.name == NULL || socket.address == NULL || size - at < DETAILS)
            return sup_option_refuse_broken(err);
        read_details(data + at, &socket);
        if (!is_name(socket.name))
            return sup_err_set(err, -EINVAL, "", "Letters, digits and _ . @ - may stand in one.",
                               "\"%.60s\" is not a name of a socket", socket.name);
        if (strcmp(former, socket.name) >= 0) return sup_option_refuse_broken(err);
        if (count == SUP_SOCKETS_MAX)
            return sup_err_set(err, -EINVAL, "", "Split the service.",
                               "are more than %d sockets, which is the most", SUP_SOCKETS_MAX);
        int r = check_entry(&socket, data[at + DETAILS - 1], err);
        if (r < 0) return r;
        former = socket.name;
        at += DETAILS;
    }
    return 0;
}

bool sup_sockets_next(const struct sup_bytes *sockets, uint32_t *at, struct sup_socket *socket)
{
    size_t place = *at;
    if (place >= sockets->size) return false;
    socket->name = take_text(sockets->data, sockets->size, &place);
    socket->address = take_text(sockets->data, sockets->size, &place);
    read_details(sockets->data + place, socket);
    *at = (uint32_t) (place + DETAILS);
    return true;
}

uint32_t sup_sockets_count(const struct sup_bytes *sockets)
{
    struct sup_socket socket;
    uint32_t count = 0;
    for (uint32_t at = 0; sup_sockets_next(sockets, &at, &socket);) count++;
    return count;
}

bool sup_sockets_differ(const struct sup_bytes *a, const struct sup_bytes *b)
{
    struct sup_socket one, other;
    uint32_t at = 0, there = 0;
    for (;;) {
        bool more = sup_sockets_next(a, &at, &one);
        if (sup_sockets_next(b, &there, &other) != more) return true;
        if (!more) return false;
        if (strcmp(one.name, other.name) != 0 || strcmp(one.address, other.address) != 0)
            return true;
    }
}
