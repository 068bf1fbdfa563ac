/*
** simulate/config_form.c: declared trees as blobs and as text. Knows the names and types of options
** from the core's table alone.
*/
#include "config.h"
#include "config_table.h"

#include <stdlib.h>
#include <string.h>

#define SUPERVISOR 1u
#define PROCESS 2u
#define THREAD 4u
#define SERVICE (PROCESS | THREAD)
#define ANY (SUPERVISOR | SERVICE)

#define INFINITE CONFIG_INFINITE

const struct option_row config_rows[OPT_COUNT] = {
    [OPT_AUTO_SHUTDOWN] = {"auto_shutdown", SUPERVISOR, 5, 3, {0, 1, 2}},
    [OPT_BACKOFF_JITTER] = {"backoff_jitter", SUPERVISOR, 8, 2, {0, 1}},
    [OPT_DESCRIPTION] = {"description", ANY, 8, 3, {1, 2, 3}},
    [OPT_DONE_EXIT] = {"done_exit", PROCESS, 5, 1, {4}},
    [OPT_ENABLED] = {"enabled", ANY, 24, 2, {0, 1}},
    [OPT_ENV] = {"env", PROCESS, 5, 3, {1, 2, 3}},
    [OPT_EXTEND_BACKOFF] = {"extend_backoff", SUPERVISOR, 8, 2, {0, 1}},
    [OPT_FAILURE_BACKOFF] = {"failure_backoff", SUPERVISOR, 2, 5, {0, 0.5, 1, 5, 15}},
    [OPT_FAILURE_DECAY] = {"failure_decay", SUPERVISOR, 2, 4, {0.5, 1, 5, 30}},
    [OPT_FAILURE_THRESHOLD] = {"failure_threshold", SUPERVISOR, 2, 6, {0, 0.5, 1, 2, 3.5, 5}},
    [OPT_INTENSITY] = {"intensity", SUPERVISOR, 6, 4, {0, 1, 2, 3}},
    [OPT_KILL_TIMEOUT] = {"kill_timeout", ANY, 4, 5, {0, 0.5, 1, 2, INFINITE}},
    [OPT_MAX_CHILDREN] = {"max_children", SUPERVISOR, 8, 2, {4, 8}},
    [OPT_MAX_PAUSES] = {"max_pauses", SUPERVISOR, 6, 2, {1, 2}},
    [OPT_ON_STUCK] = {"on_stuck", SERVICE, 4, 2, {0, 1}},
    [OPT_ON_THRESHOLD] = {"on_threshold", SUPERVISOR, 3, 3, {0, 1, 2}},
    [OPT_PERIOD] = {"period", SUPERVISOR, 2, 3, {0.5, 2, 5}},
    [OPT_PROPAGATE_TERMINATION] = {"propagate_termination", SUPERVISOR, 6, 2, {0, 1}},
    [OPT_READY] = {"ready", SERVICE, 3, 4, {0, 1, 2, 3}},
    [OPT_REMAIN] = {"remain", SERVICE, 4, 2, {0, 1}},
    [OPT_EVERY] = {"every", SERVICE, 10, 4, {0.5, 1, 5, 30}},
    [OPT_OVERLAP] = {"overlap", SERVICE, 2, 3, {0, 1, 2}},
    [OPT_JITTER] = {"jitter", SERVICE, 4, 2, {0, 0.25}},
    [OPT_MISSED] = {"missed", SERVICE, 2, 2, {0, 1}},
    [OPT_RESTART] = {"restart", ANY, 2, 3, {0, 1, 2}},
    [OPT_RESTART_DELAY] = {"restart_delay", ANY, 4, 4, {0, 1, 2, 3}},
    [OPT_RESTART_SPACING] = {"restart_spacing", SUPERVISOR, 6, 3, {0, 0.5, 1}},
    [OPT_SIGNIFICANT] = {"significant", ANY, 4, 2, {0, 1}},
    [OPT_START_TIMEOUT] = {"start_timeout", SERVICE, 3, 4, {0.5, 1, 2, INFINITE}},
    [OPT_STOP_ORDER] = {"stop_order", SUPERVISOR, 4, 2, {0, 1}},
    [OPT_STRATEGY] = {"strategy", SUPERVISOR, 1, 3, {0, 1, 2}},
    [OPT_SUCCESS_EXIT] = {"success_exit", PROCESS, 5, 1, {3}},
    [OPT_TERMINATE_EXIT] = {"terminate_exit", PROCESS, 8, 1, {5}},
    [OPT_TIMEOUT] = {"timeout", ANY, 3, 5, {0, 0.5, 1, 2, INFINITE}},
    [OPT_WITHIN] = {"within", SUPERVISOR, 2, 3, {1, 5, 30}},
};

/* restart_delay: initial, max, factor, jitter, reset_after */
static const double delays[][5] = {{1, 1, 1, 0, 60},
                                   {0.5, 4, 2, 0, 2},
                                   {1, 2, 1.5, 0.5, 5},
                                   {0, 0, 1, 0, 60}};

static const char *const extra_names[] = {"after", "restart_with", "formerly", "command", "run"};

const struct sup_option *config_options[EXTRA_COUNT];
/* In ascending order of their ids, as blobs want them. */
static uint8_t id_order[EXTRA_COUNT];

bool config_init(void)
{
    for (int i = 0; i < EXTRA_COUNT; i++) {
        const char *name = i < OPT_COUNT ? config_rows[i].name : extra_names[i - OPT_COUNT];
        config_options[i] = sup_option_find(name);
        if (!config_options[i]) {
            fprintf(stderr, "simulate: the table of options has no '%s'\n", name);
            return false;
        }
        int place = i;
        for (; place > 0 && config_options[id_order[place - 1]]->id > config_options[i]->id;
             place--) {
            id_order[place] = id_order[place - 1];
        }
        id_order[place] = (uint8_t) i;
    }
    return true;
}

/* --- blobs ----------------------------------------------------------------------------------- */

static double value_of(const struct decl *decl, int option)
{
    return decl->opt[option] ? config_rows[option].values[decl->opt[option] - 1] : 0;
}

static int64_t to_ns(double seconds)
{
    return seconds == INFINITE ? SUP_INFINITY_NS : (int64_t) (seconds * 1e9);
}

static void add_names(struct sup_form_writer *writer, uint16_t id, uint64_t set)
{
    char text[NAMES * 4];
    size_t size = 0;
    for (unsigned i = 0; i < NAMES; i++) {
        if (!(set & (UINT64_C(1) << i))) continue;
        size += (size_t) snprintf(text + size, sizeof text - size, "n%u", i) + 1;
    }
    if (size) sup_form_add(writer, id, text, size);
}

static void add_delay(struct sup_form_writer *writer, uint16_t id, const double row[5])
{
    unsigned char bytes[40];
    int64_t initial = to_ns(row[0]), max = to_ns(row[1]), reset = to_ns(row[4]);
    memcpy(bytes, &initial, 8);
    memcpy(bytes + 8, &max, 8);
    memcpy(bytes + 16, &row[2], 8);
    memcpy(bytes + 24, &row[3], 8);
    memcpy(bytes + 32, &reset, 8);
    sup_form_add(writer, id, bytes, sizeof bytes);
}

/* 0: delay 1 s, 1: delay 2 s, 2: by hand in a thread, a file in a process, 3: at launch */
static void add_ready(struct sup_form_writer *writer, uint16_t id, enum sup_kind kind, int which)
{
    unsigned char bytes[16] = {0};
    int64_t delay = which == 0 ? SUP_SECOND_NS : which == 1 ? 2 * SUP_SECOND_NS : 0;
    bytes[0] = which <= 1           ? SUP_READY_DELAY
               : which == 3         ? SUP_READY_AT_LAUNCH
               : kind == SUP_THREAD ? SUP_READY_MANUAL
                                    : SUP_READY_FILE;
    memcpy(bytes + 1, &delay, 8);
    if (bytes[0] == SUP_READY_FILE) memcpy(bytes + 9, "/f", 3);
    sup_form_add(writer, id, bytes, bytes[0] == SUP_READY_FILE ? 12 : 10);
}

static void add_value(struct sup_form_writer *writer, const struct decl *decl, int option)
{
    const struct sup_option *row = config_options[option];
    double value = value_of(decl, option);
    uint8_t byte = (uint8_t) value;
    uint32_t count = (uint32_t) value;
    int64_t ns = to_ns(value);
    char text[8];
    switch (row->type) {
    case SUP_TYPE_BOOL:
    case SUP_TYPE_ENUM:
    case SUP_TYPE_SIGNAL:
    case SUP_TYPE_CODES:
        sup_form_add(writer, row->id, &byte, 1);
        break;
    case SUP_TYPE_COUNT:
        sup_form_add(writer, row->id, &count, 4);
        break;
    case SUP_TYPE_NUMBER:
        sup_form_add(writer, row->id, &value, 8);
        break;
    case SUP_TYPE_DURATION:
        sup_form_add(writer, row->id, &ns, 8);
        break;
    case SUP_TYPE_DELAY:
        add_delay(writer, row->id, delays[byte]);
        break;
    case SUP_TYPE_READY:
        add_ready(writer, row->id, (enum sup_kind) decl->kind, (int) value);
        break;
    case SUP_TYPE_STRING:
        snprintf(text, sizeof text, "d%u", count & 7);
        sup_form_add(writer, row->id, text, strlen(text) + 1);
        break;
    case SUP_TYPE_ENV:
        snprintf(text, sizeof text, "A=%u", count & 7);
        sup_form_add(writer, row->id, text, strlen(text) + 1);
        break;
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
    case SUP_TYPE_SIZE:
    case SUP_TYPE_PATH:
    case SUP_TYPE_NAMES:
    case SUP_TYPE_COMMAND:
    case SUP_TYPE_ENV_FILE:
    case SUP_TYPE_LOG:
    case SUP_TYPE_HEALTH:
    case SUP_TYPE_BYTES:
    case SUP_TYPE_COUNT_OF:
        break; /* no row uses these */
    }
}

static void add_option(struct sup_form_writer *writer, const struct decl *decl, int which)
{
    uint16_t id = config_options[which]->id;
    char text[8];
    switch (which) {
    case EXTRA_AFTER:
        add_names(writer, id, decl->after);
        break;
    case EXTRA_WITH:
        add_names(writer, id, decl->with);
        break;
    case EXTRA_FORMERLY:
        if (!decl->formerly) break;
        snprintf(text, sizeof text, "n%u", decl->formerly - 1u);
        sup_form_add(writer, id, text, strlen(text) + 1);
        break;
    case EXTRA_COMMAND:
        if (decl->kind == SUP_PROCESS) sup_form_add(writer, id, "/bin/x", 7);
        break;
    case EXTRA_RUN:
        if (decl->kind == SUP_THREAD) sup_form_add(writer, id, "run", 3);
        break;
    default:
        if (decl->opt[which]) add_value(writer, decl, which);
        break;
    }
}

static uint32_t count_children(const struct config *config, uint32_t index)
{
    uint32_t count = 0, end = config_end(config, index);
    for (uint32_t i = index + 1; i < end; i++) {
        if (config->decls[i].depth == config->decls[index].depth + 1) count++;
    }
    return count;
}

bool config_blob(struct config *config)
{
    struct sup_form_writer writer = {0};
    for (uint32_t i = 0; i < config->count; i++) {
        const struct decl *decl = &config->decls[i];
        char name[8];
        snprintf(name, sizeof name, "n%u", decl->name);
        sup_form_begin(&writer, (enum sup_kind) decl->kind, name, "case",
                       count_children(config, i));
        for (int k = 0; k < EXTRA_COUNT; k++) add_option(&writer, decl, id_order[k]);
        sup_form_end(&writer);
    }
    config->blob = sup_form_finish(&writer, &config->size);
    return config->blob != NULL;
}

void config_finish(struct config *config)
{
    free(config->blob);
    config->blob = NULL;
}

/* --- text ------------------------------------------------------------------------------------ */

static void value_text(int option, unsigned place, char *buf, size_t size)
{
    double value = config_rows[option].values[place];
    const struct sup_option *row = config_options[option];
    if (value == INFINITE) {
        snprintf(buf, size, "infinity");
    } else if (row->type == SUP_TYPE_ENUM) {
        snprintf(buf, size, "%s", row->allowed[(int) value]);
    } else {
        snprintf(buf, size, "%g", value);
    }
}

static void write_names(FILE *out, const char *key, uint64_t set)
{
    if (!set) return;
    fprintf(out, " %s=", key);
    const char *comma = "";
    for (unsigned i = 0; i < NAMES; i++) {
        if (!(set & (UINT64_C(1) << i))) continue;
        fprintf(out, "%sn%u", comma, i);
        comma = ",";
    }
}

void config_write(const struct config *config, FILE *out)
{
    for (uint32_t i = 0; i < config->count; i++) {
        const struct decl *decl = &config->decls[i];
        fprintf(out, "%*s%s n%u", 2 * (decl->depth + 1), "",
                sup_kind_name((enum sup_kind) decl->kind), decl->name);
        write_names(out, "after", decl->after);
        write_names(out, "restart_with", decl->with);
        if (decl->formerly) fprintf(out, " formerly=n%u", decl->formerly - 1u);
        for (int k = 0; k < OPT_COUNT; k++) {
            char text[32];
            if (!decl->opt[k]) continue;
            value_text(k, decl->opt[k] - 1u, text, sizeof text);
            fprintf(out, " %s=%s", config_rows[k].name, text);
        }
        fputc('\n', out);
    }
}

static bool read_names(const char *text, uint64_t *set)
{
    for (;;) {
        char *end;
        if (*text != 'n') return false;
        unsigned long name = strtoul(text + 1, &end, 10);
        if (name >= NAMES) return false;
        *set |= UINT64_C(1) << name;
        if (*end == '\0') return true;
        if (*end != ',') return false;
        text = end + 1;
    }
}

static bool read_option(struct decl *decl, const char *key, const char *value)
{
    uint64_t set = 0;
    if (strcmp(key, "after") == 0) return read_names(value, &decl->after);
    if (strcmp(key, "restart_with") == 0) return read_names(value, &decl->with);
    if (strcmp(key, "formerly") == 0) {
        if (!read_names(value, &set)) return false;
        decl->formerly = (uint8_t) (__builtin_ctzll(set) + 1);
        return true;
    }
    for (int k = 0; k < OPT_COUNT; k++) {
        if (strcmp(key, config_rows[k].name) != 0) continue;
        for (unsigned place = 0; place < config_rows[k].count; place++) {
            char text[32];
            value_text(k, place, text, sizeof text);
            if (strcmp(text, value) != 0) continue;
            decl->opt[k] = (uint8_t) (place + 1);
            return true;
        }
    }
    return false;
}

bool config_read_line(struct config *config, const char *line)
{
    size_t indent = strspn(line, " ");
    char copy[1024], *save = NULL;
    if (indent < 2 || indent % 2 || config->count == CONFIG_DECLS) return false;
    snprintf(copy, sizeof copy, "%s", line + indent);
    struct decl decl = {.depth = (uint8_t) (indent / 2 - 1), .kind = SUP_KIND_COUNT};
    const char *kind = strtok_r(copy, " \n", &save), *name = strtok_r(NULL, " \n", &save);
    if (!kind || !name || name[0] != 'n') return false;
    decl.name = (uint8_t) strtoul(name + 1, NULL, 10);
    for (int k = 0; k < SUP_KIND_COUNT; k++) {
        if (strcmp(kind, sup_kind_name((enum sup_kind) k)) == 0) decl.kind = (uint8_t) k;
    }
    if (decl.kind == SUP_KIND_COUNT || decl.name >= NAMES) return false;
    for (char *word; (word = strtok_r(NULL, " \n", &save)) != NULL;) {
        char *value = strchr(word, '=');
        if (!value) return false;
        *value++ = '\0';
        if (!read_option(&decl, word, value)) return false;
    }
    config->decls[config->count++] = decl;
    return true;
}
