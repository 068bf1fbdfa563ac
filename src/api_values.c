/*
** api_values.c: one option's value, as a person would write it, as it stands in a blob. It knows
** types, not what an option means.
*/
#include "api_options.h"
#include "core/socket.h"

#include "core/cgroup.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- plain values ----------------------------------------------------------------------------- */

/* Whatever the locale of the program. No "infinity", "nan" or "0x1p3". */
static bool parse_number(const char *text, double *number)
{
    char *end = (char *) text;
    if (text[strspn(text, "0123456789.eE+-")] != '\0') return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t) 0);
    if (plain == (locale_t) 0) return false;
    *number = strtod_l(text, &end, plain);
    freelocale(plain);
    return end != text && *end == '\0';
}

static bool parse_time(const char *text, int64_t *ns)
{
    double seconds;
    if (parse_number(text, &seconds)) return sup_seconds_to_ns(seconds, ns);
    return sup_parse_duration(text, ns);
}

static size_t put(unsigned char *out, const void *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return size;
}

/* Words that spaces part, each with NUL. */
static size_t put_words(unsigned char *out, const char *text)
{
    size_t size = 0;
    while (*text != '\0' && size < SUP_VALUE_SIZE - 1) {
        size_t length = strcspn(text, " ");
        if (length > SUP_VALUE_SIZE - 1 - size) length = SUP_VALUE_SIZE - 1 - size;
        memcpy(out + size, text, length);
        size += length;
        if (length > 0) out[size++] = '\0';
        text += length + strspn(text + length, " ");
    }
    return size;
}

static int put_codes(unsigned char *out, const char *text, size_t *size)
{
    bool wanted[256] = {false};
    while (*text != '\0') {
        char *end;
        long code = strtol(text, &end, 10);
        if (end == text || code < 0 || code > 255) return -EINVAL;
        wanted[code] = true;
        text = end + strspn(end, " ");
    }
    *size = 0;
    for (int code = 0; code < 256; code++)
        if (wanted[code]) out[(*size)++] = (unsigned char) code;
    return 0;
}

static int put_enum(unsigned char *out, const struct sup_option *option, const char *text)
{
    for (unsigned char i = 0; option->allowed != NULL && option->allowed[i] != NULL; i++) {
        if (strcmp(option->allowed[i], text) != 0) continue;
        *out = i;
        return 0;
    }
    return -EINVAL;
}

/* --- before, after_exit ----------------------------------------------------------------------- */

/* A line for the shell, in the usual time. */
static size_t put_shell_command(unsigned char *out, const char *text)
{
    static const char shell[] = "/bin/sh\0-c";
    const int64_t usual_ns = 0;
    const uint32_t words = 3;
    size_t length = strnlen(text, SUP_VALUE_SIZE - SUP_COMMAND_HEAD - sizeof shell - 1);
    size_t size = put(out, &usual_ns, sizeof usual_ns);
    size += put(out + size, &words, sizeof words);
    size += put(out + size, shell, sizeof shell);
    size += put(out + size, text, length);
    out[size] = '\0';
    return size + 1;
}

/* --- restart_delay ---------------------------------------------------------------------------- */

struct delay {
    int64_t initial_ns, max_ns, reset_ns;
    double factor, jitter;
};

static size_t put_delay(unsigned char *out, const struct delay *delay)
{
    size_t size = put(out, &delay->initial_ns, sizeof delay->initial_ns);
    size += put(out + size, &delay->max_ns, sizeof delay->max_ns);
    size += put(out + size, &delay->factor, sizeof delay->factor);
    size += put(out + size, &delay->jitter, sizeof delay->jitter);
    return size + put(out + size, &delay->reset_ns, sizeof delay->reset_ns);
}

static bool set_delay_field(struct delay *delay, const char *name, size_t name_size,
                            const char *value)
{
    const struct {
        const char *name;
        int64_t *ns;
        double *number;
    } fields[] = {
        {"factor", NULL, &delay->factor},        {"initial", &delay->initial_ns, NULL},
        {"jitter", NULL, &delay->jitter},        {"max", &delay->max_ns, NULL},
        {"reset_after", &delay->reset_ns, NULL},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strlen(fields[i].name) != name_size || memcmp(fields[i].name, name, name_size) != 0)
            continue;
        return fields[i].ns != NULL ? parse_time(value, fields[i].ns)
                                    : parse_number(value, fields[i].number);
    }
    return false;
}

/* One word "name=value" at ${*text}, which moves behind it. */
static bool read_delay_word(struct delay *delay, const char **text)
{
    char value[64];
    size_t name_size = strcspn(*text, "= "), size;
    const char *at = *text + name_size;
    if (*at != '=') return false;
    size = strcspn(++at, " ");
    if (size >= sizeof value) return false;
    memcpy(value, at, size);
    value[size] = '\0';
    bool good = set_delay_field(delay, *text, name_size, value);
    *text = at + size + strspn(at + size, " ");
    return good;
}

/* A time, which is always the same delay; or "initial=1s max=60s factor=2 jitter=0.1
   reset_after=60s", of which only the first must be there. */
static int encode_delay(unsigned char *out, const char *text, size_t *size)
{
    struct delay delay = {
        .initial_ns = -1, .max_ns = -1, .reset_ns = 60 * SUP_SECOND_NS, .factor = 2, .jitter = 0};
    if (parse_time(text, &delay.initial_ns)) {
        delay.max_ns = delay.initial_ns;
        delay.factor = 1;
    } else {
        text += strspn(text, " ");
        while (*text != '\0')
            if (!read_delay_word(&delay, &text)) return -EINVAL;
        if (delay.initial_ns < 0) return -EINVAL;
        if (delay.max_ns < 0)
            delay.max_ns =
                delay.initial_ns > 60 * SUP_SECOND_NS ? delay.initial_ns : 60 * SUP_SECOND_NS;
    }
    *size = put_delay(out, &delay);
    return 0;
}

/* --- other values of several parts ------------------------------------------------------------ */

/* What a condition is about, behind its word. */
static const struct {
    enum sup_ready_kind kind;
    const char *word; /* with the space behind it, where something follows */
} conditions[] = {
    {SUP_READY_MANUAL, "manual"}, {SUP_READY_NOTIFY, "notify"}, {SUP_READY_FD, "fd "},
    {SUP_READY_TCP, "tcp "},      {SUP_READY_UNIX, "unix "},    {SUP_READY_HTTP, "http "},
    {SUP_READY_EXEC, "exec "},    {SUP_READY_LOG, "log "},
};

/* What follows the text in a blob. */
static size_t put_details(unsigned char *out, enum sup_ready_kind kind, const char *about)
{
    uint32_t number = kind == SUP_READY_FD ? (uint32_t) strtoul(about, NULL, 10) : 0;
    uint16_t status[2] = {0, 0};
    int64_t times[2] = {0, 0};
    if (kind == SUP_READY_HTTP) {
        status[0] = 200;
        status[1] = 399;
    }
    size_t size = put(out, &number, sizeof number);
    size += put(out + size, status, sizeof status);
    size += put(out + size, times, sizeof times);
    if (kind != SUP_READY_EXEC) return size;
    size += put(out + size, "/bin/sh\0-c", sizeof "/bin/sh\0-c");
    return size + put(out + size, about, strnlen(about, PATH_MAX) + 1);
}

/* "fd 3", "tcp 5432", "http http://127.0.0.1/": -EINVAL: it is none of these. */
static int put_condition(unsigned char *out, const char *text, size_t *size)
{
    static const int64_t no_delay = 0;
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        enum sup_ready_kind kind = conditions[i].kind;
        size_t length = strlen(conditions[i].word);
        bool goes_on = conditions[i].word[length - 1] == ' ';
        if (strncmp(text, conditions[i].word, length) != 0 || (text[length] != '\0') != goes_on)
            continue;
        const char *about = text + length;
        bool is_text = goes_on && kind != SUP_READY_FD && kind != SUP_READY_EXEC;
        const char *kept = is_text ? about : "";
        out[0] = (unsigned char) kind;
        memcpy(out + 1, &no_delay, sizeof no_delay);
        *size = 9 + put(out + 9, kept, strnlen(kept, PATH_MAX) + 1);
        if (kind >= SUP_READY_NOTIFY) *size += put_details(out + *size, kind, about);
        return 0;
    }
    return -EINVAL;
}

/* A time after the launch, the path of a file that appears, or another condition by its word. */
static int put_ready(unsigned char *out, const char *text, size_t *size)
{
    int64_t delay_ns = 0;
    const char *file = text[0] == '/' ? text : "";
    if (text[0] == '/') out[0] = SUP_READY_FILE;
    else if (parse_time(text, &delay_ns)) out[0] = SUP_READY_DELAY;
    else return put_condition(out, text, size);
    memcpy(out + 1, &delay_ns, sizeof delay_ns);
    *size = 9 + put(out + 9, file, strnlen(file, PATH_MAX) + 1);
    return 0;
}

/* A word "name=value" of a health, but for its probe. */
static bool read_health_word(const char *name, const char *value, uint32_t *failures,
                             unsigned char *action, int64_t times[3])
{
    static const char *const names[] = {"every", "timeout", "start_after"};
    if (strcmp(name, "failures") == 0) {
        *failures = (uint32_t) strtoul(value, NULL, 10);
        return value[0] != '\0' && value[strspn(value, "0123456789")] == '\0';
    }
    if (strcmp(name, "action") == 0) {
        *action = strcmp(value, "event") == 0;
        return *action != 0 || strcmp(value, "restart") == 0;
    }
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) return parse_time(value, &times[i]);
    return false;
}

/* "every=10s timeout=2s failures=3 action=event start_after=1m probe=tcp 5432": the probe is all
   that follows. */
static int put_health(unsigned char *out, const char *text, size_t *size)
{
    int64_t times[3] = {10 * SUP_SECOND_NS, 2 * SUP_SECOND_NS, 0};
    uint32_t failures = 3;
    unsigned char head[4] = {0};
    char word[64];
    for (text += strspn(text, " "); strncmp(text, "probe=", 6) != 0; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        if (length == 0 || length >= sizeof word) return -EINVAL;
        memcpy(word, text, length);
        word[length] = '\0';
        text += length;
        char *equals = strchr(word, '=');
        if (equals == NULL) return -EINVAL;
        *equals = '\0';
        if (!read_health_word(word, equals + 1, &failures, &head[0], times)) return -EINVAL;
    }
    *size = put(out, &failures, sizeof failures);
    *size += put(out + *size, head, sizeof head);
    *size += put(out + *size, times, sizeof times);
    size_t probe;
    if (put_condition(out + *size, text + 6, &probe) < 0) return -EINVAL;
    *size += probe;
    return 0;
}

/* "none", "inherit", or the path of a file. */
static int put_log(unsigned char *out, const char *text, size_t *size)
{
    const char *file = text[0] == '/' ? text : "";
    if (text[0] == '/') out[0] = SUP_LOG_MODE_FILE;
    else if (strcmp(text, "none") == 0) out[0] = SUP_LOG_MODE_NONE;
    else if (strcmp(text, "inherit") == 0) out[0] = SUP_LOG_MODE_INHERIT;
    else return -EINVAL;
    *size = 1 + put(out + 1, file, strnlen(file, PATH_MAX) + 1);
    return 0;
}

static int put_number(unsigned char *out, enum sup_option_type type, const char *text, size_t *size)
{
    double number;
    uint32_t whole;
    if (!parse_number(text, &number)) return -EINVAL;
    if (type == SUP_TYPE_NUMBER) {
        *size = put(out, &number, sizeof number);
        return 0;
    }
    if (!(number >= 0 && number <= UINT32_MAX)) return -EINVAL;
    whole = (uint32_t) number;
    if ((double) whole < number) return -EINVAL;
    *size = put(out, &whole, sizeof whole);
    return 0;
}

/* Names or numbers with spaces between. */
static int put_groups(unsigned char *out, const char *text, size_t *size)
{
    char name[64];
    *size = 0;
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t length = strcspn(text, " "), one;
        if (length >= sizeof name || *size + sizeof(uint32_t) > SUP_VALUE_SIZE) return -EINVAL;
        memcpy(name, text, length);
        name[length] = '\0';
        if (sup_group_encode(out + *size, name, &one) < 0) return -ENOENT;
        *size += one;
        text += length;
    }
    return 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

static bool parse_limit(const char *text, uint64_t *limit)
{
    *limit = UINT64_MAX;
    return strcmp(text, "unlimited") == 0 || strcmp(text, "infinity") == 0 ||
           sup_parse_size(text, limit);
}

/* "soft:hard", or one for both. */
static bool parse_limits(char *text, uint64_t *soft, uint64_t *hard)
{
    char *colon = strchr(text, ':');
    if (colon != NULL) *colon = '\0';
    if (!parse_limit(text, soft)) return false;
    *hard = *soft;
    return colon == NULL || parse_limit(colon + 1, hard);
}

struct limit {
    uint32_t resource;
    uint64_t soft, hard;
};

static int compare_limits(const void *a, const void *b)
{
    uint32_t one = ((const struct limit *) a)->resource,
             other = ((const struct limit *) b)->resource;
    return (one > other) - (one < other);
}

/* Words "nofile=65536" or "stack=8MiB:unlimited". */
static int encode_limits(unsigned char *out, const char *text, size_t *size)
{
    struct limit limits[32];
    size_t count = 0;
    char word[128];
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        if (length >= sizeof word || count == sizeof limits / sizeof *limits) return -EINVAL;
        memcpy(word, text, length);
        word[length] = '\0';
        text += length;
        char *equals = strchr(word, '=');
        if (equals == NULL) return -EINVAL;
        *equals = '\0';
        int resource = sup_limit_number(word);
        struct limit *limit = &limits[count++];
        if (resource < 0 || !parse_limits(equals + 1, &limit->soft, &limit->hard)) return -EINVAL;
        limit->resource = (uint32_t) resource;
    }
    qsort(limits, count, sizeof *limits, compare_limits);
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        *size += put(out + *size, &limits[i].resource, sizeof limits[i].resource);
        *size += put(out + *size, &limits[i].soft, sizeof limits[i].soft);
        *size += put(out + *size, &limits[i].hard, sizeof limits[i].hard);
    }
    return 0;
}

/* --- cgroup ----------------------------------------------------------------------------------- */

/* Words "memory_max=64MiB" or "cpu_max=50%". */
static int encode_cgroup(unsigned char *out, const char *text, size_t *size)
{
    uint64_t values[SUP_CGROUP_ITEMS];
    bool is_said[SUP_CGROUP_ITEMS] = {false};
    char word[128];
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        if (length >= sizeof word) return -EINVAL;
        memcpy(word, text, length);
        word[length] = '\0';
        text += length;
        char *equals = strchr(word, '=');
        if (equals == NULL) return -EINVAL;
        *equals = '\0';
        int item = sup_cgroup_number(word);
        if (item < 0 || !sup_cgroup_parse((unsigned) item, equals + 1, &values[item]))
            return -EINVAL;
        is_said[item] = item != SUP_CGROUP_REQUIRED || values[item] == 1;
    }
    *size = 0;
    for (unsigned char item = 0; item < SUP_CGROUP_ITEMS; item++) {
        if (!is_said[item]) continue;
        out[(*size)++] = item;
        *size += put(out + *size, &values[item], sizeof values[item]);
    }
    return *size > 0 ? 0 : -EINVAL;
}

/* --- any value -------------------------------------------------------------------------------- */

static const char *encode_duration(const char *text, unsigned char *out, size_t *size)
{
    int64_t ns;
    if (!parse_time(text, &ns)) return "a time such as \"10s\"";
    *size = put(out, &ns, sizeof ns);
    return NULL;
}

static const char *encode_size(const char *text, unsigned char *out, size_t *size)
{
    uint64_t bytes;
    if (!sup_parse_size(text, &bytes)) return "a size such as \"64MiB\"";
    *size = put(out, &bytes, sizeof bytes);
    return NULL;
}

static const char *encode_signal(const char *text, unsigned char *out, size_t *size)
{
    int32_t number;
    if (!sup_parse_signal(text, &number)) return "a signal such as \"TERM\"";
    out[0] = (unsigned char) number;
    *size = 1;
    return NULL;
}

static const char *encode_integer(const char *text, unsigned char *out, size_t *size)
{
    double number;
    if (!parse_number(text, &number) || !(number >= INT32_MIN && number <= INT32_MAX) ||
        (double) (int32_t) number < number || (double) (int32_t) number > number)
        return "a whole number";
    int32_t whole = (int32_t) number;
    *size = put(out, &whole, sizeof whole);
    return NULL;
}

static const char *encode_mode(const char *text, unsigned char *out, size_t *size)
{
    size_t length = strspn(text, "01234567");
    if (length == 0 || length > 4 || text[length] != '\0') return "an octal text such as \"027\"";
    uint32_t mode = (uint32_t) strtoul(text, NULL, 8);
    *size = put(out, &mode, sizeof mode);
    return NULL;
}

static const char *encode_bool(const char *text, unsigned char *out, size_t *size)
{
    out[0] = strcmp(text, "true") == 0;
    *size = 1;
    return out[0] || strcmp(text, "false") == 0 ? NULL : "true or false";
}

/* Words "http=127.0.0.1:8080 admin=unix:/run/admin.sock". */
static int encode_sockets(unsigned char *out, const char *text, size_t *size)
{
    char words[SUP_SOCKETS_MAX][SUP_SOCKET_NAME_MAX + SUP_SOCKET_ADDRESS_ROOM + 8];
    int order[SUP_SOCKETS_MAX], count = 0;
    for (text += strspn(text, " "); *text != '\0'; text += strspn(text, " ")) {
        size_t length = strcspn(text, " ");
        if (length >= sizeof words[0] || count == SUP_SOCKETS_MAX) return -EINVAL;
        memcpy(words[count], text, length);
        words[count][length] = '\0';
        text += length;
        char *equals = strchr(words[count], '=');
        if (equals == NULL) return -EINVAL;
        *equals = '\0';
        int at = count++;
        for (; at > 0 && strcmp(words[order[at - 1]], words[count - 1]) > 0; at--)
            order[at] = order[at - 1];
        order[at] = count - 1;
    }
    *size = 0;
    for (int i = 0; i < count; i++) {
        const char *name = words[order[i]];
        const uint32_t numbers[] = {SUP_SOCKET_BACKLOG, SUP_NO_ID, SUP_NO_ID, SUP_NO_ID};
        char canonical[SUP_SOCKET_ADDRESS_ROOM];
        struct sup_socket_address address;
        const char *hint;
        if (sup_socket_address_parse(name + strlen(name) + 1, &address, &hint) != NULL)
            return -EINVAL;
        sup_socket_address_text(&address, canonical);
        *size += put(out + *size, name, strlen(name) + 1);
        *size += put(out + *size, canonical, strlen(canonical) + 1);
        *size += put(out + *size, numbers, sizeof numbers);
        out[(*size)++] = 0;
    }
    return 0;
}

const char *sup_value_encode(const struct sup_option *option, const char *text, unsigned char *out,
                             size_t *size)
{
    switch (option->type) {
    case SUP_TYPE_BOOL:
        return encode_bool(text, out, size);
    case SUP_TYPE_COUNT:
    case SUP_TYPE_NUMBER:
        return put_number(out, option->type, text, size) == 0 ? NULL
                                                              : "a number that is possible here";
    case SUP_TYPE_DURATION:
        return encode_duration(text, out, size);
    case SUP_TYPE_DELAY:
        return encode_delay(out, text, size) == 0
                   ? NULL
                   : "a time, or words such as \"initial=1s max=60s factor=2\"";
    case SUP_TYPE_SIZE:
        return encode_size(text, out, size);
    case SUP_TYPE_ENUM:
        *size = 1;
        return put_enum(out, option, text) == 0 ? NULL : "one of its values";
    case SUP_TYPE_SIGNAL:
        return encode_signal(text, out, size);
    case SUP_TYPE_STRING:
        *size = put(out, text, strnlen(text, SUP_VALUE_SIZE - 1));
        out[(*size)++] = '\0';
        return NULL;
    case SUP_TYPE_NAMES:
        *size = put_words(out, text);
        return NULL;
    case SUP_TYPE_COMMANDS:
        *size = put_shell_command(out, text);
        return *text == '\0' ? "a line for the shell" : NULL;
    case SUP_TYPE_CODES:
        return put_codes(out, text, size) == 0 ? NULL : "a list of exit codes";
    case SUP_TYPE_READY:
        return put_ready(out, text, size) == 0
                   ? NULL
                   : "a condition such as \"2s\", \"/run/web.pid\" or \"tcp 5432\"";
    case SUP_TYPE_HEALTH:
        return put_health(out, text, size) == 0
                   ? NULL
                   : "words such as \"every=10s timeout=2s failures=3 probe=tcp 5432\"";
    case SUP_TYPE_LOG:
        return put_log(out, text, size) == 0
                   ? NULL
                   : "\"none\", \"inherit\", or the path of a file from /";
    case SUP_TYPE_INTEGER:
        return encode_integer(text, out, size);
    case SUP_TYPE_MODE:
        return encode_mode(text, out, size);
    case SUP_TYPE_USER:
        return sup_user_encode(out, text, size) == 0 ? NULL : "a user of this machine";
    case SUP_TYPE_ID:
        return sup_group_encode(out, text, size) == 0 ? NULL : "a group of this machine";
    case SUP_TYPE_IDS:
        return put_groups(out, text, size) == 0 ? NULL : "a list of groups of this machine";
    case SUP_TYPE_LIMITS:
        return encode_limits(out, text, size) == 0
                   ? NULL
                   : "a list of limits such as \"nofile=65536 stack=8MiB:unlimited\"";
    case SUP_TYPE_CGROUP:
        return encode_cgroup(out, text, size) == 0
                   ? NULL
                   : "a list of limits such as \"memory_max=64MiB cpu_max=50%\"";
    case SUP_TYPE_SOCKETS:
        return encode_sockets(out, text, size) == 0
                   ? NULL
                   : "words such as \"http=127.0.0.1:8080 admin=unix:/run/admin.sock\"";
    case SUP_TYPE_PATH:
    case SUP_TYPE_COMMAND:
    case SUP_TYPE_ENV:
    case SUP_TYPE_ENV_FILE:
    case SUP_TYPE_BYTES:
    case SUP_TYPE_LADDER:
    case SUP_TYPE_COUNT_OF:
        break;
    }
    return "for here: it is a member of the struct";
}
