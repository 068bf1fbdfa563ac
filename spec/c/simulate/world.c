/*
** simulate/world.c: chance. Services that launch, get ready and end when they like, ignore stops
** and kills; persons who ask at hot moments: exactly at a deadline, just before, just after.
*/
#include "world.h"

#define MS (SUP_SECOND_NS / 1000)
#define HALF (SUP_SECOND_NS / 2)
#define PLAN_NOTHING 0

/* What a service is going to do. */
struct plan {
    sup_token token;
    uint64_t instance;
    int64_t at_ns;
    uint8_t type; /* enum sup_input_type; PLAN_NOTHING */
    uint8_t outcome, code;
    bool flag;
};

#define GHOSTS 4

struct world {
    struct rng rng;
    struct sim *sim;
    struct run_case *run;
    uint8_t next_name;
    uint32_t busy;     /* of 256 steps so many are commands */
    uint32_t noise;    /* and so many stale or doubled facts */
    uint32_t frail;    /* 0: ends are rare, 3: services end at once more often than not */
    uint32_t stubborn; /* 0: stops are obeyed, 3: mostly ignored */
    bool mortal;       /* services may end the whole tree */
    uint32_t fails;    /* one launch in so many fails */
    struct plan plans[SLOTS];
    struct plan ghosts[GHOSTS]; /* abandoned instances */
    uint32_t latest;            /* the config that was asked for last */
};

/* --- what services do ------------------------------------------------------------------------ */

static int64_t draw_short(struct world *world)
{
    static const int64_t times[] = {0, 0, 0, 0, 0, 1, MS, HALF, HALF, SUP_SECOND_NS};
    return times[rng_below(&world->rng, sizeof times / sizeof times[0])];
}

static int64_t draw_life(struct world *world)
{
    static const int64_t times[] = {0,
                                    0,
                                    1,
                                    MS,
                                    HALF,
                                    HALF,
                                    SUP_SECOND_NS,
                                    SUP_SECOND_NS,
                                    2 * SUP_SECOND_NS,
                                    3 * SUP_SECOND_NS,
                                    5 * SUP_SECOND_NS,
                                    10 * SUP_SECOND_NS,
                                    30 * SUP_SECOND_NS,
                                    NEVER_NS,
                                    NEVER_NS,
                                    NEVER_NS};
    static const uint32_t span[] = {16, 14, 12, 8};
    static const uint32_t first[] = {6, 4, 2, 0};
    uint32_t from = first[world->frail];
    return times[from + rng_below(&world->rng, span[world->frail] - from)];
}

static void set_plan(struct plan *plan, const struct shadow *node, enum sup_input_type type,
                     int64_t at_ns)
{
    *plan = (struct plan){.token = node->token,
                          .instance = node->instance,
                          .at_ns = at_ns,
                          .type = (uint8_t) type};
}

static int64_t later(const struct world *world, int64_t delay_ns)
{
    return delay_ns == NEVER_NS ? NEVER_NS : world->sim->now_ns + delay_ns;
}

static void draw_outcome(struct world *world, struct plan *plan, const struct shadow *node)
{
    static const uint8_t codes[] = {0, 0, 0, 1, 1, 1, 1, 3, 4, 5};
    static const uint8_t kinds[] = {SUP_END_RETURNED, SUP_END_RETURNED, SUP_END_ERROR,
                                    SUP_END_ERROR,    SUP_END_ERROR,    SUP_END_ERROR,
                                    SUP_END_ERROR,    SUP_END_DONE,     SUP_END_LOST};
    struct rng *rng = &world->rng;
    if (node->traits.kind == SUP_THREAD) {
        plan->outcome = kinds[rng_below(rng, sizeof kinds)];
        if (world->mortal && rng_one_in(rng, 64)) plan->outcome = SUP_END_TERMINATE;
    } else if (rng_one_in(rng, 5)) {
        plan->outcome = rng_one_in(rng, 8) ? SUP_END_LOST : SUP_END_SIGNAL;
        plan->code = plan->outcome == SUP_END_SIGNAL ? 11 : 0;
    } else {
        plan->outcome = SUP_END_EXIT;
        plan->code = codes[rng_below(rng, sizeof codes - (world->mortal ? 0 : 1))];
    }
}

static void plan_launch(struct world *world, const struct shadow *node)
{
    struct plan *plan = &world->plans[node->slot];
    set_plan(plan, node, SUP_IN_LAUNCHED, later(world, draw_short(world)));
    if (rng_one_in(&world->rng, world->fails)) {
        plan->type = SUP_IN_LAUNCH_FAILED;
        plan->flag = rng_one_in(&world->rng, 3);
        plan->outcome = SUP_END_NO_LAUNCH;
        plan->code = plan->flag ? 11 : 2;
    } else if (rng_one_in(&world->rng, 32)) {
        plan->type = SUP_IN_ENDED; /* its launch was never said */
        draw_outcome(world, plan, node);
    }
}

static uint8_t draw_sickness(struct world *world)
{
    return rng_one_in(&world->rng, 2) ? SUP_END_WATCHDOG : SUP_END_UNHEALTHY;
}

static void plan_end(struct world *world, const struct shadow *node, int64_t at_ns)
{
    struct plan *plan = &world->plans[node->slot];
    set_plan(plan, node, SUP_IN_ENDED, at_ns);
    draw_outcome(world, plan, node);
}

/* Around ${moment}: just before, exactly, just after. */
static int64_t draw_near(struct world *world, int64_t moment)
{
    if (moment == NEVER_NS) return NEVER_NS;
    return moment + (int64_t) rng_below(&world->rng, 3) - 1;
}

static int64_t draw_obedience(struct world *world, int64_t deadline_ns)
{
    uint32_t choice = rng_below(&world->rng, 8);
    if (choice < 5 - world->stubborn) return later(world, 0);
    if (choice == 5) return later(world, HALF);
    if (choice == 6) return draw_near(world, deadline_ns);
    return rng_one_in(&world->rng, 3) ? later(world, 20 * SUP_SECOND_NS) : NEVER_NS;
}

static void plan_after_launch(struct world *world, const struct shadow *node)
{
    if (node->life & LIFE_STOPPING) {
        plan_end(world, node, draw_obedience(world, node->kill_ns));
        return;
    }
    struct plan *plan = &world->plans[node->slot];
    if (node->ready || node->traits.ends || rng_one_in(&world->rng, 8)) {
        plan_end(world, node, later(world, draw_life(world)));
        if (!rng_one_in(&world->rng, 8)) return;
        plan->type = SUP_IN_UNHEALTHY;
        plan->outcome = draw_sickness(world);
        return;
    }
    int64_t limit = node->traits.start_timeout_ns;
    int64_t at_ns = later(world, draw_short(world));
    if (rng_one_in(&world->rng, 4) && limit != NEVER_NS)
        at_ns = draw_near(world, later(world, limit));
    if (rng_one_in(&world->rng, 6)) at_ns = NEVER_NS;
    set_plan(plan, node, SUP_IN_READY, at_ns);
}

static void haunt(struct world *world, const struct shadow *node)
{
    struct plan *ghost = &world->ghosts[rng_below(&world->rng, GHOSTS)];
    set_plan(ghost, node, SUP_IN_ENDED, later(world, (1 + rng_below(&world->rng, 20)) * HALF));
    draw_outcome(world, ghost, node);
}

static void react_to(struct world *world, const struct sup_effect *effect)
{
    struct shadow *node = shadow_of(world->sim, effect->node);
    if (node == NULL) return;
    struct plan *plan = &world->plans[node->slot];
    bool launched = node->life & LIFE_LAUNCHED;
    switch (effect->type) {
    case SUP_DO_LAUNCH:
        plan_launch(world, node);
        break;
    case SUP_DO_INTERRUPT:
        if (!launched && plan->instance == node->instance && !rng_one_in(&world->rng, 4)) break;
        plan_end(world, node, draw_obedience(world, node->kill_ns));
        break;
    case SUP_DO_KILL:
        plan_end(world, node, draw_obedience(world, node->stuck_ns));
        if (node->traits.kind == SUP_PROCESS) {
            plan->outcome = SUP_END_SIGNAL;
            plan->code = 9;
        }
        break;
    case SUP_DO_ABANDON:
        haunt(world, node);
        break;
    case SUP_DO_EVENT: {
        enum sup_event_type type = effect->event.type;
        bool first = type == SUP_EVENT_LAUNCHED && node->traits.kind != SUP_SUPERVISOR;
        if (first || type == SUP_EVENT_READY) plan_after_launch(world, node);
        break;
    }
    case SUP_DO_REPLY:
    case SUP_DO_UPDATE:
    case SUP_DO_FORGET:
    case SUP_DO_SCHEDULE:
    case SUP_DO_LISTEN:
        break;
    }
}

static void react(struct world *world)
{
    for (size_t i = 0; i < world->sim->effect_count; i++) {
        const struct sup_effect *effect = &world->sim->effects[i];
        if (effect->type == SUP_DO_REPLY || effect->type == SUP_DO_UPDATE) continue;
        react_to(world, effect);
    }
}

/* --- what happens next ----------------------------------------------------------------------- */

static bool is_alive(const struct world *world, const struct plan *plan, uint32_t slot)
{
    const struct shadow *node = &world->sim->shadows[slot];
    return node->token == plan->token && node->instance == plan->instance && node->instance != 0;
}

static int find_plan(struct world *world, int64_t *at_ns)
{
    int found = -1;
    uint32_t ties = 1;
    *at_ns = NEVER_NS;
    for (uint64_t rest = world->sim->used; rest != 0; rest &= rest - 1) {
        uint32_t slot = (uint32_t) __builtin_ctzll(rest);
        const struct plan *plan = &world->plans[slot];
        if (plan->type == PLAN_NOTHING || plan->at_ns > *at_ns || plan->at_ns == NEVER_NS) continue;
        if (!is_alive(world, plan, slot)) continue;
        if (plan->at_ns == *at_ns && !rng_one_in(&world->rng, ++ties)) continue;
        if (plan->at_ns < *at_ns) ties = 1;
        *at_ns = plan->at_ns;
        found = (int) slot;
    }
    return found;
}

static struct op fact_of(struct world *world, const struct plan *plan, const struct shadow *node)
{
    struct sim *sim = world->sim;
    struct op op = {.at_ns = plan->at_ns,
                    .type = plan->type,
                    .name = node->name,
                    .outcome = plan->outcome,
                    .code = plan->code};
    if (sim->by_name[node->name] != node->slot + 1) op.flags |= OP_FORMER;
    if (plan->flag) op.flags |= OP_FLAG;
    return op;
}

static struct shadow *draw_node(struct world *world)
{
    uint64_t used = world->sim->used;
    uint32_t skip = rng_below(&world->rng, (uint32_t) __builtin_popcountll(used));
    while (skip-- > 0) used &= used - 1;
    return &world->sim->shadows[__builtin_ctzll(used)];
}

/* A moment for a command: now, or hot. */
static int64_t draw_moment(struct world *world)
{
    struct sim *sim = world->sim;
    int64_t planned, deadline = sup_tree_deadline(sim->tree);
    switch (rng_below(&world->rng, 6)) {
    case 0:
        find_plan(world, &planned);
        if (planned < deadline) return planned;
        __attribute__((fallthrough));
    case 1:
    case 2:
        if (deadline != NEVER_NS) return deadline - (int64_t) rng_below(&world->rng, 2);
        return sim->now_ns;
    default:
        return sim->now_ns;
    }
}

/* A fact about a service that nobody planned: it ends now, or at a hot moment. */
static struct op draw_accident(struct world *world)
{
    struct shadow *node = draw_node(world);
    if (node->traits.kind == SUP_SUPERVISOR || node->instance == 0) {
        return (struct op){.type = SUP_IN_TICK, .at_ns = draw_moment(world)};
    }
    struct plan plan;
    set_plan(&plan, node, SUP_IN_ENDED, draw_moment(world));
    if (!(node->life & LIFE_LAUNCHED)) plan.type = SUP_IN_LAUNCHED;
    if (plan.type == SUP_IN_ENDED) draw_outcome(world, &plan, node);
    if (rng_one_in(&world->rng, 6)) {
        struct op op = fact_of(world, &plan, node);
        op.type = SUP_IN_EXTEND;
        op.outcome = op.code = 0;
        op.wait_ns = (int64_t) rng_below(&world->rng, 8) * HALF;
        return op;
    }
    if (rng_one_in(&world->rng, 6)) {
        plan.type = SUP_IN_UNHEALTHY; /* in whatever state it is */
        plan.outcome = draw_sickness(world);
    }
    return fact_of(world, &plan, node);
}

static struct op draw_natural(struct world *world)
{
    struct sim *sim = world->sim;
    int64_t at_ns, deadline = sup_tree_deadline(sim->tree);
    int slot = find_plan(world, &at_ns);
    if (at_ns == NEVER_NS && deadline == NEVER_NS) return draw_accident(world);
    bool tick = deadline < at_ns || (deadline == at_ns && rng_one_in(&world->rng, 2));
    if (!tick) {
        struct plan *plan = &world->plans[slot];
        struct op op = fact_of(world, plan, &sim->shadows[slot]);
        plan->type = PLAN_NOTHING;
        return op;
    }
    if (rng_one_in(&world->rng, 12)) return draw_accident(world);
    struct op op = {.type = SUP_IN_TICK, .at_ns = deadline};
    if (rng_one_in(&world->rng, 24)) op.at_ns = deadline + 1;
    if (rng_one_in(&world->rng, 256)) op.at_ns = deadline + 100 * SUP_SECOND_NS; /* a suspend */
    return op;
}

static struct op draw_noise(struct world *world)
{
    static const uint8_t types[] = {SUP_IN_LAUNCHED, SUP_IN_LAUNCH_FAILED, SUP_IN_READY,
                                    SUP_IN_ENDED,    SUP_IN_ENDED,         SUP_IN_UNHEALTHY,
                                    SUP_IN_EXTEND,   SUP_IN_EXITING};
    static const uint8_t flags[] = {OP_STALE, OP_STALE, OP_ZERO, 0};
    struct shadow *node = draw_node(world);
    struct op op = {.at_ns = world->sim->now_ns,
                    .type = types[rng_below(&world->rng, sizeof types)],
                    .name = node->name,
                    .flags = flags[rng_below(&world->rng, sizeof flags)]};
    if (op.flags == 0 && op.type != SUP_IN_LAUNCHED) op.type = SUP_IN_READY; /* doubled */
    if (op.type == SUP_IN_ENDED) op.outcome = SUP_END_EXIT;
    if (op.type == SUP_IN_EXTEND) op.wait_ns = SUP_SECOND_NS;
    if (op.type == SUP_IN_UNHEALTHY) op.outcome = SUP_END_WATCHDOG;
    if (op.type == SUP_IN_LAUNCH_FAILED) op.outcome = SUP_END_NO_LAUNCH;
    for (uint32_t i = 0; i < GHOSTS; i++) {
        struct plan *ghost = &world->ghosts[i];
        if (ghost->type == PLAN_NOTHING || ghost->at_ns > world->sim->now_ns) continue;
        const struct shadow *haunted = shadow_of(world->sim, ghost->token);
        ghost->type = PLAN_NOTHING;
        if (haunted == NULL) continue;
        op = fact_of(world, ghost, haunted);
        op.type = SUP_IN_ENDED;
        op.flags |= OP_ABANDONED;
        return op;
    }
    return op;
}

/* --- what persons ask ------------------------------------------------------------------------ */

static void draw_wait(struct world *world, struct op *op)
{
    static const int64_t times[] = {0, 1, HALF, SUP_SECOND_NS, 10 * SUP_SECOND_NS};
    if (!rng_one_in(&world->rng, 2)) return;
    op->flags |= OP_WAIT;
    op->wait_ns = times[rng_below(&world->rng, sizeof times / sizeof times[0])];
}

static bool new_config(struct world *world, struct config **config, struct op *op)
{
    struct run_case *run = world->run;
    bool is_crowded = __builtin_popcountll(world->sim->used) > SLOTS - 24;
    if (run->config_count == CASE_CONFIGS || world->next_name > NAMES - 8 || is_crowded) {
        return false;
    }
    *config = &run->configs[run->config_count];
    op->config = (uint8_t) run->config_count++;
    return true;
}

static struct op draw_add(struct world *world, struct op op, const struct shadow *node)
{
    struct config *config;
    op.type = SUP_IN_ADD;
    if (rng_one_in(&world->rng, 16)) {
        op.flags |= OP_BROKEN;
        return op;
    }
    if (!new_config(world, &config, &op)) return draw_natural(world);
    config_random_child(config, &world->rng, &world->next_name);
    const struct shadow *parent = node->traits.kind == SUP_SUPERVISOR ? node : node->parent;
    if (rng_one_in(&world->rng, 3)) { /* after one that is there */
        const struct shadow *other = draw_node(world);
        if (other->parent == parent && !other->removed) {
            config->decls[0].after = UINT64_C(1) << other->name;
        }
    }
    if (!rng_one_in(&world->rng, 16)) op.name = parent->name;
    config_blob(config);
    return op;
}

static struct op draw_reload(struct world *world, struct op op)
{
    struct config *config;
    op.type = SUP_IN_RELOAD;
    if (rng_one_in(&world->rng, 3)) op.flags |= OP_FLAG;
    if (rng_one_in(&world->rng, 16)) {
        op.flags |= OP_BROKEN;
        return op;
    }
    if (!new_config(world, &config, &op)) return draw_natural(world);
    uint32_t from = rng_one_in(&world->rng, 4) ? 0 : world->latest;
    config_mutate(config, &world->run->configs[from], &world->rng, &world->next_name);
    world->latest = op.config;
    config_blob(config);
    return op;
}

static struct op draw_command(struct world *world)
{
    struct rng *rng = &world->rng;
    const struct shadow *node = draw_node(world);
    struct op op = {.at_ns = draw_moment(world), .name = node->name};
    if (rng_one_in(rng, 24)) op.flags |= rng_one_in(rng, 2) ? OP_ZERO : OP_STALE;
    if (rng_one_in(rng, 24)) op.flags |= OP_FORMER;
    draw_wait(world, &op);
    uint32_t choice = rng_below(rng, 64);
    bool is_rare = node->traits.kind == SUP_SUPERVISOR &&
                   (node->state == SUP_STATE_DELAYED || node->state == SUP_STATE_QUEUED);
    if (is_rare && rng_one_in(rng, 3)) choice = 62 + rng_below(rng, 2);
    if (choice < 14) op.type = SUP_IN_START_NODE;
    else if (choice < 28) op.type = SUP_IN_STOP_NODE;
    else if (choice < 38) op.type = SUP_IN_RESTART_NODE;
    else if (choice < 45) return draw_add(world, op, node);
    else if (choice < 50) op.type = SUP_IN_REMOVE;
    else if (choice < 58) return draw_reload(world, op);
    else if (choice < 60) op.type = SUP_IN_START;
    else if (choice < 62) op.type = SUP_IN_HOST_DIED;
    else if (choice == 62)
        op.type = is_rare || rng_one_in(rng, 3) ? SUP_IN_STOP : SUP_IN_START_NODE;
    else op.type = is_rare || rng_one_in(rng, 6) ? SUP_IN_KILL : SUP_IN_STOP_NODE;
    if (op.type == SUP_IN_HOST_DIED && rng_one_in(rng, 2)) op.flags = OP_ZERO;
    return op;
}

static struct op draw_op(struct world *world)
{
    struct sim *sim = world->sim;
    uint32_t choice = rng_below(&world->rng, 256);
    bool begin = !sim->serving && !sim->ended && !rng_one_in(&world->rng, 6);
    if (begin) return (struct op){.type = SUP_IN_START, .at_ns = sim->now_ns};
    if (choice < world->busy) return draw_command(world);
    if (choice < world->busy + world->noise) return draw_noise(world);
    return draw_natural(world);
}

/* --- a run ----------------------------------------------------------------------------------- */

static void draw_temper(struct world *world)
{
    static const uint32_t busy[] = {0, 2, 8, 24, 80};
    static const uint32_t fails[] = {4, 12, 40, 1000};
    world->mortal = rng_one_in(&world->rng, 4);
    world->busy = busy[rng_below(&world->rng, 5)];
    world->noise = 2 + rng_below(&world->rng, 12);
    world->frail = rng_below(&world->rng, 4);
    world->stubborn = rng_below(&world->rng, 4);
    world->fails = fails[rng_below(&world->rng, 4)];
}

static void take_step(struct world *world, struct op op)
{
    if (op.at_ns < world->sim->now_ns) op.at_ns = world->sim->now_ns;
    if (rng_one_in(&world->rng, 200)) op.at_ns = world->sim->now_ns - HALF; /* clocks do */
    world->run->ops[world->run->op_count++] = op;
    world->sim->effect_count = 0;
    sim_do(world->sim, &op);
    react(world);
}

void world_run(struct sim *sim, struct run_case *run, uint64_t seed, bool with_twin,
               struct coverage *coverage)
{
    struct world world = {.rng = {rng_mix(seed)}, .sim = sim, .run = run};
    run->op_count = 0;
    run->seed = rng_next(&world.rng);
    run->config_count = 1;
    draw_temper(&world);
    config_random(&run->configs[0], &world.rng, 1 + rng_below(&world.rng, 12), &world.next_name);
    if (!world.mortal) config_make_root_last(&run->configs[0]);
    uint32_t length = 200u << rng_below(&world.rng, 4);
    if (!case_blobs(run) || !sim_begin(sim, run)) return;
    sim->coverage = coverage;
    if (with_twin) sim->twin = twin_create(sim, seed);
    while (run->op_count < length && sim->violated == 0) {
        take_step(&world, draw_op(&world));
        if (sim->ended && length > run->op_count + 10) length = run->op_count + 10;
    }
    if (sim->violated != 0) return;
    take_step(&world, (struct op){.type = OP_SETTLE});
    if (sim->violated == 0) take_step(&world, (struct op){.type = OP_FINISH});
}
