/*
** simulate/coverage.c: a table of (state, input) pairs. A fact or a command to a node counts for
** that node's state; what concerns the whole tree counts for the state of every node.
*/
#include "coverage.h"

#include "sim.h"

static const char *const input_names[COVERAGE_INPUTS] = {
    [SUP_IN_TICK] = "tick",
    [SUP_IN_LAUNCHED] = "launched",
    [SUP_IN_LAUNCH_FAILED] = "launch_f",
    [SUP_IN_READY] = "ready",
    [SUP_IN_ENDED] = "ended",
    [SUP_IN_HOST_DIED] = "host",
    [SUP_IN_START] = "START",
    [SUP_IN_STOP] = "STOP",
    [SUP_IN_KILL] = "KILL",
    [SUP_IN_ADD] = "add",
    [SUP_IN_REMOVE] = "remove",
    [SUP_IN_START_NODE] = "start",
    [SUP_IN_STOP_NODE] = "stop",
    [SUP_IN_RESTART_NODE] = "restart",
    [SUP_IN_RELOAD] = "reload",
    [SUP_IN_UNHEALTHY] = "sick",
    [SUP_IN_EXTEND] = "extend",
    [SUP_IN_SCHEDULE] = "schedule",
    [SUP_IN_EXITING] = "exiting",
    [SUP_IN_ACTIVATE] = "activate",
};

static bool concerns_all(enum sup_input_type type)
{
    return type == SUP_IN_TICK || type == SUP_IN_HOST_DIED || type == SUP_IN_START ||
           type == SUP_IN_STOP || type == SUP_IN_KILL || type == SUP_IN_RELOAD;
}

static void note(struct sim *sim, const struct shadow *node, enum sup_input_type type)
{
    struct sup_status status;
    if (!sup_tree_status(sim->tree, node->token, sim->now_ns, &status)) return;
    bool is_supervisor = status.kind == SUP_SUPERVISOR;
    sim->coverage->met[is_supervisor][status.state][type]++;
}

void coverage_note(struct sim *sim, const struct sup_input *input)
{
    if (!concerns_all(input->type)) {
        if (sim->subject != NULL) note(sim, sim->subject, input->type);
        return;
    }
    each_shadow(sim, node)
    {
        note(sim, node, input->type);
    }
}

void coverage_add(struct coverage *sum, const struct coverage *other)
{
    for (int kind = 0; kind < 2; kind++) {
        for (int state = 0; state < SUP_STATE_COUNT; state++) {
            for (int input = 0; input < COVERAGE_INPUTS; input++) {
                sum->met[kind][state][input] += other->met[kind][state][input];
            }
        }
    }
}

/* Facts are of services alone; a supervisor is never stuck or done, a service never paused; it is
** only running, paused or stopping supervisors that facts could be about. */
static bool is_reachable(bool supervisor, int state, int input)
{
    if (supervisor && (state == SUP_STATE_STUCK || state == SUP_STATE_DONE)) return false;
    if (!supervisor && state == SUP_STATE_PAUSED) return false;
    if (supervisor && sim_is_fact((enum sup_input_type) input)) return false;
    if (input == SUP_IN_SCHEDULE) return false; /* no timer here is of the calendar */
    if (input == SUP_IN_ACTIVATE) return false; /* nobody here has sockets */
    return true;
}

static void print_count(uint64_t count, FILE *out)
{
    if (count < 1000000) {
        fprintf(out, " %8llu", (unsigned long long) count);
    } else {
        fprintf(out, " %7lluM", (unsigned long long) (count / 1000000));
    }
}

static int print_row(const struct coverage *coverage, bool supervisor, int state, FILE *out)
{
    int missing = 0;
    fprintf(out, "%-10s", sup_state_name((enum sup_state) state));
    for (int input = 1; input < COVERAGE_INPUTS; input++) {
        uint64_t count = coverage->met[supervisor][state][input];
        if (!is_reachable(supervisor, state, input)) {
            fprintf(out, " %8s", count == 0 ? "." : "?!");
            if (count != 0) missing++;
            continue;
        }
        print_count(count, out);
        if (count == 0) missing++;
    }
    fputc('\n', out);
    return missing;
}

int coverage_print(const struct coverage *coverage, FILE *out)
{
    int missing = 0;
    for (int kind = 0; kind < 2; kind++) {
        fprintf(out, "%-10s", kind == 0 ? "service" : "supervisor");
        for (int input = 1; input < COVERAGE_INPUTS; input++)
            fprintf(out, " %8s", input_names[input]);
        fputc('\n', out);
        for (int state = 0; state < SUP_STATE_COUNT; state++) {
            bool exists = false;
            for (int input = 1; input < COVERAGE_INPUTS; input++) {
                exists = exists || is_reachable(kind == 1, state, input);
            }
            if (exists) missing += print_row(coverage, kind == 1, state, out);
        }
    }
    fprintf(out, ". cannot be; %d reachable pairs were not met\n", missing);
    return missing;
}
