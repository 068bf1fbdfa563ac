/* The table of options, and how encoded values are checked. */
#include "core/options.h"

#include "lib_test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* --- the table -------------------------------------------------------------------------------- */

static void rows_are_sorted_complete_and_unique(void)
{
    struct sup_option_set seen = {{0}};
    for (size_t i = 0; i < sup_option_count; i++) {
        const struct sup_option *option = &sup_options[i];
        sup_test_case("%s", option->name);
        if (i > 0) CHECK(strcmp(option[-1].name, option->name) < 0);
        MUST(option->id > 0 && option->id < SUP_OPTION_ID_END);
        CHECK(!sup_option_set_has(&seen, option->id));
        sup_option_set_add(&seen, option->id);
        CHECK(option->doc != NULL && strlen(option->doc) > 10);
        CHECK(option->doc[strlen(option->doc) - 1] == '.');
        CHECK(option->source != NULL);
        CHECK((option->type == SUP_TYPE_ENUM) == (option->allowed != NULL));
        CHECK(option->offset < sizeof(struct sup_spec));
        CHECK(sup_option_find(option->name) == option);
        CHECK(sup_option_by_id(option->id) == option);
        CHECK((option->flags & (SUP_OPT_SUPERVISOR | SUP_OPT_SERVICE | SUP_OPT_CHILD)) != 0);
    }
    CHECK(sup_option_find("nope") == NULL);
    CHECK(sup_option_find("") == NULL);
    CHECK(sup_option_by_id(0) == NULL);
    CHECK(sup_option_by_id(999) == NULL);
}

/* The numbers stand in blobs and journals. They never change: this list only grows. */
static void numbers_are_frozen(void)
{
    static const char *const names[SUP_OPTION_ID_END] = {NULL,
                                                         "strategy",
                                                         "failure_threshold",
                                                         "failure_decay",
                                                         "failure_backoff",
                                                         "backoff_jitter",
                                                         "extend_backoff",
                                                         "on_threshold",
                                                         "max_pauses",
                                                         "within",
                                                         "intensity",
                                                         "period",
                                                         "restart_spacing",
                                                         "stop_order",
                                                         "auto_shutdown",
                                                         "max_children",
                                                         "propagate_termination",
                                                         "timeout",
                                                         "kill_timeout",
                                                         "description",
                                                         "restart",
                                                         "restart_delay",
                                                         "after",
                                                         "restart_with",
                                                         "significant",
                                                         "enabled",
                                                         "formerly",
                                                         "start_timeout",
                                                         "ready",
                                                         "on_stuck",
                                                         "command",
                                                         "cwd",
                                                         "env",
                                                         "env_file",
                                                         "inherit_env",
                                                         "stop_signal",
                                                         "log",
                                                         "success_exit",
                                                         "done_exit",
                                                         "terminate_exit",
                                                         "run",
                                                         "args",
                                                         "memory",
                                                         [50] = "control_group",
                                                         "watchdog",
                                                         "reload_signal",
                                                         [53] = "before",
                                                         [54] = "after_exit",
                                                         [55] = "cgroup",
                                                         "stop",
                                                         "kill_mode",
                                                         "sockets",
                                                         "activation",
                                                         [61] = "user",
                                                         "group",
                                                         "groups",
                                                         "umask",
                                                         "nice",
                                                         "oom_score",
                                                         "limits",
                                                         "no_new_privs",
                                                         "health",
                                                         [80] = "replicas",
                                                         "replicated",
                                                         [70] = "remain",
                                                         "every",
                                                         "at",
                                                         "overlap",
                                                         "jitter",
                                                         "missed",
                                                         [91] = "on_event"};
    size_t count = 0;
    for (uint16_t id = 1; id < SUP_OPTION_ID_END; id++) {
        const struct sup_option *option = sup_option_by_id(id);
        CHECK_TEXT(option != NULL ? option->name : NULL, names[id]);
        count += names[id] != NULL;
    }
    CHECK_INT(sup_option_count, count);
}

static void parse_codes(const char *text, struct sup_codes *codes)
{
    *codes = (struct sup_codes){{0}};
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') continue;
        char *end;
        long code = strtol(text, &end, 10);
        codes->bits[code / 64] |= UINT64_C(1) << (code % 64);
        text = end - 1;
    }
}

static int find_enum(const struct sup_option *option)
{
    for (int i = 0; option->allowed[i] != NULL; i++)
        if (strcmp(option->allowed[i], option->default_text) == 0) return i;
    return -1;
}

static void check_default(const struct sup_option *option, const void *field)
{
    const char *text = option->default_text;
    int64_t ns;
    uint64_t bytes;
    int32_t signal;
    int number;
    struct sup_codes codes;
    switch (option->type) {
    case SUP_TYPE_BOOL:
        CHECK(strcmp(text, *(const bool *) field ? "true" : "false") == 0);
        return;
    case SUP_TYPE_COUNT:
        CHECK_INT(*(const uint32_t *) field, strtoul(text, NULL, 10));
        return;
    case SUP_TYPE_NUMBER:
        CHECK(*(const double *) field == strtod(text, NULL));
        return;
    case SUP_TYPE_DURATION:
        CHECK(sup_parse_duration(text, &ns) && ns == *(const int64_t *) field);
        return;
    case SUP_TYPE_DELAY:
        CHECK(sup_parse_duration(text, &ns));
        CHECK_INT(((const struct sup_delay *) field)->initial_ns, ns);
        CHECK_INT(((const struct sup_delay *) field)->max_ns, ns);
        return;
    case SUP_TYPE_SIZE:
        CHECK(sup_parse_size(text, &bytes) && bytes == *(const uint64_t *) field);
        return;
    case SUP_TYPE_SIGNAL:
        CHECK(sup_parse_signal(text, &signal) && signal == *(const int32_t *) field);
        return;
    case SUP_TYPE_ENUM:
        memcpy(&number, field, sizeof number);
        CHECK_INT(number, find_enum(option));
        return;
    case SUP_TYPE_CODES:
        parse_codes(text, &codes);
        CHECK(memcmp(&codes, field, sizeof codes) == 0);
        return;
    case SUP_TYPE_STRING:
    case SUP_TYPE_PATH:
    case SUP_TYPE_NAMES:
    case SUP_TYPE_COMMAND:
    case SUP_TYPE_ENV:
    case SUP_TYPE_ENV_FILE:
    case SUP_TYPE_READY:
    case SUP_TYPE_LOG:
    case SUP_TYPE_HEALTH:
    case SUP_TYPE_BYTES:
    case SUP_TYPE_INTEGER:
    case SUP_TYPE_MODE:
    case SUP_TYPE_USER:
    case SUP_TYPE_ID:
    case SUP_TYPE_IDS:
    case SUP_TYPE_LIMITS:
    case SUP_TYPE_LADDER:
    case SUP_TYPE_COMMANDS:
    case SUP_TYPE_CGROUP:
    case SUP_TYPE_SOCKETS:
    case SUP_TYPE_COUNT_OF:
        break;
    }
    CHECK(!"a default text that nobody compares");
}

static void defaults_are_what_the_table_says(void)
{
    struct sup_spec spec;
    sup_spec_defaults(&spec, SUP_THREAD);
    CHECK(spec.kind == SUP_THREAD);
    static const char zeros[sizeof spec];
    for (size_t i = 0; i < sup_option_count; i++) {
        const struct sup_option *option = &sup_options[i];
        const char *field = (const char *) &spec + option->offset;
        sup_test_case("%s", option->name);
        if (option->default_text != NULL) check_default(option, field);
        else {
            char text[64];
            sup_option_text(option, &spec, text, sizeof text);
            bool is_unset = memcmp(field, zeros, sizeof(void *)) == 0 || text[0] == '\0';
            CHECK(is_unset || option->type == SUP_TYPE_COUNT);
        }
    }
    CHECK(!spec.has_intensity);
    CHECK_INT(spec.restart_delay.reset_after_ns, 60 * SUP_SECOND_NS);
    CHECK(spec.restart_delay.factor == 1);
}

static bool has(const char *name, enum sup_kind kind, bool is_root)
{
    return sup_option_applies(sup_option_find(name), kind, is_root);
}

static void options_apply_to_their_kinds(void)
{
    CHECK(has("timeout", SUP_SUPERVISOR, true));
    CHECK(has("kill_timeout", SUP_SUPERVISOR, true));
    CHECK(has("timeout", SUP_THREAD, false));
    CHECK(has("description", SUP_SUPERVISOR, true));
    CHECK(!has("restart", SUP_SUPERVISOR, true));
    CHECK(has("restart", SUP_SUPERVISOR, false));
    CHECK(has("after", SUP_PROCESS, false));
    CHECK(has("command", SUP_PROCESS, false));
    CHECK(!has("command", SUP_THREAD, false));
    CHECK(!has("command", SUP_SUPERVISOR, false));
    CHECK(has("run", SUP_THREAD, false));
    CHECK(!has("run", SUP_PROCESS, false));
    CHECK(has("start_timeout", SUP_PROCESS, false));
    CHECK(!has("start_timeout", SUP_SUPERVISOR, false));
    CHECK(!has("strategy", SUP_PROCESS, false));
    CHECK(!sup_option_applies(sup_option_find("timeout"), SUP_KIND_COUNT, false));
}

#define S SUP_SECOND_NS

/* --- encoded values --------------------------------------------------------------------------- */

static struct sup_spec spec;
static struct sup_err fault;

static bool decode(const char *name, const void *data, size_t size)
{
    /* A copy of its exact size, so that reading beyond it is seen. */
    unsigned char *copy = malloc(size + (size == 0));
    MUST(copy != NULL);
    if (size > 0) memcpy(copy, data, size);
    sup_spec_defaults(&spec, SUP_PROCESS);
    fault = (struct sup_err){0};
    int rc = sup_option_decode(sup_option_find(name), copy, size, &spec, &fault);
    CHECK((rc == 0) == (fault.code == 0));
    if (rc != 0) CHECK(fault.reason[0] != '\0' && fault.place[0] == '\0');
    free(copy);
    return rc == 0;
}

static bool decode_ns(const char *name, int64_t ns)
{
    return decode(name, &ns, sizeof ns);
}

static bool decode_double(const char *name, double number)
{
    return decode(name, &number, sizeof number);
}

static bool decode_u32(const char *name, uint32_t number)
{
    return decode(name, &number, sizeof number);
}

static void encoded_booleans_and_enums(void)
{
    CHECK(decode("enabled", "\0", 1) && !spec.enabled);
    CHECK(decode("enabled", "\1", 1) && spec.enabled);
    CHECK(!decode("enabled", "\2", 1));
    CHECK(!decode("enabled", "", 0));
    CHECK(!decode("enabled", "\1\0", 2));
    CHECK(decode("strategy", "\2", 1) && spec.strategy == SUP_REST_FOR_ONE);
    CHECK(!decode("strategy", "\3", 1));
    CHECK(!decode("strategy", "\377", 1));
    CHECK(!decode("strategy", "", 0));
}

static void encoded_numbers(void)
{
    CHECK(decode_u32("intensity", 0) && spec.has_intensity && spec.intensity == 0);
    CHECK(decode_u32("intensity", 10000));
    CHECK(!decode_u32("intensity", 10001));
    CHECK_TEXT(fault.reason, "is 10001; must be a whole number from 0 to 10000");
    CHECK(!decode("intensity", "\1", 1));
    CHECK(decode_u32("max_children", 65536));
    CHECK(!decode_u32("max_children", 65537));
    CHECK(decode_double("failure_threshold", 3.5) && spec.failure_threshold == 3.5);
    CHECK(decode_double("failure_threshold", 0));
    CHECK(!decode_double("failure_threshold", -0.5));
    CHECK_HAS(fault.reason, "is -0.5; must be a number from 0");
    CHECK(!decode_double("failure_threshold", 1e300 * 1e300));
    CHECK(!decode_double("failure_threshold", 0 * (1e300 * 1e300)));
}

static void encoded_durations_and_sizes(void)
{
    uint64_t bytes = 1 << 20;
    CHECK(decode_ns("timeout", 0) && spec.timeout_ns == 0);
    CHECK(decode_ns("timeout", SUP_INFINITY_NS) && spec.timeout_ns == SUP_INFINITY_NS);
    CHECK(!decode_ns("timeout", -1));
    CHECK_HAS(fault.reason, "negative");
    CHECK(!decode_ns("timeout", SUP_DURATION_MAX_NS + 1));
    CHECK_HAS(fault.reason, "100 years");
    CHECK(!decode_ns("failure_decay", 0));
    CHECK_TEXT(fault.reason, "must be greater than 0");
    CHECK(!decode_ns("failure_decay", SUP_INFINITY_NS));
    CHECK_HAS(fault.reason, "infinity");
    CHECK(decode_ns("failure_decay", 1));
    CHECK(!decode_ns("start_timeout", 0));
    CHECK(decode_ns("start_timeout", SUP_INFINITY_NS));
    CHECK(!decode("timeout", "abc", 3));
    CHECK(decode("memory", &bytes, 8) && spec.memory == bytes);
    bytes = 0;
    CHECK(!decode("memory", &bytes, 8));
    bytes = UINT64_MAX;
    CHECK(!decode("memory", &bytes, 8));
}

static void encoded_texts_and_lists(void)
{
    CHECK(decode("description", "", 1));
    CHECK(!decode("description", "", 0));
    CHECK(!decode("description", "ab", 2));
    CHECK(!decode("description", "a\0b", 4));
    CHECK(decode("formerly", "old", 4));
    CHECK(!decode("formerly", "o d", 4));
    CHECK(decode("cwd", "/srv", 5));
    CHECK(!decode("cwd", "srv", 4));
    CHECK(!decode("cwd", "", 1));
    CHECK(decode("after", "a\0b", 4) && spec.after.count == 2);
    CHECK(decode("after", "", 0) && spec.after.count == 0 && spec.after.first == NULL);
    CHECK(!decode("after", "a\0b c", 6));
    CHECK_HAS(fault.reason, "\"b c\"");
    CHECK(!decode("after", "a\0b", 3));
    CHECK(!decode("after", "\0", 1));
    CHECK(decode("command", "ls\0", 4) && spec.command.count == 2);
    CHECK(!decode("command", "", 0));
    CHECK(!decode("command", "\0a", 3));
    CHECK(decode("env", "A=1\0B=", 7) && spec.env.count == 2);
    CHECK(!decode("env", "A", 2));
    CHECK(!decode("env", "=1", 3));
    CHECK(!decode("env_file", "/x", 3));
    CHECK(decode("args", "", 0) && spec.args.size == 0);
    CHECK(decode("run", "\0\1", 2) && spec.run.size == 2);
    CHECK(!decode("run", "", 0));
}

static void encoded_codes_and_signals(void)
{
    CHECK(decode("success_exit", "", 0) && !sup_codes_has(&spec.success_exit, 0));
    CHECK(decode("done_exit", "\0\3\377", 3));
    CHECK(sup_codes_has(&spec.done_exit, 0) && sup_codes_has(&spec.done_exit, 3));
    CHECK(sup_codes_has(&spec.done_exit, 255) && !sup_codes_has(&spec.done_exit, 4));
    CHECK(!sup_codes_has(&spec.done_exit, -1) && !sup_codes_has(&spec.done_exit, 256));
    CHECK(!decode("done_exit", "\3\3", 2));
    CHECK(!decode("done_exit", "\4\3", 2));
    CHECK(decode("stop_signal", "\2", 1) && spec.stop_signal == SIGINT);
    CHECK(!decode("stop_signal", "\0", 1));
    CHECK(!decode("stop_signal", "\101", 1));
    CHECK(!decode("stop_signal", "", 0));
}

static bool decode_delay(int64_t initial, int64_t max, double factor, double jitter, int64_t reset)
{
    unsigned char bytes[40];
    memcpy(bytes, &initial, 8);
    memcpy(bytes + 8, &max, 8);
    memcpy(bytes + 16, &factor, 8);
    memcpy(bytes + 24, &jitter, 8);
    memcpy(bytes + 32, &reset, 8);
    return decode("restart_delay", bytes, sizeof bytes);
}

static void encoded_delays(void)
{
    CHECK(decode_delay(S, 60 * S, 2, 0.5, 60 * S));
    CHECK(spec.restart_delay.initial_ns == S && spec.restart_delay.max_ns == 60 * S);
    CHECK(spec.restart_delay.factor == 2 && spec.restart_delay.jitter == 0.5);
    CHECK(decode_delay(0, 0, 1, 0, SUP_INFINITY_NS));
    CHECK(!decode_delay(-1, S, 1, 0, 0));
    CHECK(!decode_delay(2 * S, S, 1, 0, 0));
    CHECK_HAS(fault.reason, "max");
    CHECK(!decode_delay(S, SUP_INFINITY_NS, 1, 0, 0));
    CHECK(!decode_delay(S, S, 0.5, 0, 0));
    CHECK(!decode_delay(S, S, 0 * (1e300 * 1e300), 0, 0));
    CHECK(!decode_delay(S, S, 1, -0.1, 0));
    CHECK(!decode_delay(S, S, 1, 1.1, 0));
    CHECK(!decode_delay(S, S, 1, 0, -1));
    CHECK(!decode("restart_delay", "1234567", 8));
}

static bool decode_ready(unsigned kind, int64_t delay, const char *text)
{
    unsigned char bytes[64];
    bytes[0] = (unsigned char) kind;
    memcpy(bytes + 1, &delay, 8);
    memcpy(bytes + 9, text, strlen(text) + 1);
    return decode("ready", bytes, 10 + strlen(text));
}

static bool decode_log(uint8_t timestamps, uint8_t form, uint32_t max_files, uint64_t max_size,
                       int64_t max_age_ns, uint32_t buffer)
{
    unsigned char bytes[40] = "\1/x"; /* and its NUL */
    bytes[4] = timestamps;
    bytes[5] = form;
    memcpy(bytes + 6, &max_files, 4);
    memcpy(bytes + 10, &max_size, 8);
    memcpy(bytes + 18, &max_age_ns, 8);
    memcpy(bytes + 26, &buffer, 4);
    return decode("log", bytes, 31);
}

static void encoded_details_of_logs(void)
{
    CHECK(decode("log", "\1/var/x", 8) && spec.log.max_files == SUP_LOG_FILES_DEFAULT);
    CHECK(decode_log(SUP_TIMESTAMPS_TAI64N, SUP_LOG_JSON, 5, 1 << 20, S, 8192));
    CHECK(spec.log.mode == SUP_LOG_MODE_FILE && spec.log.timestamps == SUP_TIMESTAMPS_TAI64N);
    CHECK(spec.log.form == SUP_LOG_JSON && spec.log.max_files == 5 && spec.log.buffer == 8192);
    CHECK(spec.log.max_size == 1 << 20 && spec.log.max_age_ns == S);
    CHECK(decode_log(0, 0, 0, 0, 0, 0));
    CHECK(!decode_log(3, 0, 0, 0, 0, 0));
    CHECK(!decode_log(0, 2, 0, 0, 0, 0));
    CHECK(!decode_log(0, 0, 10001, 0, 0, 0));
    CHECK(!decode_log(0, 0, 0, 4095, 0, 0));
    CHECK(!decode_log(0, 0, 0, UINT64_MAX, 0, 0));
    CHECK(!decode_log(0, 0, 0, 0, S - 1, 0));
    CHECK(!decode_log(0, 0, 0, 0, SUP_INFINITY_NS, 0));
    CHECK(!decode_log(0, 0, 0, 0, 0, 4095));
    CHECK(!decode_log(0, 0, 0, 0, 0, (16 << 20) + 1));
    CHECK(decode("log", "\4a", 3) && spec.log.mode == SUP_LOG_MODE_TO && !spec.log.reads);
    CHECK(decode("log", "\4group/log.ger@1", 17));
    CHECK(!decode("log", "\4", 2));
    CHECK(!decode("log", "\4/a", 4));
    CHECK(!decode("log", "\4a/", 4));
    CHECK(!decode("log", "\4a//b", 6));
    CHECK(!decode("log", "\4a b", 5));
    static const unsigned char reads[29] = {[28] = 1};
    CHECK(decode("log", reads, 29) && spec.log.reads && spec.log.mode == SUP_LOG_MODE_VIEW);
}

static void encoded_readiness_and_logs(void)
{
    CHECK(decode_ready(SUP_READY_AT_LAUNCH, 0, ""));
    CHECK(decode_ready(SUP_READY_DELAY, S, "") && spec.ready.delay_ns == S);
    CHECK(decode_ready(SUP_READY_FILE, 0, "/run/x"));
    CHECK(decode_ready(SUP_READY_MANUAL, 0, ""));
    CHECK(!decode_ready(SUP_READY_FILE, 0, "run/x"));
    CHECK(!decode_ready(SUP_READY_FILE, 0, ""));
    CHECK(!decode_ready(SUP_READY_FILE, 1, "/run/x"));
    CHECK(!decode_ready(SUP_READY_DELAY, -1, ""));
    CHECK(!decode_ready(SUP_READY_DELAY, SUP_INFINITY_NS, ""));
    CHECK(!decode_ready(SUP_READY_DELAY, S, "x"));
    CHECK(!decode("ready", "\0", 1));
    CHECK(decode("log", "\0", 2) && spec.log.mode == SUP_LOG_MODE_VIEW);
    CHECK(decode("log", "\1/var/x", 8) && spec.log.mode == SUP_LOG_MODE_FILE);
    CHECK(decode("log", "\3", 2) && spec.log.mode == SUP_LOG_MODE_INHERIT);
    CHECK(!decode("log", "\1/x\0\0", 5));
    CHECK(!decode("log", "\1", 2));
    CHECK(!decode("log", "\1x", 3));
    CHECK(!decode("log", "\2x", 3));
    CHECK(!decode("log", "\4", 2));
    CHECK(!decode("log", "\2", 1));
}

/* A condition with details: ${more} of ${size} behind them. */
static bool decode_look(int kind, const char *text, uint32_t number, uint16_t low, uint16_t high,
                        int64_t timeout, int64_t every, const char *more, size_t size)
{
    static unsigned char bytes[256]; /* spec points there */
    size_t at = 9;
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (unsigned char) kind;
    memcpy(bytes + at, text, strlen(text) + 1);
    at += strlen(text) + 1;
    memcpy(bytes + at, &number, 4);
    memcpy(bytes + at + 4, &low, 2);
    memcpy(bytes + at + 6, &high, 2);
    memcpy(bytes + at + 8, &timeout, 8);
    memcpy(bytes + at + 16, &every, 8);
    memcpy(bytes + at + 24, more, size);
    if (!decode("ready", bytes, at + 24 + size)) return false;
    struct sup_err err;
    return sup_option_decode(sup_option_find("ready"), bytes, at + 24 + size, &spec, &err) == 0;
}

static bool says(const char *words)
{
    char buf[64];
    return strcmp(sup_option_text(sup_option_find("ready"), &spec, buf, sizeof buf), words) == 0;
}

static void encoded_looks(void)
{
    CHECK(decode_look(SUP_READY_NOTIFY, "", 0, 0, 0, 0, 0, "", 0) && says("notify"));
    CHECK(decode_look(SUP_READY_FD, "", 3, 0, 0, 0, 0, "", 0) && says("fd 3"));
    CHECK(decode_look(SUP_READY_TCP, "5432", 0, 0, 0, 0, 0, "", 0) && says("tcp 5432"));
    CHECK_INT(spec.ready.timeout_ns, 2 * S);
    CHECK(decode_look(SUP_READY_TCP, "[::1]:80", 0, 0, 0, S, S, "", 0));
    CHECK(says("tcp [::1]:80, timeout 1s, every 1s"));
    CHECK(decode_look(SUP_READY_UNIX, "/run/x", 0, 0, 0, 0, 0, "", 0) && says("unix /run/x"));
    CHECK(decode_look(SUP_READY_HTTP, "http://localhost", 0, 200, 399, 0, 0, "", 0));
    CHECK(says("http://localhost"));
    CHECK(decode_look(SUP_READY_HTTP, "http://localhost", 0, 204, 204, 0, 0, "", 0));
    CHECK(says("http://localhost, status 204"));
    CHECK(decode_look(SUP_READY_EXEC, "", 0, 0, 0, 0, 0, "a\0b c", 6) && says("exec a 'b c'"));
    CHECK_INT(spec.ready.timeout_ns, 5 * S);
    CHECK(decode_look(SUP_READY_LOG, "up$", 0, 0, 0, 0, 0, "", 0) && says("log \"up$\""));
    CHECK(!decode_look(SUP_READY_NOTIFY, "x", 0, 0, 0, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_NOTIFY, "", 3, 0, 0, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_NOTIFY, "", 0, 0, 0, 0, 0, "x", 2));
    CHECK(!decode_look(SUP_READY_NOTIFY, "", 0, 0, 0, S, 0, "", 0));
    CHECK(!decode_look(SUP_READY_FD, "", 2, 0, 0, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_FD, "", 256, 0, 0, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_TCP, "x:80", 0, 0, 0, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_TCP, "80", 0, 200, 399, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_TCP, "80", 0, 0, 0, -1, 0, "", 0));
    CHECK(!decode_look(SUP_READY_TCP, "80", 0, 0, 0, 0, SUP_INFINITY_NS, "", 0));
    CHECK(!decode_look(SUP_READY_UNIX, "run/x", 0, 0, 0, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_HTTP, "http://localhost", 0, 99, 200, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_HTTP, "http://localhost", 0, 300, 200, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_HTTP, "ftp://localhost", 0, 200, 399, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_EXEC, "", 0, 0, 0, 0, 0, "", 0));
    CHECK(!decode_look(SUP_READY_EXEC, "", 0, 0, 0, 0, 0, "a", 1));
    CHECK(!decode_look(SUP_READY_EXEC, "", 0, 0, 0, 0, 0, "\0b", 3));
    CHECK(!decode_look(SUP_READY_KIND_COUNT, "", 0, 0, 0, 0, 0, "", 0));
    CHECK(!decode_ready(SUP_READY_NOTIFY, 0, ""));
}

/* A health with a probe of ${kind} at "80", or a function of ${size} bytes. */
static bool decode_health(uint32_t failures, uint8_t action, uint8_t form, int64_t every,
                          int64_t timeout, int64_t start_after, uint8_t kind, size_t size)
{
    unsigned char bytes[128] = {[4] = action, [5] = form};
    memcpy(bytes, &failures, 4);
    memcpy(bytes + 8, &every, 8);
    memcpy(bytes + 16, &timeout, 8);
    memcpy(bytes + 24, &start_after, 8);
    bytes[32] = kind;
    if (form == 0) memcpy(bytes + 41, "80", 3);
    return decode("health", bytes, 32 + size);
}

static void encoded_healths(void)
{
    const size_t probe = 9 + 3 + 24;
    CHECK(decode_health(3, 0, 0, S, S, 0, SUP_READY_TCP, probe));
    CHECK(spec.health.every_ns == S && spec.health.failures == 3);
    CHECK(spec.health.action == SUP_HEALTH_RESTART && spec.health.function.size == 0);
    CHECK(decode_health(1000, 1, 1, S, S, S, 0, 5));
    CHECK(spec.health.action == SUP_HEALTH_EVENT && spec.health.function.size == 5);
    CHECK(!decode_health(0, 0, 0, S, S, 0, SUP_READY_TCP, probe));
    CHECK(!decode_health(1001, 0, 0, S, S, 0, SUP_READY_TCP, probe));
    CHECK(!decode_health(3, 2, 0, S, S, 0, SUP_READY_TCP, probe));
    CHECK(!decode_health(3, 0, 2, S, S, 0, SUP_READY_TCP, probe));
    CHECK(!decode_health(3, 0, 0, 0, S, 0, SUP_READY_TCP, probe));
    CHECK(!decode_health(3, 0, 0, S, 0, 0, SUP_READY_TCP, probe));
    CHECK(!decode_health(3, 0, 0, S, S, -1, SUP_READY_TCP, probe));
    CHECK(!decode_health(3, 0, 0, SUP_INFINITY_NS, S, 0, SUP_READY_TCP, probe));
    CHECK(!decode_health(3, 0, 0, S, S, 0, SUP_READY_FILE, probe));
    CHECK(!decode_health(3, 0, 0, S, S, 0, SUP_READY_LOG, probe));
    CHECK(!decode_health(3, 0, 0, S, S, 0, SUP_READY_TCP, probe - 1));
    CHECK(!decode_health(3, 0, 1, S, S, 0, 0, 0));
}

static void random_bytes_are_refused_or_taken(void)
{
    struct sup_test_chance chance = {5};
    for (int round = 0; round < 200000; round++) {
        unsigned char bytes[48];
        const struct sup_option *option = &sup_options[sup_test_below(&chance, sup_option_count)];
        size_t size = sup_test_below(&chance, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char) (sup_test_below(&chance, 2) ? sup_test_random(&chance) : 0);
        decode(option->name, bytes, size);
    }
}

TEST_MAIN(TEST(rows_are_sorted_complete_and_unique), TEST(numbers_are_frozen),
          TEST(defaults_are_what_the_table_says), TEST(options_apply_to_their_kinds),
          TEST(encoded_booleans_and_enums), TEST(encoded_numbers),
          TEST(encoded_durations_and_sizes), TEST(encoded_texts_and_lists),
          TEST(encoded_codes_and_signals), TEST(encoded_delays), TEST(encoded_readiness_and_logs),
          TEST(encoded_looks), TEST(encoded_healths), TEST(encoded_details_of_logs),
          TEST(random_bytes_are_refused_or_taken))
