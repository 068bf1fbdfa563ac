/*
** simulate/sim.c: applies operations and inputs to the tree, collects what comes out, and hands
** each effect to the checks. Knows nothing of chance.
*/
#include "sim.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void sim_violate(struct sim *sim, int invariant, const char *format, ...)
{
    if (sim->violated != 0) return;
    va_list args;
    va_start(args, format);
    vsnprintf(sim->message, sizeof sim->message, format, args);
    va_end(args);
    sim->violated = invariant;
}

bool sim_begin(struct sim *sim, const struct run_case *run)
{
    struct sup_err err = {0};
    const struct config *config = &run->configs[0];
    memset(sim, 0, offsetof(struct sim, effects));
    memset((char *) sim + offsetof(struct sim, effect_count), 0,
           sizeof *sim - offsetof(struct sim, effect_count));
    sim->run = run;
    sim->next_request = 1;
    sim->config_known = true;
    sim->now_ns = SUP_SECOND_NS; /* at 0 a deadline could not be told from none */
    sim->tree = sup_tree_create(config->blob, config->size, run->seed, &err);
    if (sim->tree == NULL) {
        sim_violate(sim, SIM_REFUSED, "the tree was refused: %s", err.reason);
        return false;
    }
    shadow_sync(sim);
    return sim->violated == 0;
}

void sim_end(struct sim *sim)
{
    twin_destroy(sim->twin);
    sup_tree_destroy(sim->tree);
    sim->twin = NULL;
    sim->tree = NULL;
}

/* --- effects --------------------------------------------------------------------------------- */

static bool changes_members(const struct sup_effect *effect)
{
    if (effect->type != SUP_DO_EVENT) return effect->type == SUP_DO_UPDATE;
    enum sup_event_type type = effect->event.type;
    return type == SUP_EVENT_ADDED || type == SUP_EVENT_REMOVED || type == SUP_EVENT_RELOADED ||
           type == SUP_EVENT_ROLLED_BACK;
}

/* Known before any of its effects is looked at, whichever comes first. */
static void note_reload(struct sim *sim)
{
    sim->config_changes++;
    sim->reloads++;
    sim->licences++;
}

static void collect(struct sim *sim)
{
    struct sup_effect *effect = &sim->effects[0];
    sim->effect_count = 0;
    sim->reloads = 0;
    for (; sup_tree_next_effect(sim->tree, effect); effect = &sim->effects[sim->effect_count]) {
        if (effect->seq != ++sim->last_seq) sim_violate(sim, 17, "effect numbers have a gap");
        if (changes_members(effect)) sim->dirty = true;
        enum sup_event_type type = effect->type == SUP_DO_EVENT ? effect->event.type : 0;
        if (type == SUP_EVENT_RELOADED || type == SUP_EVENT_ROLLED_BACK) note_reload(sim);
        if (sim->effect_count + 1 == EFFECTS) {
            sim_violate(sim, 20, "one input has more than %d effects", EFFECTS);
            return;
        }
        sim->effect_count++;
    }
}

static void note_tree_event(struct sim *sim, const struct sup_event *event)
{
    if (event->type == SUP_EVENT_STARTED) sim->serving = true;
    if (event->type == SUP_EVENT_STOPPED) {
        if (sim->ended) sim_violate(sim, 17, "the tree ended twice");
        sim->ended = true;
    }
    if (event->type == SUP_EVENT_RELOADED) sim->uncertain = 1;
    if (event->type == SUP_EVENT_RELOADED || event->type == SUP_EVENT_ROLLED_BACK) {
        check_new_budgets(sim);
    }
    if (event->type != SUP_EVENT_ROLLED_BACK) return;
    if (sim->uncertain == 0) sim_violate(sim, 16, "rolled back although no reload is uncertain");
    sim->uncertain = 0;
    each_shadow(sim, node)
    {
        node->automatic = false; /* what is rolled back comes up at once */
    }
}

static void check_event(struct sim *sim, struct shadow *node, const struct sup_effect *effect)
{
    const struct sup_event *event = &effect->event;
    switch (event->type) {
    case SUP_EVENT_STARTED:
    case SUP_EVENT_STOPPED:
    case SUP_EVENT_RELOADED:
    case SUP_EVENT_RELOAD_REFUSED:
    case SUP_EVENT_ROLLED_BACK:
    case SUP_EVENT_HOST_RESTARTED:
        note_tree_event(sim, event);
        break;
    case SUP_EVENT_SKIPPED:
        check_skipped(sim, node);
        break;
    case SUP_EVENT_LAUNCHED:
        check_launched(sim, node, effect);
        break;
    case SUP_EVENT_LAUNCH_FAILED:
        check_launch_failed(sim, node, event);
        break;
    case SUP_EVENT_READY:
        check_ready(sim, node, effect);
        break;
    case SUP_EVENT_STOPPING:
        check_stopping(sim, node, event);
        break;
    case SUP_EVENT_ENDED:
        check_ended(sim, node, effect);
        break;
    case SUP_EVENT_FAILED:
        check_failed(sim, node, event);
        break;
    case SUP_EVENT_BACKOFF:
        check_backoff(sim, node, event);
        break;
    case SUP_EVENT_RESUME:
        check_resume(sim, node);
        break;
    case SUP_EVENT_DELAYED:
        check_delayed(sim, node, event);
        break;
    case SUP_EVENT_GAVE_UP:
        check_gave_up(sim, node);
        break;
    case SUP_EVENT_ESCALATED:
        check_escalated(sim, node, event);
        break;
    case SUP_EVENT_STUCK:
        check_stuck(sim, node);
        break;
    case SUP_EVENT_REMOVED:
        shadow_remove(sim, node);
        break;
    case SUP_EVENT_STOP_TIMEOUT:
        if (node->life & LIFE_TIMED_OUT) {
            sim_violate(sim, 17, "%s: its timeout is said twice", sim_name(sim, node));
        }
        node->life |= LIFE_TIMED_OUT;
        break;
    case SUP_EVENT_KILLED:
        node->life |= LIFE_KILL_SAID;
        break;
    case SUP_EVENT_ADDED:
    case SUP_EVENT_UNHEALTHY:
    case SUP_EVENT_HEALTHY:
        break;
    case SUP_EVENT_COUNT:
        break;
    }
}

static bool is_of_tree(const struct sup_effect *effect)
{
    if (effect->type == SUP_DO_REPLY) return true;
    if (effect->type != SUP_DO_EVENT) return false;
    enum sup_event_type type = effect->event.type;
    return type == SUP_EVENT_STARTED || type == SUP_EVENT_STOPPED || type == SUP_EVENT_RELOADED ||
           type == SUP_EVENT_RELOAD_REFUSED || type == SUP_EVENT_ROLLED_BACK ||
           type == SUP_EVENT_HOST_RESTARTED;
}

static void check_effect(struct sim *sim, const struct sup_effect *effect)
{
    struct shadow *node = shadow_of(sim, effect->node);
    if (sim->dirty && (node == NULL || changes_members(effect))) {
        shadow_sync(sim); /* what came before was still of the former members and specs */
        node = shadow_of(sim, effect->node);
    }
    if (node == NULL && !is_of_tree(effect)) {
        /* What a reload brought and what left again in the same input is never seen. */
        if (effect->type == SUP_DO_EVENT) sim->last_event++;
        if (sim->reloads > 0) return;
        sim_violate(sim, 12, "effect %d is of a node that is not there", (int) effect->type);
        return;
    }
    if (node != NULL) sim->touched |= UINT64_C(1) << node->slot;
    if (sim->quiet && effect->type != SUP_DO_REPLY) {
        sim_violate(sim, 12, "an input that must change nothing had effect %d", (int) effect->type);
    }
    switch (effect->type) {
    case SUP_DO_LAUNCH:
        check_launch(sim, node, effect);
        break;
    case SUP_DO_INTERRUPT:
        check_interrupt(sim, node, effect);
        break;
    case SUP_DO_KILL:
        check_kill(sim, node, effect);
        break;
    case SUP_DO_ABANDON:
        check_abandon(sim, node, effect);
        break;
    case SUP_DO_REPLY:
        check_reply(sim, effect);
        break;
    case SUP_DO_EVENT:
        if (effect->event.number != ++sim->last_event) {
            sim_violate(sim, 17, "event numbers have a gap");
        }
        check_event(sim, node, effect);
        break;
    case SUP_DO_UPDATE:
        break;
    case SUP_DO_FORGET:
        shadow_forget(sim, node);
        break;
    case SUP_DO_LISTEN:
    case SUP_DO_SCHEDULE: /* no timer here is of the calendar */
        break;
    }
}

/* --- what is shown --------------------------------------------------------------------------- */

static void show_effect(struct sim *sim, const struct sup_effect *effect)
{
    static const char *const names[] = {
        [SUP_DO_LAUNCH] = "LAUNCH",     [SUP_DO_INTERRUPT] = "INTERRUPT",
        [SUP_DO_KILL] = "KILL",         [SUP_DO_ABANDON] = "ABANDON",
        [SUP_DO_REPLY] = "reply",       [SUP_DO_EVENT] = "event",
        [SUP_DO_UPDATE] = "UPDATE",     [SUP_DO_FORGET] = "FORGET",
        [SUP_DO_SCHEDULE] = "SCHEDULE", [SUP_DO_LISTEN] = "LISTEN"};
    const struct sup_event *event = &effect->event;
    const struct shadow *node = shadow_of(sim, effect->node);
    fprintf(sim->verbose, "      %s", names[effect->type]);
    if (node != NULL) fprintf(sim->verbose, " n%u.%u", node->name, effect->generation);
    if (effect->type == SUP_DO_REPLY) {
        fprintf(sim->verbose, " to %llu: %d", (unsigned long long) effect->request,
                (int) effect->reply.status);
    }
    if (effect->type == SUP_DO_EVENT) {
        fprintf(sim->verbose, " %s cause %s", sup_event_name(event->type),
                sup_cause_name(event->cause));
        if (event->until_ns != 0)
            fprintf(sim->verbose, " until %.9f", (double) event->until_ns / 1e9);
        if (event->threshold != 0 || event->count != 0) {
            fprintf(sim->verbose, " %g of %g", event->count, event->threshold);
        }
        if (event->planned) fprintf(sim->verbose, " planned");
        if (event->restarting) fprintf(sim->verbose, " restarting");
    }
    fputc('\n', sim->verbose);
}

static void show_states(struct sim *sim)
{
    fputs("      ", sim->verbose);
    each_shadow(sim, node)
    {
        struct sup_status status;
        if (!sup_tree_status(sim->tree, node->token, sim->now_ns, &status)) continue;
        fprintf(sim->verbose, " n%u:%s%s%s", node->name, sup_state_name(status.state),
                status.ready ? "+" : "", status.leaving ? "(leaving)" : "");
    }
    fputc('\n', sim->verbose);
}

/* --- one input ------------------------------------------------------------------------------- */

static void note_time(struct sim *sim, int64_t now_ns)
{
    int64_t deadline = sup_tree_deadline(sim->tree);
    if (now_ns <= sim->now_ns) return;
    int64_t due = deadline > sim->now_ns ? deadline : sim->now_ns;
    if (now_ns > due) sim->lateness_ns += now_ns - due;
    sim->now_ns = now_ns;
}

void sim_apply(struct sim *sim, struct sup_input *input, int64_t now_ns)
{
    bool is_first = sim->steps++ == 0;
    if (is_first && now_ns < sim->now_ns) now_ns = sim->now_ns;
    note_time(sim, now_ns);
    if (!sim_is_fact(input->type) && input->type != SUP_IN_TICK &&
        input->type != SUP_IN_HOST_DIED) {
        input->request = sim->next_request++;
    }
    sim->input = input;
    sim->subject = shadow_of(sim, input->node);
    sim->failed = NULL;
    sim->touched = sim->subject == NULL ? 0 : UINT64_C(1) << sim->subject->slot;
    check_before(sim);
    if (sim->coverage != NULL) coverage_note(sim, input);
    check_request(sim, input);
    check_reload(sim);
    sup_tree_apply(sim->tree, input, now_ns);
    collect(sim);
    if (sim->subject != NULL && sim->subject->late_failure) {
        sim->subject->late_failure = false;
        check_late_start(sim, sim->subject, sim->effects);
    }
    for (size_t i = 0; i < sim->effect_count && sim->violated == 0; i++) {
        if (sim->verbose != NULL) show_effect(sim, &sim->effects[i]);
        check_effect(sim, &sim->effects[i]);
    }
    if (sim->verbose != NULL) show_states(sim);
    if (sim->violated == 0) check_reloaded(sim);
    if (sim->dirty && sim->violated == 0) shadow_sync(sim);
    if (sim->violated == 0) check_after(sim);
    if (sim->twin != NULL && sim->violated == 0) twin_step(sim, input, now_ns);
    sim->input = NULL;
}

/* --- operations ------------------------------------------------------------------------------ */

static struct shadow *find_node(const struct sim *sim, const struct op *op)
{
    const uint8_t *names = op->flags & OP_FORMER ? sim->former_by_name : sim->by_name;
    uint8_t slot = op->name < NAMES ? names[op->name] : 0;
    if (slot == 0) slot = op->name < NAMES ? sim->former_by_name[op->name] : 0;
    return slot == 0 ? NULL : (struct shadow *) &sim->shadows[slot - 1];
}

static bool aim_fact(struct sim *sim, const struct op *op, struct sup_input *input)
{
    struct shadow *node = find_node(sim, op);
    if (node == NULL || node->traits.kind == SUP_SUPERVISOR) return false;
    input->node = node->token;
    input->instance = node->instance;
    if (op->flags & OP_STALE) input->instance = node->former;
    if (op->flags & OP_ZERO) input->instance = 0;
    if (op->flags & OP_ABANDONED) {
        input->instance = 0;
        for (int i = 0; i < ABANDONED && input->instance == 0; i++) {
            input->instance = node->abandoned[i];
        }
        return input->instance != 0;
    }
    if (op->flags & (OP_STALE | OP_ZERO)) return true;
    /* What no driver would say of an instance: a failed launch of one that was launched. */
    if (input->type == SUP_IN_LAUNCH_FAILED && (node->life & LIFE_LAUNCHED)) return false;
    return node->instance != 0;
}

static bool aim_command(struct sim *sim, const struct op *op, struct sup_input *input)
{
    struct shadow *node = find_node(sim, op);
    input->node = node == NULL ? 0 : node->token;
    if (op->flags & OP_STALE) input->node = op->name < NAMES ? sim->lost_by_name[op->name] : 0;
    if (op->flags & OP_ZERO) input->node = 0;
    input->wait = op->flags & OP_WAIT;
    input->wait_ns = op->wait_ns;
    return true;
}

static void aim_blob(const struct sim *sim, const struct op *op, struct sup_input *input)
{
    static const unsigned char broken[64] = {1};
    const struct config *config = &sim->run->configs[op->config % sim->run->config_count];
    bool is_broken = op->flags & OP_BROKEN;
    input->blob = is_broken ? broken : config->blob;
    input->blob_size = is_broken ? sizeof broken : config->size;
}

void sim_do(struct sim *sim, const struct op *op)
{
    struct sup_input input = {
        .type = (enum sup_input_type) op->type,
        .flag = op->flags & OP_FLAG,
        .outcome = {.kind = (enum sup_outcome_kind) op->outcome, .code = op->code},
    };
    switch (op->type) {
    case OP_SETTLE:
        sim_settle(sim);
        return;
    case OP_FINISH:
        sim_finish(sim);
        return;
    case SUP_IN_LAUNCHED:
    case SUP_IN_READY:
    case SUP_IN_LAUNCH_FAILED:
    case SUP_IN_ENDED:
    case SUP_IN_UNHEALTHY:
    case SUP_IN_EXTEND:
    case SUP_IN_EXITING:
        if (!aim_fact(sim, op, &input)) return;
        break;
    case SUP_IN_HOST_DIED:
        if (aim_fact(sim, op, &input) &&
            sim->shadows[(uint32_t) input.node].instance_kind == SUP_THREAD)
            break;
        input.node = input.instance = 0;
        break;
    case SUP_IN_TICK:
        break;
    case SUP_IN_ADD:
    case SUP_IN_RELOAD:
        aim_blob(sim, op, &input);
        __attribute__((fallthrough));
    default:
        if (!aim_command(sim, op, &input)) return;
        break;
    }
    /* Half of those that are not rolled back are as those that scale. */
    if (op->type == SUP_IN_RELOAD && (op->flags & OP_FLAG) && op->config % 2 == 0)
        input.node = sup_form_checksum(sup_tree_config(sim->tree));
    if (op->type == SUP_IN_EXTEND) input.wait_ns = op->wait_ns;
    if (op->type == SUP_IN_UNHEALTHY) input.text = "by chance";
    if (op->type == SUP_IN_START || op->type == SUP_IN_STOP) input.text = "by chance";
    if (sim->verbose != NULL) op_write(op, sim->verbose);
    sim_apply(sim, &input, op->at_ns);
}
