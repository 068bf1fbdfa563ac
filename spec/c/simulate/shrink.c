/*
** simulate/shrink.c: each attempt runs in a child process, so that crashes and endless loops shrink
** like any other failure.
*/
#include "shrink.h"

#include "sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPT_SECONDS 2
#define MEMORY ((rlim_t) 1 << 30)

struct result {
    int verdict;
    char message[400];
};

static struct result *shared_result(void)
{
    static struct result *result;
    if (result != NULL) return result;
    void *memory =
        mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    result = memory == MAP_FAILED ? NULL : memory;
    return result;
}

static void execute(const struct run_case *run, bool with_twin, struct result *result)
{
    static struct sim sim;
    if (sim_begin(&sim, run)) {
        if (with_twin) sim.twin = twin_create(&sim, run->seed);
        for (uint32_t i = 0; i < run->op_count && sim.violated == 0; i++)
            sim_do(&sim, &run->ops[i]);
    }
    memcpy(result->message, sim.message, sizeof result->message);
    result->verdict = sim.violated;
}

void shrink_limit(unsigned seconds)
{
    alarm(seconds);
#ifndef SUP_SANITIZE_BUILD /* sanitizers map terabytes */
    struct rlimit limit = {MEMORY, MEMORY};
    setrlimit(RLIMIT_AS, &limit);
#endif
}

int shrink_try(const struct run_case *run, bool with_twin, char *message, size_t size)
{
    struct result *result = shared_result();
    if (result == NULL) return 0;
    result->verdict = VERDICT_CRASH;
    snprintf(result->message, sizeof result->message, "the process crashed or did not end");
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        shrink_limit(ATTEMPT_SECONDS);
        if (freopen("/dev/null", "w", stderr) == NULL) _exit(1);
        execute(run, with_twin, result);
        _exit(0);
    }
    if (pid > 0) waitpid(pid, NULL, 0);
    if (message != NULL) snprintf(message, size, "%s", result->message);
    return result->verdict;
}

/* --- attempts -------------------------------------------------------------------------------- */

struct shrinker {
    struct run_case *best; /* fails */
    struct run_case *next; /* the attempt */
    int verdict;
    bool with_twin;
};

/* Does ${next} fail, too? Then it is the best. Its blobs are made anew: its configs differ. */
static bool attempt(struct shrinker *shrinker)
{
    struct run_case *next = shrinker->next;
    for (uint32_t i = 0; i < next->config_count; i++) next->configs[i].blob = NULL;
    bool fails =
        case_blobs(next) && shrink_try(next, shrinker->with_twin, NULL, 0) == shrinker->verdict;
    if (fails) {
        struct run_case *former = shrinker->best;
        shrinker->best = next;
        shrinker->next = former;
    }
    uint32_t count = shrinker->next->config_count;
    case_finish(shrinker->next);
    shrinker->next->config_count = count;
    return fails;
}

static struct run_case *begin_attempt(struct shrinker *shrinker)
{
    *shrinker->next = *shrinker->best;
    return shrinker->next;
}

static bool drop_ops(struct shrinker *shrinker, uint32_t from, uint32_t count)
{
    struct run_case *next = begin_attempt(shrinker);
    memmove(&next->ops[from], &next->ops[from + count],
            (next->op_count - from - count) * sizeof next->ops[0]);
    next->op_count -= count;
    return attempt(shrinker);
}

static bool shrink_ops(struct shrinker *shrinker)
{
    bool any = false;
    for (uint32_t size = shrinker->best->op_count / 2; size > 0; size /= 2) {
        for (uint32_t end = shrinker->best->op_count; end >= size; end -= size) {
            if (!drop_ops(shrinker, end - size, size)) continue;
            any = true;
            if (end > shrinker->best->op_count + size) break;
        }
    }
    return any;
}

static bool is_used(const struct run_case *run, uint32_t config)
{
    if (config == 0) return true;
    for (uint32_t i = 0; i < run->op_count; i++) {
        uint8_t type = run->ops[i].type;
        bool has_config = type == SUP_IN_ADD || type == SUP_IN_RELOAD;
        if (has_config && run->ops[i].config == config) return true;
    }
    return false;
}

static void drop_config(struct run_case *run, uint32_t index)
{
    memmove(&run->configs[index], &run->configs[index + 1],
            (run->config_count - index - 1) * sizeof run->configs[0]);
    run->config_count--;
    for (uint32_t i = 0; i < run->op_count; i++) {
        if (run->ops[i].config > index) run->ops[i].config--;
    }
}

static bool shrink_configs(struct shrinker *shrinker)
{
    bool any = false;
    for (uint32_t i = shrinker->best->config_count; i-- > 1;) {
        if (is_used(shrinker->best, i)) continue;
        drop_config(begin_attempt(shrinker), i);
        any = attempt(shrinker) || any;
    }
    return any;
}

/* Take out the node named ${name} from every config that has it. */
static bool drop_name(struct shrinker *shrinker, uint8_t name)
{
    bool found = false;
    struct run_case *next = begin_attempt(shrinker);
    for (uint32_t i = 0; i < next->config_count; i++) {
        int index = config_find(&next->configs[i], name);
        if (index > 0) config_remove(&next->configs[i], (uint32_t) index);
        found = found || index > 0;
    }
    return found && attempt(shrinker);
}

static bool shrink_nodes(struct shrinker *shrinker)
{
    bool any = false;
    for (uint8_t name = 0; name < NAMES; name++) any = drop_name(shrinker, name) || any;
    return any;
}

static struct decl *find_decl(struct run_case *run, uint32_t config, uint8_t name)
{
    int index = config_find(&run->configs[config], name);
    return index < 0 ? NULL : &run->configs[config].decls[index];
}

/* Field ${field} of the node named ${name}, in all configs that have it, as it is by default. */
static bool clear_field(struct shrinker *shrinker, uint8_t name, int field, uint32_t only)
{
    bool found = false;
    struct run_case *next = begin_attempt(shrinker);
    for (uint32_t i = 0; i < next->config_count; i++) {
        struct decl *decl = only == UINT32_MAX || only == i ? find_decl(next, i, name) : NULL;
        if (decl == NULL) continue;
        if (field < OPT_COUNT) {
            found = found || decl->opt[field] != 0;
            decl->opt[field] = 0;
        } else if (field == OPT_COUNT) {
            found = found || decl->after != 0;
            decl->after = 0;
        } else {
            found = found || decl->with != 0;
            decl->with = 0;
        }
    }
    return found && attempt(shrinker);
}

static bool shrink_options(struct shrinker *shrinker)
{
    bool any = false;
    for (uint8_t name = 0; name < NAMES; name++) {
        for (int field = 0; field < OPT_COUNT + 2; field++) {
            if (clear_field(shrinker, name, field, UINT32_MAX)) any = true;
            for (uint32_t i = 0; i < shrinker->best->config_count; i++) {
                any = clear_field(shrinker, name, field, i) || any;
            }
        }
    }
    return any;
}

static bool shrink_flags(struct shrinker *shrinker)
{
    bool any = false;
    for (uint32_t i = 0; i < shrinker->best->op_count; i++) {
        const struct op *op = &shrinker->best->ops[i];
        if (op->flags == 0 && op->wait_ns == 0) continue;
        struct run_case *next = begin_attempt(shrinker);
        next->ops[i].flags = 0;
        next->ops[i].wait_ns = 0;
        any = attempt(shrinker) || any;
    }
    return any;
}

void shrink(struct run_case *run, int verdict, bool with_twin)
{
    struct run_case *copies = calloc(2, sizeof *copies);
    if (copies == NULL) return;
    struct shrinker shrinker = {.best = &copies[0],
                                .next = &copies[1],
                                .verdict = verdict,
                                .with_twin = with_twin};
    copies[0] = *run;
    for (uint32_t i = 0; i < run->config_count; i++) copies[0].configs[i].blob = NULL;
    if (case_blobs(&copies[0])) {
        bool any = true;
        for (int round = 0; any && round < 6; round++) {
            any = shrink_ops(&shrinker);
            any = shrink_configs(&shrinker) || any;
            any = shrink_nodes(&shrinker) || any;
            any = shrink_options(&shrinker) || any;
            any = shrink_flags(&shrinker) || any;
        }
        case_finish(run);
        *run = *shrinker.best;
    }
    free(copies);
}
