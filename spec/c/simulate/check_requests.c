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
                         .wait = input->wait,
                         .until_ns = bounded ? sim->now_ns + input->wait_ns : NEVER_NS};
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
