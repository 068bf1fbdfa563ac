/*
** engine/limits.c: limits of cgroups that do not hold, as the keeper says; in words, with what can
** be done. Must not know how they are set.
*/
#include "engine/inside.h"

#include "core/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 768
#define DELEGATE "give suptree a cgroup of its own (systemd: Delegate=yes)"

/* What is the matter, and what to do. */
static const struct {
    const char *what, *remedy;
} whys[SUP_LIMITS_WHY_COUNT] = {
    [SUP_LIMITS_HOLD] = {"it is not known why", "see the keeper's messages"},
    [SUP_LIMITS_NO_CGROUP] = {"there is no cgroup v2 that we may use", DELEGATE},
    [SUP_LIMITS_NO_CONTROLLER] = {"our cgroup has no controller for it",
                                  "boot with cgroup v2 alone, or Delegate=yes"},
    [SUP_LIMITS_SHARED] = {"others live in our cgroup", DELEGATE},
    [SUP_LIMITS_DENIED] = {"we may not hand its controller on", DELEGATE},
    [SUP_LIMITS_REFUSED] = {"the kernel does not take the value", "write another one"},
    [SUP_LIMITS_LATER] = {"the process was started without a cgroup", "restart it"},
};

/* "cpu_max, memory_max" */
static void name_limits(uint32_t off, char *buf, size_t size)
{
    size_t length = 0;
    buf[0] = '\0';
    for (unsigned item = 0; item < SUP_CGROUP_ITEMS; item++) {
        if ((off >> item & 1) == 0 || length >= size) continue;
        int n = snprintf(buf + length, size - length, "%s%s", length == 0 ? "" : ", ",
                         sup_cgroup_name(item));
        length += n > 0 ? (size_t) n : 0;
    }
}

static void explain(uint32_t off, unsigned why, int error, char *buf, size_t size)
{
    char names[256];
    name_limits(off, names, sizeof names);
    if (why >= SUP_LIMITS_WHY_COUNT) why = SUP_LIMITS_HOLD;
    bool is_known = error != 0 && why != SUP_LIMITS_NO_CONTROLLER && why != SUP_LIMITS_LATER;
    if (why == SUP_LIMITS_REFUSED && error == ENOENT) {
        snprintf(buf, size, "%s do%s not hold: this kernel has no such limit; take it out", names,
                 (off & (off - 1)) == 0 ? "es" : "");
        return;
    }
    snprintf(buf, size, "%s do%s not hold: %s%s%s%s; %s", names, (off & (off - 1)) == 0 ? "es" : "",
             whys[why].what, is_known ? " (" : "", is_known ? strerror(error) : "",
             is_known ? ")" : "", whys[why].remedy);
}

void sup_limits_note(struct sup_engine *engine, const struct sup_wire *message)
{
    char path[1024], text[TEXT_SIZE];
    struct sup_slot *slot = sup_slots_find(&engine->slots, message->node);
    if (slot == NULL || !slot->live || slot->instance + engine->bases.instance != message->instance)
        return;
    pthread_mutex_lock(&engine->mutex);
    slot->limits_off = (uint32_t) message->a;
    slot->limits_why = (int) message->seq;
    slot->limits_error = message->b;
    pthread_mutex_unlock(&engine->mutex);
    uint32_t bit = UINT32_C(1) << (message->seq % 32);
    if (slot->limits_off == 0 || (engine->limits_said & bit) != 0) return;
    engine->limits_said |= bit;
    explain(slot->limits_off, (unsigned) slot->limits_why, slot->limits_error, text, sizeof text);
    sup_tell_line(engine, "%s runs, but its %s (said once; of others see status)",
                  sup_tree_path(engine->tree, slot->node, path, sizeof path), text);
}

void sup_limits_failure(const struct sup_wire *message, char *buf, size_t size)
{
    char text[TEXT_SIZE];
    explain((uint32_t) message->more, (unsigned) (message->more >> 32), message->b, text,
            sizeof text);
    snprintf(buf, size, "%s: %s", sup_wire_step_text(message->a), text);
}

uint32_t sup_engine_limits_off(const struct sup_view *view, sup_token node, char *buf, size_t size)
{
    const struct sup_slot *slot = sup_slots_find(&view->engine->slots, node);
    buf[0] = '\0';
    if (slot == NULL || !slot->live || slot->limits_off == 0) return 0;
    explain(slot->limits_off, (unsigned) slot->limits_why, slot->limits_error, buf, size);
    return slot->limits_off;
}
