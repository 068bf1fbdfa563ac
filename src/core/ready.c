/*
** core/ready.c: conditions of readiness: reading them from hostile bytes, comparing them, taking
** addresses apart. How they are told is in option_text.c.
*/
#include "core/ready.h"

#include "core/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DETAILS 24u /* u32 number, u16 low, u16 high, i64 timeout, i64 every */
#define HINT_BROKEN "Compile the configuration again."
#define HINT_ADDRESS "Write a port such as 5432, or a number and a port: \"127.0.0.1:5432\"."
#define HINT_URL "Write a URL such as \"http://127.0.0.1:8080/health\"."
#define HINT_NAMES \
    "Write its number, such as \"127.0.0.1:5432\" or \"[::1]:5432\"; only localhost is known so."
#define HINT_HTTPS \
    "Ask the service itself over http://, or let a program do it: s.ready.exec { \"curl\", ... }."

/* --- addresses -------------------------------------------------------------------------------- */

/* What is wrong with the host, or NULL. */
static const char *parse_host(const char *text, size_t length, struct sup_address *address)
{
    unsigned char ip[16];
    address->host[0] = '\0';
    if (length == 9 && memcmp(text, "localhost", 9) == 0) return NULL;
    if (length == 0 || (length == 2 && memcmp(text, "[]", 2) == 0)) return "has no host";
    const char *fault = sup_parse_ip(text, length, &address->is_ipv6, ip);
    if (fault != NULL) return fault;
    size_t bracket = address->is_ipv6 ? 1 : 0;
    snprintf(address->host, sizeof address->host, "%.*s", (int) (length - 2 * bracket),
             text + bracket);
    return NULL;
}

/* "host:port" or "host", of ${length}; ${port} when none is said, 0: it must be. */
static const char *parse_authority(const char *text, size_t length, uint16_t port,
                                   struct sup_address *address)
{
    size_t host = length;
    for (size_t i = length; i > 0; i--) {
        if (text[i - 1] == ']') break;
        if (text[i - 1] != ':') continue;
        host = i - 1;
        break;
    }
    if (host < length) port = sup_parse_port(text + host + 1, length - host - 1);
    else if (port == 0) return "has no port";
    if (port == 0) return "has a port that is no number from 1 to 65535";
    address->port = port;
    return parse_host(text, host, address);
}

static const char *find_hint(const char *fault, const char *usual)
{
    bool is_name = fault != NULL && strstr(fault, "in numbers") != NULL;
    return is_name ? HINT_NAMES : usual;
}

const char *sup_address_parse(const char *text, struct sup_address *address, const char **hint)
{
    const char *fault = NULL;
    size_t length = strlen(text);
    *address = (struct sup_address){.path = ""};
    if (length > 0 && text[strspn(text, "0123456789")] == '\0') {
        address->port = sup_parse_port(text, length);
        if (address->port == 0) fault = "is no port; they go from 1 to 65535";
    } else fault = parse_authority(text, length, 0, address);
    *hint = find_hint(fault, HINT_ADDRESS);
    return fault;
}

const char *sup_url_parse(const char *text, struct sup_address *address, const char **hint)
{
    static const char scheme[] = "http://";
    *address = (struct sup_address){.path = ""};
    *hint = HINT_HTTPS;
    if (strncmp(text, "https://", 8) == 0)
        return "is https, and whoever looks holds no certificates to check it by";
    *hint = HINT_URL;
    if (strncmp(text, scheme, sizeof scheme - 1) != 0) return "does not begin with http://";
    if (strlen(text) > SUP_READY_URL_MAX) return "is longer than 1024 bytes";
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= 0x20 || *at >= 0x7f) return "has a character that must be written as %XX";
    text += sizeof scheme - 1;
    size_t length = strcspn(text, "/?#");
    if (strchr(text, '#') != NULL) return "has a #, which no server is told";
    if (memchr(text, '@', length) != NULL) return "names a user, which is not spoken here";
    address->path = text + length;
    const char *fault = parse_authority(text, length, 80, address);
    *hint = find_hint(fault, HINT_URL);
    return fault;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool has_text(enum sup_ready_kind kind)
{
    return kind == SUP_READY_FILE || kind == SUP_READY_TCP || kind == SUP_READY_UNIX ||
           kind == SUP_READY_HTTP || kind == SUP_READY_LOG;
}

bool sup_ready_is_probe(enum sup_ready_kind kind)
{
    return kind == SUP_READY_TCP || kind == SUP_READY_UNIX || kind == SUP_READY_HTTP ||
           kind == SUP_READY_EXEC;
}

static int check_text(const struct sup_ready *ready, struct sup_err *err)
{
    struct sup_address address;
    const char *hint = HINT_BROKEN, *fault = NULL;
    bool is_path = ready->kind == SUP_READY_FILE || ready->kind == SUP_READY_UNIX;
    if (is_path && ready->text[0] != '/') fault = "is not an absolute path";
    else if (ready->kind == SUP_READY_UNIX && strlen(ready->text) > SUP_READY_PATH_MAX) {
        fault = "is too long for a socket: 107 bytes at most";
        hint = "Put the socket into a folder with a shorter path.";
    } else if (ready->kind == SUP_READY_TCP)
        fault = sup_address_parse(ready->text, &address, &hint);
    else if (ready->kind == SUP_READY_HTTP) fault = sup_url_parse(ready->text, &address, &hint);
    if (fault == NULL) return 0;
    return sup_err_set(err, -EINVAL, "", hint, "\"%.200s\" %s", ready->text, fault);
}

static int check_time(int64_t ns, const char *name, struct sup_err *err)
{
    const char *fault = sup_duration_fault(ns, false, false);
    return fault == NULL ? 0 : sup_err_set(err, -EINVAL, "", "", "its %s %s", name, fault);
}

/* The words of a command, up to ${end}. */
static int decode_command(const char *at, const char *end, struct sup_ready *ready,
                          struct sup_err *err)
{
    struct sup_strings command = {at < end ? at : NULL, 0};
    while (at < end) {
        const char *nul = memchr(at, '\0', (size_t) (end - at));
        if (nul == NULL) return sup_option_refuse_broken(err);
        command.count++;
        at = nul + 1;
    }
    bool wanted = ready->kind == SUP_READY_EXEC;
    if (wanted != (command.count > 0)) return sup_option_refuse_broken(err);
    if (wanted && command.first[0] == '\0')
        return sup_err_set(
            err, -EINVAL, "",
            "Write s.ready.exec { \"program\", \"argument\" }, or a line for the shell.",
            "its command is empty");
    ready->command = command;
    return 0;
}

static int check_details(const struct sup_ready *ready, struct sup_err *err)
{
    bool is_fd = ready->kind == SUP_READY_FD, is_http = ready->kind == SUP_READY_HTTP;
    bool is_probe = sup_ready_is_probe(ready->kind);
    if ((ready->number != 0 && !is_fd) || (ready->status_high != 0 && !is_http) ||
        ((ready->timeout_ns != 0 || ready->every_ns != 0) && !is_probe))
        return sup_option_refuse_broken(err);
    if (is_fd && (ready->number < SUP_READY_FD_MIN || ready->number > SUP_READY_FD_MAX))
        return sup_err_set(err, -EINVAL, "", "Write s.ready.fd(3).",
                           "%u is no descriptor for this; they go from %d to %d", ready->number,
                           SUP_READY_FD_MIN, SUP_READY_FD_MAX);
    if (is_http && (ready->status_low < 100 || ready->status_high > 599 ||
                    ready->status_low > ready->status_high))
        return sup_err_set(err, -EINVAL, "", "Write status = 200, or status = \"200-399\".",
                           "its status must be from 100 to 599");
    int r = check_time(ready->timeout_ns, "timeout", err);
    return r < 0 ? r : check_time(ready->every_ns, "every", err);
}

static int decode_details(const unsigned char *data, size_t size, struct sup_ready *ready,
                          struct sup_err *err)
{
    if (size < DETAILS) return sup_option_refuse_broken(err);
    memcpy(&ready->number, data, 4);
    memcpy(&ready->status_low, data + 4, 2);
    memcpy(&ready->status_high, data + 6, 2);
    memcpy(&ready->timeout_ns, data + 8, 8);
    memcpy(&ready->every_ns, data + 16, 8);
    int r = check_details(ready, err);
    if (r < 0) return r;
    if (ready->timeout_ns == 0 && ready->kind == SUP_READY_EXEC)
        ready->timeout_ns = SUP_READY_EXEC_TIMEOUT_NS;
    else if (ready->timeout_ns == 0 && sup_ready_is_probe(ready->kind))
        ready->timeout_ns = SUP_READY_TIMEOUT_NS;
    const char *words = (const char *) data + DETAILS;
    return decode_command(words, (const char *) data + size, ready, err);
}

int sup_ready_decode(const unsigned char *data, size_t size, struct sup_ready *ready,
                     struct sup_err *err)
{
    struct sup_ready read = {0};
    const char *text = (const char *) data + 9;
    const char *nul = size < 10 ? NULL : memchr(text, '\0', size - 9);
    if (nul == NULL || data[0] >= SUP_READY_KIND_COUNT) return sup_option_refuse_broken(err);
    read.kind = (enum sup_ready_kind) data[0];
    memcpy(&read.delay_ns, data + 1, 8);
    if ((text[0] != '\0') != has_text(read.kind)) return sup_option_refuse_broken(err);
    if (read.delay_ns != 0 && read.kind != SUP_READY_DELAY) return sup_option_refuse_broken(err);
    if (text[0] != '\0') read.text = text;
    int r = check_time(read.delay_ns, "delay", err);
    if (r == 0 && read.text != NULL) r = check_text(&read, err);
    if (r < 0) return r;
    const unsigned char *rest = (const unsigned char *) nul + 1;
    size_t left = (size_t) (data + size - rest);
    if (read.kind >= SUP_READY_NOTIFY) r = decode_details(rest, left, &read, err);
    else if (left != 0) r = sup_option_refuse_broken(err);
    if (r == 0) *ready = read;
    return r;
}

/* --- comparing -------------------------------------------------------------------------------- */

bool sup_ready_equal(const struct sup_ready *a, const struct sup_ready *b)
{
    bool texts =
        a->text == NULL || b->text == NULL ? a->text == b->text : strcmp(a->text, b->text) == 0;
    return texts && a->kind == b->kind && a->delay_ns == b->delay_ns && a->number == b->number &&
           a->status_low == b->status_low && a->status_high == b->status_high &&
           a->timeout_ns == b->timeout_ns && a->every_ns == b->every_ns &&
           sup_strings_equal(&a->command, &b->command);
}
