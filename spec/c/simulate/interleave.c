/*
** simulate/interleave.c: exhaustive where chance might not look: three children, a few inputs,
** every order of them. A, B and C are n1, n2 and n3; C has to say that it is ready.
*/
#include "interleave.h"

#include "sim.h"

#include <stdlib.h>
#include <time.h>

#define LENGTH 6
#define LETTERS 7

/* Variants of the tree beside the strategy. */
static const char *const variants[][4] = {
    /* the root, A, B, C */
    {"failure_threshold=1", "", "", "ready=2"},
    {"failure_threshold=0 timeout=2", "restart_delay=0", "", "ready=2 after=n1"},
    {"intensity=1 period=5 stop_order=reverse", "restart=transient", "after=n1 restart_with=n1",
     "ready=2 start_timeout=1"},
};
#define VARIANTS (sizeof variants / sizeof variants[0])

static bool make_config(struct config *config, const char *strategy, size_t variant, int version)
{
    static const char *const heads[] = {"  supervisor n0", "    process n1", "    process n2",
                                        "    thread n3"};
    char line[256];
    config->count = 0;
    for (int i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "%s %s%s %s%s", heads[i], i == 0 ? "strategy=" : "",
                 i == 0 ? strategy : "", variants[variant][i],
                 i == 1 && version == 1 ? " env=2" : "");
        if (!config_read_line(config, line)) return false;
    }
    return true;
}

static struct op op_of(const struct sim *sim, uint32_t letter)
{
    struct op op = {.at_ns = sim->now_ns};
    int64_t deadline = sup_tree_deadline(sim->tree);
    switch (letter) {
    case 0:
    case 1:
        op.type = SUP_IN_ENDED;
        op.name = (uint8_t) (1 + letter);
        op.outcome = SUP_END_EXIT;
        op.code = 1;
        break;
    case 2:
        op.type = SUP_IN_READY;
        op.name = 3;
        break;
    case 3:
        op.type = SUP_IN_TICK;
        if (deadline != NEVER_NS && deadline > op.at_ns) op.at_ns = deadline;
        break;
    case 4:
        op.type = SUP_IN_REMOVE;
        op.name = 2;
        break;
    case 5:
        op.type = SUP_IN_STOP;
        break;
    default:
        op.type = SUP_IN_RELOAD;
        op.config = 1;
        break;
    }
    return op;
}

/* Whatever was told to launch is launched: only the letters are a matter of order. */
static void confirm_launches(struct sim *sim)
{
    each_shadow(sim, node)
    {
        if (node->instance == 0 || (node->life & LIFE_LAUNCHED)) continue;
        struct op op = {.type = SUP_IN_LAUNCHED, .name = node->name, .at_ns = sim->now_ns};
        sim_do(sim, &op);
    }
}

static void run_word(struct sim *sim, const struct run_case *run, uint32_t word)
{
    if (!sim_begin(sim, run)) return;
    sim_do(sim, &(struct op){.type = SUP_IN_START});
    confirm_launches(sim);
    for (int i = 0; i < LENGTH && sim->violated == 0; i++, word /= LETTERS) {
        struct op op = op_of(sim, word % LETTERS);
        sim_do(sim, &op);
        confirm_launches(sim);
    }
    if (sim->violated == 0) sim_settle(sim);
    if (sim->violated == 0) sim_finish(sim);
}

static void spell(uint32_t word, char *text)
{
    static const char letters[] = "ABcdrsl";
    for (int i = 0; i < LENGTH; i++, word /= LETTERS) text[i] = letters[word % LETTERS];
    text[LENGTH] = '\0';
}

int interleave_all(bool verbose)
{
    static struct run_case run;
    static struct sim sim;
    static const char *const strategies[] = {"one_for_one", "one_for_all", "rest_for_one"};
    uint32_t words = 1;
    uint64_t count = 0, steps = 0;
    int broken = 0;
    for (int i = 0; i < LENGTH; i++) words *= LETTERS;
    for (size_t which = 0; which < 3 * VARIANTS; which++) {
        const char *strategy = strategies[which % 3];
        run.seed = 1;
        run.config_count = 2;
        if (!make_config(&run.configs[0], strategy, which / 3, 0) ||
            !make_config(&run.configs[1], strategy, which / 3, 1) || !case_blobs(&run)) {
            return 2;
        }
        for (uint32_t word = 0; word < words; word++) {
            char text[LENGTH + 1];
            run_word(&sim, &run, word);
            count++;
            steps += sim.steps;
            spell(word, text);
            if (sim.violated != 0 && broken++ < 10) {
                printf("%s, variant %zu, %s: invariant %d: %s\n", strategy, which / 3, text,
                       sim.violated, sim.message);
            }
            sim_end(&sim);
        }
        if (verbose) printf("%s, variant %zu: done\n", strategy, which / 3);
        case_finish(&run);
    }
    printf("%llu sequences, %llu steps, %d broken\n", (unsigned long long) count,
           (unsigned long long) steps, broken);
    return broken == 0 ? 0 : 1;
}
