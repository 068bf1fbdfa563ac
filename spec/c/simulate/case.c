/*
** simulate/case.c: cases as text.
**
**   seed 17
**   config
**     supervisor n0 strategy=one_for_all
**       process n1 restart=transient
**   ops
**     0 start
**     1.5 ended n1 exit 3
**     finish
*/
#include "case.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint8_t type;
    const char *name;
} op_names[] = {
    {SUP_IN_TICK, "tick"},
    {SUP_IN_LAUNCHED, "launched"},
    {SUP_IN_LAUNCH_FAILED, "launch_failed"},
    {SUP_IN_READY, "ready"},
    {SUP_IN_ENDED, "ended"},
    {SUP_IN_HOST_DIED, "host_died"},
    {SUP_IN_START, "start"},
    {SUP_IN_STOP, "stop"},
    {SUP_IN_KILL, "kill"},
    {SUP_IN_ADD, "add"},
    {SUP_IN_REMOVE, "remove"},
    {SUP_IN_START_NODE, "start_node"},
    {SUP_IN_STOP_NODE, "stop_node"},
    {SUP_IN_RESTART_NODE, "restart_node"},
    {SUP_IN_RELOAD, "reload"},
    {SUP_IN_UNHEALTHY, "unhealthy"},
    {SUP_IN_EXTEND, "extend"},
    {SUP_IN_EXITING, "exiting"},
    {OP_SETTLE, "settle"},
    {OP_FINISH, "finish"},
};

static const char *const outcome_names[] = {
    [SUP_END_NONE] = "none",           [SUP_END_EXIT] = "exit",
    [SUP_END_SIGNAL] = "signal",       [SUP_END_RETURNED] = "returned",
    [SUP_END_ERROR] = "error",         [SUP_END_DONE] = "done",
    [SUP_END_TERMINATE] = "terminate", [SUP_END_LOST] = "lost",
    [SUP_END_LIMIT] = "limit",         [SUP_END_SHUTDOWN] = "shutdown",
    [SUP_END_STOPPED] = "stopped",     [SUP_END_NO_LAUNCH] = "no_launch",
    [SUP_END_NOT_READY] = "not_ready", [SUP_END_WATCHDOG] = "watchdog",
    [SUP_END_UNHEALTHY] = "unhealthy", [SUP_END_OOM] = "oom",
};

static const struct {
    uint8_t flag;
    const char *name;
} flag_names[] = {
    {OP_WAIT, "wait"},           {OP_FLAG, "flag"},     {OP_STALE, "stale"}, {OP_FORMER, "former"},
    {OP_ABANDONED, "abandoned"}, {OP_BROKEN, "broken"}, {OP_ZERO, "zero"},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

bool case_blobs(struct run_case *run)
{
    for (uint32_t i = 0; i < run->config_count; i++) {
        if (run->configs[i].blob == NULL && !config_blob(&run->configs[i])) return false;
    }
    return true;
}

void case_finish(struct run_case *run)
{
    for (uint32_t i = 0; i < run->config_count; i++) config_finish(&run->configs[i]);
    run->config_count = run->op_count = 0;
}

/* --- writing --------------------------------------------------------------------------------- */

static void write_ns(int64_t ns, FILE *out)
{
    fprintf(out, "%" PRId64, ns / SUP_SECOND_NS);
    if (ns % SUP_SECOND_NS == 0) return;
    char digits[16];
    int size = snprintf(digits, sizeof digits, ".%09" PRId64, ns % SUP_SECOND_NS);
    while (size > 1 && digits[size - 1] == '0') digits[--size] = '\0';
    fputs(digits, out);
}

static bool has_name(uint8_t type)
{
    return type != SUP_IN_TICK && type != SUP_IN_START && type != SUP_IN_STOP &&
           type != SUP_IN_KILL && type != SUP_IN_RELOAD && type < OP_SETTLE;
}

void op_write(const struct op *op, FILE *out)
{
    fputs("  ", out);
    write_ns(op->at_ns, out);
    for (size_t i = 0; i < COUNT_OF(op_names); i++) {
        if (op_names[i].type == op->type) fprintf(out, " %s", op_names[i].name);
    }
    if (has_name(op->type)) fprintf(out, " n%u", op->name);
    if (op->type == SUP_IN_ADD || op->type == SUP_IN_RELOAD) fprintf(out, " config %u", op->config);
    if (op->outcome != SUP_END_NONE) fprintf(out, " %s %u", outcome_names[op->outcome], op->code);
    for (size_t i = 0; i < COUNT_OF(flag_names); i++) {
        if (op->flags & flag_names[i].flag) fprintf(out, " %s", flag_names[i].name);
    }
    if (op->wait_ns != 0) {
        fputs(" for ", out);
        write_ns(op->wait_ns, out);
    }
    fputc('\n', out);
}

void case_write(const struct run_case *run, FILE *out)
{
    fprintf(out, "seed %" PRIu64 "\n", run->seed);
    for (uint32_t i = 0; i < run->config_count; i++) {
        fprintf(out, "config\n");
        config_write(&run->configs[i], out);
    }
    fprintf(out, "ops\n");
    for (uint32_t i = 0; i < run->op_count; i++) op_write(&run->ops[i], out);
}

/* --- reading --------------------------------------------------------------------------------- */

static bool read_ns(const char *text, int64_t *ns)
{
    char *end;
    int64_t unit = SUP_SECOND_NS / 10;
    *ns = strtoll(text, &end, 10) * SUP_SECOND_NS;
    if (end == text) return false;
    if (*end == '.') {
        for (end++; *end >= '0' && *end <= '9'; end++, unit /= 10) *ns += (*end - '0') * unit;
    }
    return *end == '\0';
}

static bool read_outcome(struct op *op, const char *word)
{
    for (size_t i = 1; i < COUNT_OF(outcome_names); i++) {
        if (strcmp(outcome_names[i], word) != 0) continue;
        op->outcome = (uint8_t) i;
        return true;
    }
    return false;
}

static bool read_flag(struct op *op, const char *word)
{
    for (size_t i = 0; i < COUNT_OF(flag_names); i++) {
        if (strcmp(flag_names[i].name, word) != 0) continue;
        op->flags |= flag_names[i].flag;
        return true;
    }
    return false;
}

static bool read_type(struct op *op, const char *word)
{
    for (size_t i = 0; i < COUNT_OF(op_names); i++) {
        if (strcmp(op_names[i].name, word) != 0) continue;
        op->type = op_names[i].type;
        return true;
    }
    return false;
}

static bool read_word(struct op *op, const char *word, char **save)
{
    const char *next;
    if (word[0] == 'n' && word[1] >= '0' && word[1] <= '9') {
        op->name = (uint8_t) strtoul(word + 1, NULL, 10);
        return true;
    }
    if (read_flag(op, word)) return true;
    if (read_outcome(op, word)) {
        next = strtok_r(NULL, " \n", save);
        if (next != NULL) op->code = (uint8_t) strtoul(next, NULL, 10);
        return next != NULL;
    }
    next = strtok_r(NULL, " \n", save);
    if (next == NULL) return false;
    if (strcmp(word, "config") == 0) {
        op->config = (uint8_t) strtoul(next, NULL, 10);
        return true;
    }
    return strcmp(word, "for") == 0 && read_ns(next, &op->wait_ns);
}

static bool read_op(struct run_case *run, char *line)
{
    char *save = NULL;
    struct op op = {0};
    const char *word = strtok_r(line, " \n", &save);
    if (run->op_count == CASE_OPS || !read_ns(word, &op.at_ns)) return false;
    word = strtok_r(NULL, " \n", &save);
    if (word == NULL || !read_type(&op, word)) return false;
    while ((word = strtok_r(NULL, " \n", &save)) != NULL) {
        if (!read_word(&op, word, &save)) return false;
    }
    run->ops[run->op_count++] = op;
    return true;
}

static bool read_line(struct run_case *run, char *line, bool *in_ops)
{
    if (line[0] == '#' || line[strspn(line, " \n")] == '\0') return true;
    if (strncmp(line, "seed ", 5) == 0) {
        run->seed = strtoull(line + 5, NULL, 10);
        return true;
    }
    if (strncmp(line, "config", 6) == 0) {
        if (run->config_count == CASE_CONFIGS) return false;
        run->configs[run->config_count++] = (struct config){0};
        return true;
    }
    if (strncmp(line, "ops", 3) == 0) {
        *in_ops = true;
        return true;
    }
    if (*in_ops) return read_op(run, line);
    return run->config_count > 0 && config_read_line(&run->configs[run->config_count - 1], line);
}

bool case_read(struct run_case *run, FILE *in, char *message, size_t size)
{
    char line[1024], copy[1024];
    bool in_ops = false;
    run->seed = 1;
    run->config_count = run->op_count = 0;
    for (int number = 1; fgets(line, sizeof line, in) != NULL; number++) {
        snprintf(copy, sizeof copy, "%s", line);
        if (read_line(run, line, &in_ops)) continue;
        snprintf(message, size, "line %d makes no sense: %.200s", number, copy);
        return false;
    }
    if (run->config_count == 0 || run->configs[0].count == 0) {
        snprintf(message, size, "there is no config");
        return false;
    }
    return true;
}
