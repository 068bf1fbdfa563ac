/*
** simulate/check_requests.c: every request gets exactly one reply, in time. Invariant 11.
** Also what a reload may do (16).
*/
#include "sim.h"

static struct request *find_request(struct sim *sim, uint64_t id)
{
    for (uint32_t rest = sim->pending; rest != 0; rest &= rest - 1) {
        struct request *request = &sim->requests[__builtin_ctz(rest)];
        if (request->id == id) return request;
    }
    return NULL;
}

void check_request(struct sim *sim, const struct sup_input *input)
{
    if (input->request == 0) return;
    if (sim->pending == UINT32_MAX) { /* so many waits that this one goes unwatched */
        sim->unwatched = input->request;
        return;
    }
    int place = __builtin_ctz(~sim->pending);
    sim->pending |= UINT32_C(1) << place;
    bool bounded = input->wait && input->wait_ns > 0;
    sim->requests[place] =
        (struct request){.id = input->request,
                         .type = input->type,
                         .node = input->node,
                         .instance = sim->subject == NULL ? 0 : sim->subject->instance,
                         .wait = input->wait,
                         .until_ns = bounded ? sim->now_ns + input->wait_ns : NEVER_NS};
}

/* A start is answered when every service has been launched, or waits, is delayed or failed. */
static void check_all_launched(struct sim *sim)
{
    const struct shadow *root = shadow_of(sim, sup_tree_root(sim->tree));
    each_shadow(sim, node)
    {
        if (node->parent != root || root == NULL || node->removed || node->instance == 0) continue;
        if (node->life & (LIFE_LAUNCHED | LIFE_STOPPING)) continue;
        if (shadow_state(sim, node) != SUP_STATE_STARTING) continue;
        struct sup_status status; /* of an instance that was launched later in this input */
        bool there = sup_tree_status(sim->tree, node->token, sim->now_ns, &status);
        if (there && status.instance != node->instance) continue;
        sim_violate(sim, 11, "the start is answered although %s is still starting",
                    sim_name(sim, node));
    }
}

void check_reply(struct sim *sim, const struct sup_effect *effect)
{
    struct request *request = find_request(sim, effect->request);
    if (effect->request == 0 || effect->request >= sim->next_request) {
        sim_violate(sim, 11, "a reply to request %llu, which nobody made",
                    (unsigned long long) effect->request);
        return;
    }
    if (request == NULL) {
        if (effect->request > sim->unwatched) {
            sim_violate(sim, 11, "a second reply to request %llu",
                        (unsigned long long) effect->request);
        }
        return;
    }
    enum sup_reply_status status = effect->reply.status;
    if (status == SUP_TIMEOUT && request->until_ns > sim->now_ns) {
        sim_violate(sim, 11, "a wait timed out before its time");
    }
    if (request->type == SUP_IN_RELOAD) {
        sim->dirty = true; /* the order may have changed, without any other word */
        if (sim->input->type != SUP_IN_RELOAD) sim->reloads++;
    }
    if (request->type == SUP_IN_START && status == SUP_OK) check_all_launched(sim);
    sim->pending &= ~(UINT32_C(1) << (request - sim->requests));
}

/* May the reply come in a later step although no wait was asked for? */
static bool may_be_late(const struct request *request)
{
    return request->wait || request->type == SUP_IN_START || request->type == SUP_IN_STOP ||
           request->type == SUP_IN_RELOAD || request->type == SUP_IN_KILL;
}

void check_replies(struct sim *sim)
{
    for (uint32_t rest = sim->pending; rest != 0; rest &= rest - 1) {
        const struct request *request = &sim->requests[__builtin_ctz(rest)];
        if (sim->ended) {
            sim_violate(sim, 11, "the tree has ended and request %llu has no reply",
                        (unsigned long long) request->id);
        } else if (!may_be_late(request)) {
            sim_violate(sim, 11, "request %llu, which does not wait, has no reply",
                        (unsigned long long) request->id);
        } else if (sim->input->type == SUP_IN_TICK && request->until_ns <= sim->now_ns) {
            sim_violate(sim, 11, "the wait of request %llu is over and it has no reply",
                        (unsigned long long) request->id);
        }
    }
}

/* --- reloads ---------------------------------------------------------------------------------- */

static int find_config(const struct sim *sim, const void *blob)
{
    for (uint32_t i = 0; i < sim->run->config_count; i++) {
        if (sim->run->configs[i].blob == blob) return (int) i;
    }
    return -1;
}

/* Is everything there that it declares? What left the tree by itself comes back by a reload. */
static bool is_whole(const struct sim *sim, const struct config *config)
{
    for (uint32_t i = 0; i < config->count; i++) {
        if (sim->by_name[config->decls[i].name] == 0) return false;
    }
    return true;
}

void check_reload(struct sim *sim)
{
    sim->same_config = false;
    if (sim->input->type != SUP_IN_RELOAD || !sim->config_known) return;
    int index = find_config(sim, sim->input->blob);
    bool is_same = index >= 0 && (uint32_t) index == sim->config;
    sim->same_config = is_same && is_whole(sim, &sim->run->configs[index]);
}

static bool has_event(const struct sim *sim, enum sup_event_type type)
{
    for (size_t i = 0; i < sim->effect_count; i++) {
        const struct sup_effect *effect = &sim->effects[i];
        if (effect->type == SUP_DO_EVENT && effect->event.type == type) return true;
    }
    return false;
}

static bool touches_somebody(const struct sup_effect *effect)
{
    if (effect->type != SUP_DO_EVENT) {
        return effect->type != SUP_DO_REPLY && effect->type != SUP_DO_UPDATE;
    }
    return effect->event.type != SUP_EVENT_RELOADED;
}

static void check_untouched(struct sim *sim)
{
    for (size_t i = 0; i < sim->effect_count; i++) {
        if (!touches_somebody(&sim->effects[i])) continue;
        sim_violate(sim, 16, "a reload of what runs already has an effect on %s",
                    sim_name(sim, shadow_of(sim, sim->effects[i].node)));
    }
}

void check_reloaded(struct sim *sim)
{
    bool is_reload = sim->input->type == SUP_IN_RELOAD;
    bool refused = is_reload && has_event(sim, SUP_EVENT_RELOAD_REFUSED);
    if (refused && sim->effect_count != 2) {
        sim_violate(sim, 16, "a refused reload has effects beside its event and its reply");
    }
    if (sim->same_config) check_untouched(sim);
    bool is_begun = is_reload && !refused && sim->reloads == 1;
    if (is_begun && has_event(sim, SUP_EVENT_RELOADED)) {
        sim->config = (uint32_t) find_config(sim, sim->input->blob);
        sim->config_known = true;
    } else if (sim->reloads > 0) {
        sim->config_known = false;
    }
}
