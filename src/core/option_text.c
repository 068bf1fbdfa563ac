/*
** core/option_text.c: values of options as a person would write them.
*/
#include "core/options.h"

#include "core/cgroup.h"
#include "core/ready.h"
#include "core/socket.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text that is cut where its buffer ends. */
struct text {
    char *buf;
    size_t size, length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = text->size - text->length;
    int n = vsnprintf(text->buf + text->length, room, format, arguments);
    va_end(arguments);
    if (n > 0) text->length += (size_t) n < room ? (size_t) n : room - 1;
}

/* What was cut says so, and does not end with half a character. */
static void end(struct text *text)
{
    static const char mark[] = "…";
    if (text->length + 1 < text->size || text->size < sizeof mark) return;
    size_t at = text->size - sizeof mark;
    while (at > 0 && ((unsigned char) text->buf[at] & 0xc0) == 0x80) at--;
    memcpy(text->buf + at, mark, sizeof mark);
}

static void put_duration(struct text *text, int64_t ns)
{
    char buf[48];
    put(text, "%s", sup_duration_text(ns, buf, sizeof buf));
}

static void put_size(struct text *text, uint64_t bytes)
{
    char buf[32];
    put(text, "%s", sup_size_text(bytes, buf, sizeof buf));
}

static void put_names(struct text *text, const struct sup_strings *names)
{
    const char *name = names->first;
    put(text, "{");
    for (uint32_t i = 0; i < names->count; i++, name = sup_strings_next(name))
        put(text, "%s %s", i == 0 ? "" : ",", name);
    put(text, names->count == 0 ? "}" : " }");
}

/* A word as a shell would need it, so that it is plain where it begins and ends. */
static void put_word(struct text *text, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_@%+=:,./-";
    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        put(text, "%s", word);
        return;
    }
    put(text, "'");
    for (; *word != '\0'; word++) {
        if (*word == '\'') put(text, "'\\''");
        else put(text, "%c", *word);
    }
    put(text, "'");
}

/* A shell line as it was written, anything else word by word. */
static void put_command(struct text *text, const struct sup_strings *command)
{
    const char *word = command->first;
    if (command->count == 3 && strcmp(word, "/bin/sh") == 0 &&
        strcmp(sup_strings_next(word), "-c") == 0) {
        put(text, "%s", sup_strings_next(sup_strings_next(word)));
        return;
    }
    for (uint32_t i = 0; i < command->count; i++, word = sup_strings_next(word)) {
        if (i > 0) put(text, " ");
        put_word(text, word);
    }
}

static void put_codes(struct text *text, const struct sup_codes *codes)
{
    bool first = true;
    put(text, "{");
    for (int code = 0; code < 256; code++) {
        if (!sup_codes_has(codes, code)) continue;
        put(text, "%s %d", first ? "" : ",", code);
        first = false;
    }
    put(text, first ? "}" : " }");
}

static void put_delay(struct text *text, const struct sup_delay *delay)
{
    put_duration(text, delay->initial_ns);
    if (delay->factor != 1) put(text, " x %.6g", delay->factor);
    if (delay->factor != 1 && delay->max_ns != SUP_INFINITY_NS) {
        put(text, " up to ");
        put_duration(text, delay->max_ns);
    }
    if (delay->jitter > 0) put(text, ", jitter %.6g", delay->jitter);
    if (delay->initial_ns == 0 || delay->reset_after_ns == 60 * SUP_SECOND_NS) return;
    put(text, ", reset after ");
    put_duration(text, delay->reset_after_ns);
}

/* How a look is made, where it was said. */
static void put_look(struct text *text, const struct sup_ready *ready)
{
    bool exec = ready->kind == SUP_READY_EXEC;
    if (ready->timeout_ns != (exec ? SUP_READY_EXEC_TIMEOUT_NS : SUP_READY_TIMEOUT_NS)) {
        put(text, ", timeout ");
        put_duration(text, ready->timeout_ns);
    }
    if (ready->every_ns == 0) return;
    put(text, ", every ");
    put_duration(text, ready->every_ns);
}

/* What is awaited, without how it is looked at. */
static void put_condition(struct text *text, const struct sup_ready *ready)
{
    static const char *const words[SUP_READY_KIND_COUNT] = {
        "at launch", "delay", "file", "manual", "notify", "fd",
        "tcp",       "unix",  "http", "exec",   "log",
    };
    bool is_url = ready->kind == SUP_READY_HTTP;
    put(text, "%s", is_url ? ready->text : words[ready->kind]);
    if (is_url) return;
    if (ready->kind == SUP_READY_LOG) put(text, " \"%s\"", ready->text);
    else if (ready->text != NULL) put(text, " %s", ready->text);
    if (ready->kind == SUP_READY_FD) put(text, " %u", ready->number);
    if (ready->kind != SUP_READY_DELAY && ready->kind != SUP_READY_EXEC) return;
    put(text, " ");
    if (ready->kind == SUP_READY_EXEC) put_command(text, &ready->command);
    else put_duration(text, ready->delay_ns);
}

static void put_ready(struct text *text, const struct sup_ready *ready)
{
    put_condition(text, ready);
    bool http = ready->kind == SUP_READY_HTTP;
    if (http && ready->status_low == ready->status_high)
        put(text, ", status %u", (unsigned) ready->status_low);
    else if (http && (ready->status_low != 200 || ready->status_high != 399))
        put(text, ", status %u-%u", (unsigned) ready->status_low, (unsigned) ready->status_high);
    if (sup_ready_is_probe(ready->kind)) put_look(text, ready);
}

/* What is said of a log beyond its file. */
static void put_log_details(struct text *text, const struct sup_log *log)
{
    static const char *const timestamps[] = {"", ", timestamps iso8601", ", timestamps tai64n"};
    if (log->max_size > 0) put(text, ", max_size %llu", (unsigned long long) log->max_size);
    if (log->max_age_ns > 0) {
        put(text, ", max_age ");
        put_duration(text, log->max_age_ns);
    }
    if (log->max_size > 0 || log->max_age_ns > 0) put(text, ", max_files %u", log->max_files);
    put(text, "%s", timestamps[log->timestamps]);
    if (log->form == SUP_LOG_JSON) put(text, ", format json");
    if (log->buffer > 0) put(text, ", buffer %u", log->buffer);
    if (log->reads) put(text, ", reads what others write to it");
}

static void put_log(struct text *text, const struct sup_log *log)
{
    switch (log->mode) {
    case SUP_LOG_MODE_VIEW:
        put(text, "shown");
        break;
    case SUP_LOG_MODE_FILE:
        put(text, "file %s", log->file);
        break;
    case SUP_LOG_MODE_NONE:
        put(text, "false");
        break;
    case SUP_LOG_MODE_INHERIT:
        put(text, "inherit");
        break;
    case SUP_LOG_MODE_TO:
        put(text, "to %s", log->to);
        break;
    }
    put_log_details(text, log);
}

static void put_string(struct text *text, const char *string)
{
    if (string != NULL) put(text, "%s", string);
}

static void put_enum(struct text *text, const struct sup_option *option, const void *field)
{
    int number;
    memcpy(&number, field, sizeof number);
    put(text, "%s", option->allowed[number]);
}

static void put_user(struct text *text, const struct sup_user *user)
{
    if (user->uid == SUP_NO_ID) return;
    if (user->name[0] != '\0') put(text, "%s", user->name);
    else put(text, "%u", user->uid);
}

static void put_ids(struct text *text, const struct sup_bytes *ids)
{
    if (ids->data == NULL) return;
    put(text, "{");
    for (uint32_t i = 0; i < ids->size; i += 4) {
        uint32_t id;
        memcpy(&id, ids->data + i, sizeof id);
        put(text, "%s %u", i == 0 ? "" : ",", id);
    }
    put(text, ids->size == 0 ? "}" : " }");
}

static void put_limit(struct text *text, uint64_t limit)
{
    if (limit == SUP_NO_LIMIT) put(text, "unlimited");
    else put(text, "%llu", (unsigned long long) limit);
}

static void put_ladder(struct text *text, const struct sup_bytes *stop)
{
    char buf[32];
    for (uint32_t i = 0; i < stop->size; i += SUP_LADDER_BYTES) {
        int64_t ns;
        memcpy(&ns, stop->data + i + 1, sizeof ns);
        put(text, "%s%s ", i == 0 ? "" : ", ", sup_signal_name(stop->data[i], buf, sizeof buf));
        put_duration(text, ns);
    }
}

static void put_commands(struct text *text, const struct sup_bytes *commands)
{
    struct sup_strings argv;
    int64_t ns;
    for (uint32_t at = 0; sup_commands_next(commands, &at, &argv, &ns);) {
        if (argv.first != (const char *) commands->data + SUP_COMMAND_HEAD) put(text, "; ");
        put_command(text, &argv);
        if (ns == 0) continue;
        put(text, ", timeout ");
        put_duration(text, ns);
    }
}

static void put_limits(struct text *text, const struct sup_bytes *limits)
{
    for (uint32_t i = 0; i < limits->size; i += SUP_LIMIT_BYTES) {
        uint32_t resource;
        uint64_t soft, hard;
        memcpy(&resource, limits->data + i, sizeof resource);
        memcpy(&soft, limits->data + i + 4, sizeof soft);
        memcpy(&hard, limits->data + i + 12, sizeof hard);
        put(text, "%s%s ", i == 0 ? "" : ", ", sup_limit_name(resource));
        put_limit(text, soft);
        if (soft == hard) continue;
        put(text, ":");
        put_limit(text, hard);
    }
}

static void put_cgroup(struct text *text, const struct sup_bytes *cgroup)
{
    char buf[32];
    for (uint32_t i = 0; i < cgroup->size; i += (uint32_t) SUP_CGROUP_BYTES) {
        uint64_t value;
        memcpy(&value, cgroup->data + i + 1, sizeof value);
        put(text, "%s%s %s", i == 0 ? "" : ", ", sup_cgroup_name(cgroup->data[i]),
            sup_cgroup_text(cgroup->data[i], value, buf, sizeof buf));
    }
}

static void put_health(struct text *text, const struct sup_health *health)
{
    if (health->every_ns == 0) return;
    if (health->function.size > 0) put(text, "a function");
    else put_condition(text, &health->probe);
    put(text, ", every ");
    put_duration(text, health->every_ns);
    put(text, ", timeout ");
    put_duration(text, health->timeout_ns);
    put(text, ", failures %u", health->failures);
    if (health->start_after_ns > 0) {
        put(text, ", start_after ");
        put_duration(text, health->start_after_ns);
    }
    if (health->action == SUP_HEALTH_EVENT) put(text, ", action event");
}

static void put_sockets(struct text *text, const struct sup_bytes *sockets)
{
    struct sup_socket socket;
    for (uint32_t at = 0, first = 1; sup_sockets_next(sockets, &at, &socket); first = 0) {
        put(text, "%s%s %s", first ? "" : ", ", socket.name, socket.address);
        if (socket.backlog != SUP_SOCKET_BACKLOG) put(text, " backlog %u", socket.backlog);
        if (socket.mode != SUP_NO_ID) put(text, " mode %04o", socket.mode);
        if (socket.uid != SUP_NO_ID) put(text, " user %u", socket.uid);
        if (socket.gid != SUP_NO_ID) put(text, " group %u", socket.gid);
        if (socket.reuse_port) put(text, " reuse_port");
        if (socket.free_bind) put(text, " free_bind");
    }
}

static void put_value(struct text *text, const struct sup_option *option, const void *field)
{
    char buf[32];
    switch (option->type) {
    case SUP_TYPE_BOOL:
        put(text, "%s", *(const bool *) field ? "true" : "false");
        break;
    case SUP_TYPE_COUNT:
        put(text, "%u", *(const uint32_t *) field);
        break;
    case SUP_TYPE_NUMBER:
        put(text, "%.14g", *(const double *) field);
        break;
    case SUP_TYPE_DURATION:
        put_duration(text, *(const int64_t *) field);
        break;
    case SUP_TYPE_SIZE:
        put_size(text, *(const uint64_t *) field);
        break;
    case SUP_TYPE_STRING:
    case SUP_TYPE_PATH:
        put_string(text, *(const char *const *) field);
        break;
    case SUP_TYPE_ENUM:
        put_enum(text, option, field);
        break;
    case SUP_TYPE_NAMES:
        put_names(text, field);
        break;
    case SUP_TYPE_COMMAND:
        put_command(text, field);
        break;
    case SUP_TYPE_CODES:
        put_codes(text, field);
        break;
    case SUP_TYPE_SIGNAL:
        put(text, "%s", sup_signal_name(*(const int32_t *) field, buf, sizeof buf));
        break;
    case SUP_TYPE_DELAY:
        put_delay(text, field);
        break;
    case SUP_TYPE_READY:
        put_ready(text, field);
        break;
    case SUP_TYPE_HEALTH:
        put_health(text, field);
        break;
    case SUP_TYPE_LOG:
        put_log(text, field);
        break;
    case SUP_TYPE_INTEGER:
        if (*(const int32_t *) field != SUP_NO_INTEGER) put(text, "%d", *(const int32_t *) field);
        break;
    case SUP_TYPE_MODE:
        if (*(const uint32_t *) field != SUP_NO_ID) put(text, "%03o", *(const uint32_t *) field);
        break;
    case SUP_TYPE_ID:
        if (*(const uint32_t *) field != SUP_NO_ID) put(text, "%u", *(const uint32_t *) field);
        break;
    case SUP_TYPE_USER:
        put_user(text, field);
        break;
    case SUP_TYPE_IDS:
        put_ids(text, field);
        break;
    case SUP_TYPE_LIMITS:
        put_limits(text, field);
        break;
    case SUP_TYPE_COMMANDS:
        put_commands(text, field);
        break;
    case SUP_TYPE_LADDER:
        put_ladder(text, field);
        break;
    case SUP_TYPE_CGROUP:
        put_cgroup(text, field);
        break;
    case SUP_TYPE_SOCKETS:
        put_sockets(text, field);
        break;
    case SUP_TYPE_ENV: /* one by one: their values may be secrets */
    case SUP_TYPE_ENV_FILE:
    case SUP_TYPE_BYTES:
    case SUP_TYPE_COUNT_OF:
        break;
    }
}

char *sup_option_text(const struct sup_option *option, const struct sup_spec *spec, char *buf,
                      size_t size)
{
    struct text text = {.buf = buf, .size = size};
    buf[0] = '\0';
    if (option->id == SUP_OPTION_INTENSITY && !spec->has_intensity) return buf;
    if (option->id == SUP_OPTION_NO_NEW_PRIVS && !spec->has_no_new_privs) return buf;
    put_value(&text, option, (const char *) spec + option->offset);
    end(&text);
    return buf;
}

char *sup_ready_text(const struct sup_ready *ready, char *buf, size_t size)
{
    struct text text = {.buf = buf, .size = size};
    buf[0] = '\0';
    put_condition(&text, ready);
    end(&text);
    return buf;
}
