/*
** script/control_usage.c: what Linux says of the processes of services: what they use, and why one
** that was killed has not ended. Read beside the engine: its mutex is held only to learn where to
** look.
*/
#include "script/control_inside.h"

#include "wire/wire.h"

#include <math.h>

struct seats {
    const sup_token *nodes;
    size_t count;
    struct sup_engine_seat at[SUP_CONTROL_SLICE];
    bool is_stuck[SUP_CONTROL_SLICE];
};

static void find_seats(void *context, const struct sup_view *view)
{
    struct seats *seats = context;
    for (size_t i = 0; i < seats->count; i++) {
        struct sup_status status;
        seats->at[i] = sup_engine_seat(view, seats->nodes[i]);
        seats->is_stuck[i] = sup_tree_status(view->tree, seats->nodes[i], view->now_ns, &status) &&
                             status.state == SUP_STATE_STUCK;
    }
}

void sup_control_look(struct sup_control *control, const sup_token *nodes, size_t count,
                      bool with_usage, struct sup_outside *outside)
{
    char name[32];
    struct seats seats = {.nodes = nodes, .count = count};
    sup_engine_read(control->engine, find_seats, &seats);
    for (size_t i = 0; i < count; i++) {
        const struct sup_seat seat = {
            .pid = seats.at[i].pid,
            .cgroups = sup_engine_cgroups(control->engine),
            .folder = seats.at[i].folder == 0
                          ? NULL
                          : sup_wire_folder_name(seats.at[i].folder, name, sizeof name),
        };
        outside[i].why[0] = '\0';
        outside[i].has_usage = with_usage && seat.pid > 0;
        if (outside[i].has_usage) sup_usage_read(&seat, &outside[i].usage);
        if (seats.is_stuck[i] && seat.pid > 0)
            sup_process_why(&seat, outside[i].why, sizeof outside[i].why);
    }
}

void sup_control_put_outside(struct sup_json *json, const struct sup_outside *outside)
{
    const struct sup_usage *usage = &outside->usage;
    if (outside->why[0] != '\0') sup_json_put_string(json, "stuck_on", outside->why);
    if (!outside->has_usage || usage->processes == 0) return;
    sup_json_key(json, "usage");
    sup_json_begin_object(json);
    sup_json_put_number(json, "cpu", round((double) usage->cpu_ns / 1e6) / 1000);
    sup_json_put_integer(json, "memory", (int64_t) usage->memory);
    if (usage->memory_peak > 0)
        sup_json_put_integer(json, "memory_peak", (int64_t) usage->memory_peak);
    sup_json_put_integer(json, "processes", usage->processes);
    sup_json_end_object(json);
}
