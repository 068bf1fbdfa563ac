/*
** core/spec.c: the defaults of a spec, and reading its small parts.
*/
#include "core/spec.h"

#include "core/options.h"

#include <signal.h>
#include <string.h>

#define NAME_MAX_BYTES 128

/* The same values stand as text in the table of options; a test holds both against each other. */
static const struct sup_spec default_spec = {
    .strategy = SUP_ONE_FOR_ONE,
    .failure_threshold = 5,
    .failure_decay_ns = 30 * SUP_SECOND_NS,
    .failure_backoff_ns = 15 * SUP_SECOND_NS,
    .on_threshold = SUP_ON_PAUSE,
    .period_ns = 5 * SUP_SECOND_NS,
    .stop_order = SUP_STOP_TOGETHER,
    .auto_shutdown = SUP_SHUTDOWN_NEVER,
    .propagate_termination = true,
    .restart = SUP_PERMANENT,
    .timeout_ns = 10 * SUP_SECOND_NS,
    .kill_timeout_ns = 10 * SUP_SECOND_NS,
    .restart_delay = {.factor = 1, .reset_after_ns = 60 * SUP_SECOND_NS},
    .enabled = true,
    .start_timeout_ns = 60 * SUP_SECOND_NS,
    .ready = {.kind = SUP_READY_AT_LAUNCH},
    .on_stuck = SUP_STUCK_WAIT,
    .remain = true,
    .inherit_env = true,
    .stop_signal = SIGTERM,
    .log = {.mode = SUP_LOG_MODE_VIEW, .max_files = SUP_LOG_FILES_DEFAULT},
    .success_exit = {.bits = {1}},
    .user = {.uid = SUP_NO_ID, .gid = SUP_NO_ID, .name = "", .home = "", .shell = ""},
    .group = SUP_NO_ID,
    .control_group = SUP_NO_ID,
    .umask = SUP_NO_ID,
    .nice = SUP_NO_INTEGER,
    .oom_score = SUP_NO_INTEGER,
    .memory = UINT64_C(64) << 20,
};

void sup_spec_defaults(struct sup_spec *spec, enum sup_kind kind)
{
    *spec = default_spec;
    spec->kind = kind;
}

const char *sup_strings_next(const char *text)
{
    return text + strlen(text) + 1;
}

bool sup_codes_has(const struct sup_codes *codes, int code)
{
    if (code < 0 || code > 255) return false;
    return (codes->bits[code / 64] >> (code % 64) & 1) != 0;
}

bool sup_ladder_step(const struct sup_bytes *stop, uint32_t step, int32_t *signal,
                     int64_t *after_ns)
{
    *after_ns = 0;
    if (step >= stop->size / SUP_LADDER_BYTES) return false;
    for (uint32_t i = 0; i < step; i++) {
        int64_t ns;
        memcpy(&ns, stop->data + i * SUP_LADDER_BYTES + 1, sizeof ns);
        *after_ns += ns;
    }
    *signal = stop->data[step * SUP_LADDER_BYTES];
    return true;
}

bool sup_strings_equal(const struct sup_strings *a, const struct sup_strings *b)
{
    if (a->count != b->count) return false;
    const char *one = a->first;
    const char *other = b->first;
    for (uint32_t i = 0; i < a->count; i++) {
        if (strcmp(one, other) != 0) return false;
        one = sup_strings_next(one);
        other = sup_strings_next(other);
    }
    return true;
}

bool sup_commands_next(const struct sup_bytes *commands, uint32_t *at, struct sup_strings *argv,
                       int64_t *timeout_ns)
{
    const unsigned char *bytes = commands->data + *at;
    if (*at >= commands->size) return false;
    memcpy(timeout_ns, bytes, sizeof *timeout_ns);
    memcpy(&argv->count, bytes + sizeof *timeout_ns, sizeof argv->count);
    argv->first = (const char *) bytes + SUP_COMMAND_HEAD;
    const char *end = argv->first;
    for (uint32_t i = 0; i < argv->count; i++) end = sup_strings_next(end);
    *at += (uint32_t) (end - (const char *) bytes);
    return true;
}

int64_t sup_spec_one_before_ns(const struct sup_spec *spec, int64_t timeout_ns)
{
    return timeout_ns > 0 ? timeout_ns : spec->start_timeout_ns;
}

int64_t sup_spec_before_ns(const struct sup_spec *spec)
{
    struct sup_strings argv;
    uint32_t at = 0;
    int64_t ns, sum = 0;
    while (sup_commands_next(&spec->before, &at, &argv, &ns)) {
        ns = sup_spec_one_before_ns(spec, ns);
        sum = ns > SUP_INFINITY_NS - sum ? SUP_INFINITY_NS : sum + ns;
    }
    return sum;
}

int64_t sup_spec_after_exit_ns(const struct sup_spec *spec)
{
    struct sup_strings argv;
    uint32_t at = 0;
    int64_t ns;
    if (!sup_commands_next(&spec->after_exit, &at, &argv, &ns)) return 0;
    return ns > 0 ? ns : SUP_AFTER_EXIT_NS;
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '@' || c == '-';
}

bool sup_name_is_valid(const char *name)
{
    size_t length = 0;
    for (; name[length] != '\0'; length++)
        if (length == NAME_MAX_BYTES || !is_name_byte(name[length])) return false;
    return length > 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}
