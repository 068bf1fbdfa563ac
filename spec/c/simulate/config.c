/*
** simulate/config.c: random declared trees and their versions. Knows nothing of policy but which
** values make sense together.
*/
#include "config.h"
#include "config_table.h"

#include <string.h>

int config_parent(const struct config *config, uint32_t index)
{
    for (int i = (int) index - 1; i >= 0; i--) {
        if (config->decls[i].depth < config->decls[index].depth) return i;
    }
    return -1;
}

int config_find(const struct config *config, uint8_t name)
{
    for (uint32_t i = 0; i < config->count; i++) {
        if (config->decls[i].name == name) return (int) i;
    }
    return -1;
}

uint32_t config_end(const struct config *config, uint32_t index)
{
    uint32_t end = index + 1;
    while (end < config->count && config->decls[end].depth > config->decls[index].depth) end++;
    return end;
}

void config_remove(struct config *config, uint32_t index)
{
    uint64_t name = UINT64_C(1) << config->decls[index].name;
    uint32_t end = config_end(config, index);
    memmove(&config->decls[index], &config->decls[end],
            (config->count - end) * sizeof config->decls[0]);
    config->count -= end - index;
    for (uint32_t i = 0; i < config->count; i++) {
        config->decls[i].after &= ~name;
        config->decls[i].with &= ~name;
    }
}

/* --- drawing --------------------------------------------------------------------------------- */

static bool may_have(const struct decl *decl, int option, bool is_root)
{
    return (config_rows[option].kinds & (1u << decl->kind)) &&
           sup_option_applies(config_options[option], (enum sup_kind) decl->kind, is_root);
}

static double value_of(const struct decl *decl, int option, double otherwise)
{
    return decl->opt[option] ? config_rows[option].values[decl->opt[option] - 1] : otherwise;
}

/* What the script layer's cross-field checks would refuse is taken out here. */
static void make_consistent(struct decl *decl)
{
    if (decl->opt[OPT_INTENSITY]) {
        decl->opt[OPT_FAILURE_THRESHOLD] = 0;
        decl->opt[OPT_FAILURE_DECAY] = 0;
        if (!decl->opt[OPT_PERIOD]) decl->opt[OPT_PERIOD] = 2;
    } else {
        decl->opt[OPT_PERIOD] = 0;
    }
    if (!decl->opt[OPT_MAX_PAUSES]) {
        decl->opt[OPT_WITHIN] = 0;
    } else if (!decl->opt[OPT_WITHIN]) {
        decl->opt[OPT_WITHIN] = 2;
    }
    if (decl->opt[OPT_EVERY]) { /* a timer */
        decl->opt[OPT_REMAIN] = decl->opt[OPT_READY] = decl->opt[OPT_SIGNIFICANT] = 0;
        if (value_of(decl, OPT_RESTART, SUP_TRANSIENT) == SUP_PERMANENT) decl->opt[OPT_RESTART] = 0;
        return;
    }
    decl->opt[OPT_OVERLAP] = decl->opt[OPT_JITTER] = decl->opt[OPT_MISSED] = 0;
    if (decl->opt[OPT_REMAIN]) { /* a oneshot */
        decl->opt[OPT_READY] = 0;
        /* one that ends its supervisor whatever it does would never let it rest */
        if (decl->opt[OPT_SIGNIFICANT]) decl->opt[OPT_START_TIMEOUT] = 0;
        if (value_of(decl, OPT_RESTART, SUP_TRANSIENT) == SUP_PERMANENT) decl->opt[OPT_RESTART] = 0;
    } else if (value_of(decl, OPT_RESTART, SUP_PERMANENT) == SUP_PERMANENT) {
        decl->opt[OPT_SIGNIFICANT] = 0;
    }
}

static void draw_option(struct decl *decl, struct rng *rng, int option, bool is_root)
{
    if (!may_have(decl, option, is_root)) return;
    decl->opt[option] = (uint8_t) (1 + rng_below(rng, config_rows[option].count));
    double infinite = value_of(decl, option, 0);
    bool often = option == OPT_START_TIMEOUT || rng_one_in(rng, 4);
    if (infinite == CONFIG_INFINITE && !often) decl->opt[option] = 0;
}

static void draw_options(struct decl *decl, struct rng *rng, bool is_root)
{
    uint32_t plain = rng_below(rng, 4); /* some nodes are nearly all defaults */
    for (int i = 0; i < OPT_COUNT; i++) {
        if (rng_one_in(rng, config_rows[i].rare * (plain ? 2 : 1)))
            draw_option(decl, rng, i, is_root);
    }
    make_consistent(decl);
}

/* Who is `after` whom: along a random ranking of the siblings, so that there is no cycle. */
static void draw_dependencies(struct config *config, struct rng *rng, uint32_t index)
{
    uint32_t salt = rng_one_in(rng, 3) ? (uint32_t) rng_next(rng) : 0; /* 0: by order */
    uint32_t rare = 2 + rng_below(rng, 6);
    uint32_t depth = config->decls[index].depth + 1u;
    uint32_t end = config_end(config, index);
    for (uint32_t i = index + 1; i < end; i++) {
        struct decl *decl = &config->decls[i];
        if (decl->depth != depth) continue;
        for (uint32_t j = index + 1; j < end; j++) {
            if (j == i || config->decls[j].depth != depth) continue;
            uint64_t a = salt ? rng_mix(i * UINT64_C(7919) + salt) : i;
            uint64_t b = salt ? rng_mix(j * UINT64_C(7919) + salt) : j;
            if (b > a || !rng_one_in(rng, rare)) continue;
            uint64_t name = UINT64_C(1) << config->decls[j].name;
            uint32_t which = rng_below(rng, 4);
            if (which != 0) decl->after |= name;
            if (which <= 1) decl->with |= name;
        }
    }
}

static void draw_decl(struct decl *decl, struct rng *rng, uint8_t depth, uint8_t name)
{
    *decl = (struct decl){.name = name, .depth = depth};
    uint32_t kind = rng_below(rng, 8);
    decl->kind = depth == 0 || (kind < 2 && depth < CONFIG_DEPTH) ? SUP_SUPERVISOR
                 : kind < 5                                       ? SUP_PROCESS
                                                                  : SUP_THREAD;
    draw_options(decl, rng, depth == 0);
    bool is_brittle = decl->kind == SUP_SUPERVISOR && depth > 0 && rng_one_in(rng, 4);
    if (is_brittle) { /* so that supervisors fail as well */
        decl->opt[OPT_INTENSITY] = decl->opt[OPT_PERIOD] = 0;
        decl->opt[OPT_FAILURE_THRESHOLD] = 1;
        decl->opt[OPT_ON_THRESHOLD] = 1 + SUP_ON_ESCALATE;
        if (rng_one_in(rng, 3)) decl->opt[OPT_RESTART_DELAY] = 1;
    }
}

/* Significant children for those who care: more than chance would give them. */
static void draw_significance(struct config *config, struct rng *rng)
{
    for (uint32_t i = 1; i < config->count; i++) {
        struct decl *decl = &config->decls[i];
        const struct decl *parent = &config->decls[config_parent(config, i)];
        if (value_of(parent, OPT_AUTO_SHUTDOWN, 0) == 0 || rng_one_in(rng, 2)) continue;
        decl->opt[OPT_RESTART] = (uint8_t) (1 + SUP_TRANSIENT + rng_below(rng, 2));
        decl->opt[OPT_SIGNIFICANT] = 2;
        make_consistent(decl);
    }
}

/* What the reader of blobs would refuse is taken out here. */
static void make_acceptable(struct config *config)
{
    for (uint32_t i = 0; i < config->count; i++) {
        struct decl *decl = &config->decls[i];
        int parent = config_parent(config, i);
        if (parent >= 0 && value_of(&config->decls[parent], OPT_AUTO_SHUTDOWN, 0) == 0) {
            decl->opt[OPT_SIGNIFICANT] = 0;
        }
        uint32_t children = 0;
        for (uint32_t k = i + 1; k < config_end(config, i); k++) {
            if (config->decls[k].depth == decl->depth + 1) children++;
        }
        if (value_of(decl, OPT_MAX_CHILDREN, 99) < children) decl->opt[OPT_MAX_CHILDREN] = 0;
    }
}

void config_random(struct config *config, struct rng *rng, uint32_t count, uint8_t *next_name)
{
    *config = (struct config){.count = count};
    draw_decl(&config->decls[0], rng, 0, (*next_name)++);
    for (uint32_t i = 1; i < count; i++) {
        const struct decl *before = &config->decls[i - 1];
        uint32_t deepest = before->depth + (before->kind == SUP_SUPERVISOR ? 1u : 0u);
        uint32_t depth = rng_one_in(rng, 3) ? 1 + rng_below(rng, deepest) : deepest;
        draw_decl(&config->decls[i], rng, (uint8_t) depth, (*next_name)++);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (config->decls[i].kind == SUP_SUPERVISOR) draw_dependencies(config, rng, i);
    }
    draw_significance(config, rng);
    make_acceptable(config);
}

void config_make_root_last(struct config *config)
{
    uint8_t *opt = config->decls[0].opt;
    if (value_of(&config->decls[0], OPT_ON_THRESHOLD, 0) == SUP_ON_ESCALATE)
        opt[OPT_ON_THRESHOLD] = 0;
    opt[OPT_INTENSITY] = opt[OPT_PERIOD] = opt[OPT_MAX_PAUSES] = opt[OPT_WITHIN] = 0;
    opt[OPT_AUTO_SHUTDOWN] = 0;
    make_acceptable(config);
}

void config_random_child(struct config *config, struct rng *rng, uint8_t *next_name)
{
    *config = (struct config){.count = 1};
    struct decl *root = &config->decls[0];
    draw_decl(root, rng, CONFIG_DEPTH, (*next_name)++);
    root->depth = 0;
    if (rng_one_in(rng, 4)) {
        *root = (struct decl){.name = root->name, .kind = SUP_SUPERVISOR};
        draw_options(root, rng, false);
        config->count += rng_below(rng, 3);
        for (uint32_t i = 1; i < config->count; i++) {
            draw_decl(&config->decls[i], rng, CONFIG_DEPTH, (*next_name)++);
            config->decls[i].depth = 1;
        }
        draw_dependencies(config, rng, 0);
        make_acceptable(config);
    }
}

/* --- another version ------------------------------------------------------------------------- */

static void mutate_options(struct config *config, struct rng *rng)
{
    uint32_t index = rng_below(rng, config->count);
    struct decl *decl = &config->decls[index];
    for (uint32_t n = 1 + rng_below(rng, 3); n > 0; n--) {
        int option = (int) rng_below(rng, OPT_COUNT);
        if (rng_one_in(rng, 3)) {
            decl->opt[option] = 0;
        } else {
            draw_option(decl, rng, option, index == 0);
        }
    }
    make_consistent(decl);
}

static void mutate_insert(struct config *config, struct rng *rng, uint8_t *next_name)
{
    if (config->count == CONFIG_DECLS || *next_name == NAMES) return;
    uint32_t at = 1 + rng_below(rng, config->count);
    const struct decl *before = &config->decls[at - 1];
    uint8_t depth = (uint8_t) (before->depth + (before->kind == SUP_SUPERVISOR ? 1 : 0));
    uint8_t name = (*next_name)++;
    memmove(&config->decls[at + 1], &config->decls[at],
            (config->count - at) * sizeof config->decls[0]);
    config->count++;
    draw_decl(&config->decls[at], rng, depth, name);
    if (config->decls[at].kind == SUP_SUPERVISOR && at + 1 < config->count &&
        config->decls[at + 1].depth > depth) {
        config->decls[at].kind = SUP_PROCESS; /* never adopts what follows */
    }
    struct decl *decl = &config->decls[at];
    for (int i = 0; i < OPT_COUNT; i++) {
        if (!may_have(decl, i, false)) decl->opt[i] = 0;
    }
}

/* Exchange two neighbours with all below them. */
static void mutate_order(struct config *config, struct rng *rng)
{
    if (config->count < 3) return;
    uint32_t first = 1 + rng_below(rng, config->count - 1);
    uint32_t second = config_end(config, first);
    if (second >= config->count || config->decls[second].depth != config->decls[first].depth)
        return;
    uint32_t end = config_end(config, second);
    struct decl copy[CONFIG_DECLS];
    memcpy(copy, &config->decls[first], (second - first) * sizeof copy[0]);
    memmove(&config->decls[first], &config->decls[second], (end - second) * sizeof copy[0]);
    memcpy(&config->decls[first + end - second], copy, (second - first) * sizeof copy[0]);
}

static void rename_in(uint64_t *set, uint8_t from, uint8_t to)
{
    if (!(*set & (UINT64_C(1) << from))) return;
    *set = (*set & ~(UINT64_C(1) << from)) | (UINT64_C(1) << to);
}

static void mutate_name(struct config *config, struct rng *rng, uint8_t *next_name)
{
    if (config->count < 2 || *next_name == NAMES) return;
    struct decl *decl = &config->decls[1 + rng_below(rng, config->count - 1)];
    uint8_t name = (*next_name)++, old = decl->name;
    decl->name = name;
    decl->formerly = rng_one_in(rng, 4) ? 0 : (uint8_t) (old + 1);
    for (uint32_t i = 0; i < config->count; i++) {
        rename_in(&config->decls[i].after, old, name);
        rename_in(&config->decls[i].with, old, name);
    }
}

static void mutate_dependencies(struct config *config, struct rng *rng)
{
    uint32_t index = rng_below(rng, config->count);
    if (config->decls[index].kind != SUP_SUPERVISOR) return;
    for (uint32_t i = index + 1; i < config_end(config, index); i++) {
        if (config->decls[i].depth != config->decls[index].depth + 1) continue;
        config->decls[i].after = config->decls[i].with = 0;
    }
    if (!rng_one_in(rng, 3)) draw_dependencies(config, rng, index);
}

static void mutate_kind(struct config *config, struct rng *rng)
{
    uint32_t index = rng_below(rng, config->count);
    struct decl *decl = &config->decls[index];
    if (decl->kind == SUP_SUPERVISOR) return;
    decl->kind = decl->kind == SUP_PROCESS ? SUP_THREAD : SUP_PROCESS;
    for (int i = 0; i < OPT_COUNT; i++) {
        if (!may_have(decl, i, index == 0)) decl->opt[i] = 0;
    }
}

void config_mutate(struct config *config, const struct config *from, struct rng *rng,
                   uint8_t *next_name)
{
    *config = *from;
    config->blob = NULL;
    for (uint32_t i = 0; i < config->count; i++) config->decls[i].formerly = 0;
    if (rng_one_in(rng, 8)) return; /* the same file again */
    for (uint32_t n = 1 + rng_below(rng, 3); n > 0; n--) {
        switch (rng_below(rng, 9)) {
        case 0:
            mutate_insert(config, rng, next_name);
            break;
        case 1:
            if (config->count > 1) config_remove(config, 1 + rng_below(rng, config->count - 1));
            break;
        case 2:
            mutate_order(config, rng);
            break;
        case 3:
            mutate_name(config, rng, next_name);
            break;
        case 4:
            mutate_dependencies(config, rng);
            break;
        case 5:
            mutate_kind(config, rng);
            break;
        default:
            mutate_options(config, rng);
            break;
        }
    }
    if (!rng_one_in(rng, 16)) make_acceptable(config);
}
