/*
** core/option_decode.c: encoded values: checking them against their row and storing them in a spec.
** Reads hostile bytes: nothing is believed about their size or contents.
*/
#include "core/options.h"

#include "base/calendar.h"
#include "core/cgroup.h"
#include "core/ready.h"
#include "core/socket.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MAX_STEPS 16u
#define MAX_GROUPS 65536 /* NGROUPS_MAX of Linux */
#define HINT_BROKEN "Compile the configuration again."
#define SUP_NAME_ROOM 130
#define LOG_DETAILS 27

struct value {
    const struct sup_option *option;
    const unsigned char *data;
    size_t size;
    struct sup_spec *spec;
    void *field; /* of the spec */
    struct sup_err *err;
};

int sup_option_refuse_broken(struct sup_err *err)
{
    return sup_err_set(err, -EINVAL, "", HINT_BROKEN, "the encoded value is broken");
}

static int refuse_broken(const struct value *v)
{
    return sup_option_refuse_broken(v->err);
}

static int store_bytes(const struct value *v)
{
    *(struct sup_bytes *) v->field = (struct sup_bytes){v->data, (uint32_t) v->size};
    return 0;
}

static bool flag_is_set(const struct value *v, unsigned flag)
{
    return (v->option->flags & flag) != 0;
}

/* Bounded by a first NUL at the very end. */
static bool is_text(const unsigned char *data, size_t size)
{
    return size > 0 && memchr(data, 0, size) == data + size - 1;
}

static int decode_bool(const struct value *v)
{
    if (v->size != 1 || v->data[0] > 1) return refuse_broken(v);
    *(bool *) v->field = v->data[0] == 1;
    if (v->option->id == SUP_OPTION_NO_NEW_PRIVS) v->spec->has_no_new_privs = true;
    if (v->option->id == SUP_OPTION_REMAIN) v->spec->role = SUP_ROLE_ONESHOT;
    return 0;
}

static int refuse_range(const struct value *v, double number, const char *what)
{
    return sup_err_set(v->err, -EINVAL, "", "", "is %.15g; must be a %s from %.15g to %.15g",
                       number, what, v->option->min, v->option->max);
}

static int decode_count(const struct value *v)
{
    uint32_t number;
    if (v->size != sizeof number) return refuse_broken(v);
    memcpy(&number, v->data, sizeof number);
    if (number < v->option->min || number > v->option->max)
        return refuse_range(v, number, "whole number");
    *(uint32_t *) v->field = number;
    if (v->option->id == SUP_OPTION_INTENSITY) v->spec->has_intensity = true;
    return 0;
}

static int decode_number(const struct value *v)
{
    double number;
    if (v->size != sizeof number) return refuse_broken(v);
    memcpy(&number, v->data, sizeof number);
    if (!(number >= v->option->min && number <= v->option->max))
        return refuse_range(v, number, "number");
    *(double *) v->field = number == 0 ? 0 : number; /* no -0 */
    return 0;
}

/* What is wrong with a duration, or NULL. */
static int decode_duration(const struct value *v)
{
    int64_t ns;
    if (v->size != sizeof ns) return refuse_broken(v);
    memcpy(&ns, v->data, sizeof ns);
    bool may_be_infinite = flag_is_set(v, SUP_OPT_INFINITY);
    const char *fault = sup_duration_fault(ns, may_be_infinite, flag_is_set(v, SUP_OPT_POSITIVE));
    if (fault != NULL)
        return sup_err_set(v->err, -EINVAL, "",
                           may_be_infinite
                               ? "Write seconds as a number, \"1m30s\", or \"infinity\"."
                               : "Write seconds as a number, or a text such as \"1m30s\".",
                           "%s", fault);
    if (v->option->id == SUP_OPTION_EVERY) {
        if (ns < SUP_EVERY_MIN_NS)
            return sup_err_set(v->err, -EINVAL, "", "Write \"10ms\" or more.", "is too often");
        v->spec->role = SUP_ROLE_TIMER;
    }
    *(int64_t *) v->field = ns;
    return 0;
}

static int decode_size(const struct value *v)
{
    uint64_t bytes;
    if (v->size != sizeof bytes) return refuse_broken(v);
    memcpy(&bytes, v->data, sizeof bytes);
    if (bytes > INT64_MAX || (bytes == 0 && flag_is_set(v, SUP_OPT_POSITIVE)))
        return sup_err_set(v->err, -EINVAL, "", "Write bytes as a number, or \"64MiB\".",
                           bytes == 0 ? "must be greater than 0" : "is too large");
    *(uint64_t *) v->field = bytes;
    return 0;
}

static int decode_string(const struct value *v)
{
    if (!is_text(v->data, v->size)) return refuse_broken(v);
    const char *text = (const char *) v->data;
    if (v->option->id == SUP_OPTION_FORMERLY && !sup_name_is_valid(text))
        return sup_err_set(v->err, -EINVAL, "", "", "\"%.40s\" is not a name of a node", text);
    if (v->option->id == SUP_OPTION_AT) {
        struct sup_calendar calendar;
        const char *fault = sup_calendar_parse(text, &calendar);
        if (fault != NULL)
            return sup_err_set(v->err, -EINVAL, "",
                               "Write \"30 3 * * *\" (minute, hour, day, month, day of the week).",
                               "\"%.60s\": %s", text, fault);
        v->spec->role = SUP_ROLE_TIMER;
    }
    *(const char **) v->field = text;
    return 0;
}

static int decode_path(const struct value *v)
{
    if (!is_text(v->data, v->size)) return refuse_broken(v);
    const char *text = (const char *) v->data;
    if (text[0] != '/')
        return sup_err_set(v->err, -EINVAL, "", HINT_BROKEN, "\"%.200s\" is not an absolute path",
                           text);
    *(const char **) v->field = text;
    return 0;
}

static int decode_enum(const struct value *v)
{
    int count = 0;
    while (v->option->allowed[count] != NULL) count++;
    if (v->size != 1) return refuse_broken(v);
    int number = v->data[0];
    if (number >= count)
        return sup_err_set(v->err, -EINVAL, "", HINT_BROKEN, "%d is none of its %d values", number,
                           count);
    memcpy(v->field, &number, sizeof number);
    return 0;
}

_Static_assert(sizeof(enum sup_strategy) == sizeof(int), "enums are stored as int");

/*
** Count the strings in the value, each checked by ${find_fault}, which returns what is wrong or
** NULL. -EINVAL with the error filled.
*/
static int decode_strings(const struct value *v, const char *(*find_fault)(const char *text))
{
    struct sup_strings strings = {v->size > 0 ? (const char *) v->data : NULL, 0};
    const unsigned char *at = v->data;
    const unsigned char *end = v->data + v->size;
    while (at < end) {
        const unsigned char *nul = memchr(at, 0, (size_t) (end - at));
        if (nul == NULL || strings.count == UINT32_MAX) return refuse_broken(v);
        const char *fault = find_fault == NULL ? NULL : find_fault((const char *) at);
        if (fault != NULL)
            return sup_err_set(v->err, -EINVAL, "", "", "\"%.60s\" %s", (const char *) at, fault);
        strings.count++;
        at = nul + 1;
    }
    *(struct sup_strings *) v->field = strings;
    return 0;
}

static const char *find_name_fault(const char *text)
{
    return sup_name_is_valid(text) ? NULL : "is not a name of a node";
}

static int decode_names(const struct value *v)
{
    return decode_strings(v, find_name_fault);
}

static int decode_command(const struct value *v)
{
    if (v->size == 0 || v->data[0] == '\0')
        return sup_err_set(v->err, -EINVAL, "",
                           "Write { \"program\", \"argument\" } or a line "
                           "for the shell.",
                           "is empty");
    return decode_strings(v, NULL);
}

static const char *find_env_fault(const char *text)
{
    const char *equals = strchr(text, '=');
    return equals != NULL && equals != text ? NULL : "is not NAME=VALUE";
}

static int decode_env(const struct value *v)
{
    return decode_strings(v, find_env_fault);
}

static int decode_env_file(const struct value *v)
{
    return sup_err_set(v->err, -EINVAL, "", HINT_BROKEN,
                       "cannot stand in a compiled configuration; its lines stand in env");
}

static int decode_codes(const struct value *v)
{
    struct sup_codes codes = {{0}};
    for (size_t i = 0; i < v->size; i++) {
        if (i > 0 && v->data[i] <= v->data[i - 1]) return refuse_broken(v);
        codes.bits[v->data[i] / 64] |= UINT64_C(1) << (v->data[i] % 64);
    }
    *(struct sup_codes *) v->field = codes;
    return 0;
}

static int decode_signal(const struct value *v)
{
    if (v->size != 1) return refuse_broken(v);
    int number = v->data[0];
    if (number < 1 || number > SIGRTMAX)
        return sup_err_set(v->err, -EINVAL, "", "Write a name such as \"TERM\", or a number.",
                           "%d is not a signal; they go from 1 to %d", number, SIGRTMAX);
    *(int32_t *) v->field = number;
    return 0;
}

static int refuse_delay(const struct value *v, const char *part, const char *fault)
{
    return sup_err_set(v->err, -EINVAL, "",
                       "Write a duration, or { initial = \"1s\", max = \"60s\", factor = 2 }.",
                       "its %s %s", part, fault);
}

static int decode_delay(const struct value *v)
{
    struct sup_delay delay;
    const char *fault;
    if (v->size != 40) return refuse_broken(v);
    memcpy(&delay.initial_ns, v->data, 8);
    memcpy(&delay.max_ns, v->data + 8, 8);
    memcpy(&delay.factor, v->data + 16, 8);
    memcpy(&delay.jitter, v->data + 24, 8);
    memcpy(&delay.reset_after_ns, v->data + 32, 8);
    if ((fault = sup_duration_fault(delay.initial_ns, false, false)) != NULL)
        return refuse_delay(v, "initial", fault);
    if ((fault = sup_duration_fault(delay.max_ns, false, false)) != NULL)
        return refuse_delay(v, "max", fault);
    if (delay.max_ns < delay.initial_ns) return refuse_delay(v, "max", "is less than its initial");
    if (!(delay.factor >= 1 && delay.factor <= 1e6))
        return refuse_delay(v, "factor", "must be a number from 1 to 1000000");
    if (!(delay.jitter >= 0 && delay.jitter <= 1))
        return refuse_delay(v, "jitter", "must be a fraction from 0 to 1");
    if ((fault = sup_duration_fault(delay.reset_after_ns, true, false)) != NULL)
        return refuse_delay(v, "reset_after", fault);
    *(struct sup_delay *) v->field = delay;
    return 0;
}

static int decode_ready(const struct value *v)
{
    return sup_ready_decode(v->data, v->size, v->field, v->err);
}

static int decode_health(const struct value *v)
{
    return sup_health_decode(v->data, v->size, v->field, v->err);
}

static int refuse_log(const struct value *v, const char *part, const char *fault)
{
    return sup_err_set(v->err, -EINVAL, "",
                       "Write { file = \"logs/web.log\", max_size = \"10MiB\", max_files = 5 }.",
                       "its %s %s", part, fault);
}

/* What is said of a log beyond its file, LOG_DETAILS bytes. */
static int decode_log_details(const struct value *v, const unsigned char *data, struct sup_log *log)
{
    if (data[0] > SUP_TIMESTAMPS_TAI64N || data[1] > SUP_LOG_JSON || data[26] > 1)
        return refuse_broken(v);
    log->reads = data[26] == 1;
    log->timestamps = (enum sup_log_timestamps) data[0];
    log->form = (enum sup_log_form) data[1];
    memcpy(&log->max_files, data + 2, 4);
    memcpy(&log->max_size, data + 6, 8);
    memcpy(&log->max_age_ns, data + 14, 8);
    memcpy(&log->buffer, data + 22, 4);
    const char *fault = sup_duration_fault(log->max_age_ns, false, false);
    if (fault != NULL) return refuse_log(v, "max_age", fault);
    if (log->max_age_ns > 0 && log->max_age_ns < SUP_LOG_AGE_MIN_NS)
        return refuse_log(v, "max_age", "must be a second at least");
    if (log->max_size > 0 && (log->max_size < SUP_LOG_SIZE_MIN || log->max_size > INT64_MAX))
        return refuse_log(v, "max_size", "must be \"4KiB\" at least");
    if (log->max_files > SUP_LOG_FILES_MAX)
        return refuse_log(v, "max_files", "must be a whole number from 0 to 10000");
    if (log->buffer > 0 && (log->buffer < SUP_LOG_BUFFER_MIN || log->buffer > SUP_LOG_BUFFER_MAX))
        return refuse_log(v, "buffer", "must be from \"4KiB\" to \"16MiB\"");
    return 0;
}

/* Names of nodes with slashes between. */
static bool is_node_path(const char *text)
{
    char name[SUP_NAME_ROOM];
    for (;; text++) {
        size_t length = strcspn(text, "/");
        if (length >= sizeof name) return false;
        memcpy(name, text, length);
        name[length] = '\0';
        if (!sup_name_is_valid(name)) return false;
        text += length;
        if (*text == '\0') return true;
    }
}

static int decode_log(const struct value *v)
{
    struct sup_log log = {.max_files = SUP_LOG_FILES_DEFAULT};
    if (v->size < 2 || v->data[0] > SUP_LOG_MODE_TO) return refuse_broken(v);
    const char *text = (const char *) v->data + 1;
    const char *end = memchr(text, '\0', v->size - 1);
    log.mode = (enum sup_log_mode) v->data[0];
    bool has_file = log.mode == SUP_LOG_MODE_FILE;
    bool has_reader = log.mode == SUP_LOG_MODE_TO;
    if (end == NULL || (text[0] != '\0') != (has_file || has_reader)) return refuse_broken(v);
    if (has_reader && !is_node_path(text))
        return sup_err_set(v->err, -EINVAL, "",
                           "Write the name of a sibling, or a path such as \"loggers/web\".",
                           "its to, \"%.100s\", is not the name of a service", text);
    if (has_file && text[0] != '/')
        return sup_err_set(v->err, -EINVAL, "", HINT_BROKEN,
                           "its file \"%.200s\" is not an absolute path", text);
    size_t rest = v->size - 1 - (size_t) (end + 1 - text);
    if (rest != 0 && rest != LOG_DETAILS) return refuse_broken(v);
    int r = rest == 0 ? 0 : decode_log_details(v, (const unsigned char *) end + 1, &log);
    if (r < 0) return r;
    if (has_file) log.file = text;
    if (has_reader) log.to = text;
    *(struct sup_log *) v->field = log;
    return 0;
}

static int decode_integer(const struct value *v)
{
    int32_t number;
    if (v->size != sizeof number) return refuse_broken(v);
    memcpy(&number, v->data, sizeof number);
    if (number < v->option->min || number > v->option->max)
        return refuse_range(v, number, "whole number");
    *(int32_t *) v->field = number;
    return 0;
}

static int decode_mode(const struct value *v)
{
    uint32_t mode;
    if (v->size != sizeof mode) return refuse_broken(v);
    memcpy(&mode, v->data, sizeof mode);
    if (mode > 0777)
        return sup_err_set(v->err, -EINVAL, "", "Write an octal text such as \"027\".",
                           "is more than 777");
    *(uint32_t *) v->field = mode;
    return 0;
}

static int decode_id(const struct value *v)
{
    uint32_t id;
    if (v->size != sizeof id) return refuse_broken(v);
    memcpy(&id, v->data, sizeof id);
    if (id == SUP_NO_ID) return refuse_broken(v);
    *(uint32_t *) v->field = id;
    return 0;
}

/* Are these groups: whole numbers, none of them SUP_NO_ID, no more than the kernel takes? */
static bool are_groups(const unsigned char *data, size_t size)
{
    if (size % 4 != 0 || size / 4 > MAX_GROUPS) return false;
    for (size_t i = 0; i < size; i += 4) {
        uint32_t id;
        memcpy(&id, data + i, sizeof id);
        if (id == SUP_NO_ID) return false;
    }
    return true;
}

static int decode_ids(const struct value *v)
{
    if (!are_groups(v->data, v->size)) return refuse_broken(v);
    return store_bytes(v);
}

static int decode_user(const struct value *v)
{
    uint32_t head[3];
    struct sup_user user;
    if (v->size < sizeof head) return refuse_broken(v);
    memcpy(head, v->data, sizeof head);
    size_t room = v->size - sizeof head;
    if (head[0] == SUP_NO_ID || head[1] == SUP_NO_ID || head[2] > room / 4 ||
        !are_groups(v->data + sizeof head, head[2] * (size_t) 4))
        return refuse_broken(v);
    user.uid = head[0];
    user.gid = head[1];
    user.groups = (struct sup_bytes){v->data + sizeof head, head[2] * 4};
    const char *texts[3];
    const unsigned char *at = user.groups.data + user.groups.size;
    const unsigned char *end = v->data + v->size;
    for (int i = 0; i < 3; i++) {
        const unsigned char *nul = at < end ? memchr(at, 0, (size_t) (end - at)) : NULL;
        if (nul == NULL) return refuse_broken(v);
        texts[i] = (const char *) at;
        at = nul + 1;
    }
    if (at != end) return refuse_broken(v);
    user.name = texts[0];
    user.home = texts[1];
    user.shell = texts[2];
    *(struct sup_user *) v->field = user;
    return 0;
}

static int decode_limits(const struct value *v)
{
    uint32_t former = 0;
    if (v->size % SUP_LIMIT_BYTES != 0) return refuse_broken(v);
    for (size_t i = 0; i < v->size; i += SUP_LIMIT_BYTES) {
        uint32_t resource;
        uint64_t soft, hard;
        memcpy(&resource, v->data + i, sizeof resource);
        memcpy(&soft, v->data + i + 4, sizeof soft);
        memcpy(&hard, v->data + i + 12, sizeof hard);
        if (sup_limit_name(resource)[0] == '?' || (i > 0 && resource <= former))
            return refuse_broken(v);
        if (soft > hard)
            return sup_err_set(v->err, -EINVAL, "", "Write { soft, hard }, soft <= hard.",
                               "has a soft limit above its hard one");
        former = resource;
    }
    return store_bytes(v);
}

static int decode_cgroup(const struct value *v)
{
    int former = -1;
    if (v->size == 0 || v->size % SUP_CGROUP_BYTES != 0) return refuse_broken(v);
    for (size_t i = 0; i < v->size; i += SUP_CGROUP_BYTES) {
        uint64_t value;
        unsigned item = v->data[i];
        memcpy(&value, v->data + i + 1, sizeof value);
        if (item >= SUP_CGROUP_ITEMS || (int) item <= former) return refuse_broken(v);
        const char *fault = sup_cgroup_fault(item, value);
        if (fault != NULL)
            return sup_err_set(v->err, -EINVAL, "", sup_cgroup_hint(item), "its %s %s",
                               sup_cgroup_name(item), fault);
        former = (int) item;
    }
    return store_bytes(v);
}

/* One command of a list. Returns its bytes; 0: it is broken. */
static size_t measure_command(const unsigned char *data, size_t size)
{
    uint32_t count;
    size_t at = SUP_COMMAND_HEAD;
    if (size <= at || data[at] == '\0') return 0;
    memcpy(&count, data + sizeof(int64_t), sizeof count);
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *nul = at < size ? memchr(data + at, 0, size - at) : NULL;
        if (nul == NULL) return 0;
        at = (size_t) (nul - data) + 1;
    }
    return count == 0 ? 0 : at;
}

static int decode_commands(const struct value *v)
{
    size_t count = 0;
    for (size_t at = 0; at < v->size; count++) {
        int64_t ns;
        size_t size = measure_command(v->data + at, v->size - at);
        if (size == 0) return refuse_broken(v);
        memcpy(&ns, v->data + at, sizeof ns);
        const char *fault = ns == 0 ? NULL : sup_duration_fault(ns, true, true);
        if (fault != NULL) return sup_err_set(v->err, -EINVAL, "", "", "a timeout of it %s", fault);
        at += size;
    }
    if (v->size > UINT32_MAX || (double) count < v->option->min) return refuse_broken(v);
    if ((double) count > v->option->max)
        return sup_err_set(v->err, -EINVAL, "", "Put them into one script.",
                           "has %zu commands; at most %.0f are possible", count, v->option->max);
    return store_bytes(v);
}

static int decode_ladder(const struct value *v)
{
    int64_t sum = 0;
    if (v->size == 0 || v->size % SUP_LADDER_BYTES != 0 || v->size > MAX_STEPS * SUP_LADDER_BYTES)
        return refuse_broken(v);
    for (size_t i = 0; i < v->size; i += SUP_LADDER_BYTES) {
        int64_t ns;
        memcpy(&ns, v->data + i + 1, sizeof ns);
        bool is_last = i + SUP_LADDER_BYTES == v->size;
        const char *fault = sup_duration_fault(ns, is_last, true);
        if (fault != NULL)
            return sup_err_set(v->err, -EINVAL, "", "Only the last step may be \"infinity\".",
                               "a time of it %s", fault);
        if (v->data[i] < 1 || v->data[i] > SIGRTMAX) return refuse_broken(v);
        sum = ns == SUP_INFINITY_NS ? ns : sum + ns;
    }
    if (sum > SUP_DURATION_MAX_NS && sum != SUP_INFINITY_NS)
        return sup_err_set(v->err, -EINVAL, "", "", "is longer than 100 years");
    return store_bytes(v);
}

static int decode_sockets(const struct value *v)
{
    int r = sup_sockets_check(v->data, v->size, v->err);
    return r < 0 ? r : store_bytes(v);
}

static int decode_bytes(const struct value *v)
{
    if (v->size > UINT32_MAX) return refuse_broken(v);
    if (v->size == 0 && flag_is_set(v, SUP_OPT_REQUIRED))
        return sup_err_set(v->err, -EINVAL, "", HINT_BROKEN, "is empty");
    return store_bytes(v);
}

int sup_option_decode(const struct sup_option *option, const unsigned char *data, size_t size,
                      struct sup_spec *spec, struct sup_err *err)
{
    static int (*const decoders[SUP_TYPE_COUNT_OF])(const struct value *) = {
        [SUP_TYPE_BOOL] = decode_bool,         [SUP_TYPE_COUNT] = decode_count,
        [SUP_TYPE_NUMBER] = decode_number,     [SUP_TYPE_DURATION] = decode_duration,
        [SUP_TYPE_SIZE] = decode_size,         [SUP_TYPE_STRING] = decode_string,
        [SUP_TYPE_PATH] = decode_path,         [SUP_TYPE_ENUM] = decode_enum,
        [SUP_TYPE_NAMES] = decode_names,       [SUP_TYPE_COMMAND] = decode_command,
        [SUP_TYPE_ENV] = decode_env,           [SUP_TYPE_ENV_FILE] = decode_env_file,
        [SUP_TYPE_CODES] = decode_codes,       [SUP_TYPE_SIGNAL] = decode_signal,
        [SUP_TYPE_DELAY] = decode_delay,       [SUP_TYPE_READY] = decode_ready,
        [SUP_TYPE_LOG] = decode_log,           [SUP_TYPE_BYTES] = decode_bytes,
        [SUP_TYPE_INTEGER] = decode_integer,   [SUP_TYPE_MODE] = decode_mode,
        [SUP_TYPE_USER] = decode_user,         [SUP_TYPE_ID] = decode_id,
        [SUP_TYPE_IDS] = decode_ids,           [SUP_TYPE_LIMITS] = decode_limits,
        [SUP_TYPE_LADDER] = decode_ladder,     [SUP_TYPE_CGROUP] = decode_cgroup,
        [SUP_TYPE_HEALTH] = decode_health,     [SUP_TYPE_SOCKETS] = decode_sockets,
        [SUP_TYPE_COMMANDS] = decode_commands,
    };
    static const unsigned char nothing[1];
    struct value v = {
        .option = option,
        .data = size > 0 ? data : nothing,
        .size = size,
        .spec = spec,
        .field = (char *) spec + option->offset,
        .err = err,
    };
    return decoders[option->type](&v);
}
