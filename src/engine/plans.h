/*
** engine/plans.h: from specs to plan sets (wire/plan.h) in sealed memory files.
**
** Engine thread only. Must not know the keeper's socket or when something is started.
*/
#ifndef SUP_ENGINE_PLANS_H
#define SUP_ENGINE_PLANS_H

#include "core/spec.h"
#include "wire/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What services inherit: laid down once. */
struct sup_plan_env {
    char *shared; /* KEY=VALUE NUL ...: the environment without what is meant for suptree itself */
    size_t shared_size;
    uint32_t shared_count;
    char *bare; /* the few that inherit_env = false leaves: PATH HOME USER SHELL LANG */
    size_t bare_size;
    uint32_t bare_count;
};

/* Take what services may inherit from ${environment}. Returns 0 or -ENOMEM. */
int sup_plan_env_init(struct sup_plan_env *env, char *const *environment);
void sup_plan_env_finish(struct sup_plan_env *env);

/* A process to be planned. The strings are only read. */
struct sup_plan_wish {
    const struct sup_spec *spec;
    const char *path;   /* of the node, as people see it */
    uint64_t log_to;    /* token of the node whose input its output is; 0: none */
    uint32_t stop_rank; /* for a stop without host */
};

/* A set that grows. Begin with sup_plan_draft_begin; lack of memory latches in `failed`. */
struct sup_plan_draft {
    unsigned char *bytes;
    size_t size;
    size_t room;
    bool failed;
};

void sup_plan_draft_begin(struct sup_plan_draft *draft, const struct sup_plan_env *env);

/* Add a record. Returns its offset in the set, 0 for lack of memory. */
uint64_t sup_plan_draft_add(struct sup_plan_draft *draft, const struct sup_plan_env *env,
                            const struct sup_plan_wish *wish);

/* The finished set in malloc()ed memory. The draft is empty afterwards. 0 or -ENOMEM. */
int sup_plan_draft_take(struct sup_plan_draft *draft, unsigned char **bytes, size_t *size);

/*
** The finished set as a sealed memory file (close-on-exec, the caller's). The draft is empty
** afterwards. Returns the descriptor or -errno.
*/
int sup_plan_draft_finish(struct sup_plan_draft *draft);

/* A fingerprint of all that a plan says, but for the stop rank; never 0. */
uint64_t sup_plan_print(const struct sup_plan_wish *wish);

#endif
