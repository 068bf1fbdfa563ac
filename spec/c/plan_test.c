/*
** spec/c/plan_test.c: reading plan sets, whole ones and broken ones.
*/
#include "lib_keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A set in memory that can be spoilt. */
struct sample {
    unsigned char *bytes;
    size_t size;
    uint64_t offset;
};

static struct sample make_sample(void)
{
    static const char *const argv[] = {"prog", "one", "", NULL};
    static const char *const env[] = {"A=1", "B=2", NULL};
    static const char *const shared[] = {"HOME=/", "B=9", NULL};
    static const struct stage_command commands[] = {{SUP_COMMAND_BEFORE, "one", 0},
                                                    {SUP_COMMAND_AFTER_EXIT, "after", 5},
                                                    {SUP_COMMAND_BEFORE, "two", 7},
                                                    {0}};
    const struct stage_plan wish = {.argv = argv,
                                    .commands = commands,
                                    .env = env,
                                    .shared = shared,
                                    .cwd = "/tmp",
                                    .file = "/tmp/out.log",
                                    .log = SUP_LOG_FILE,
                                    .flags = SUP_PLAN_SHARED_ENV};
    struct sample sample;
    struct stat info;
    int fd = stage_make_set(&wish, 1, &sample.offset);
    MUST(fstat(fd, &info) == 0);
    sample.size = (size_t) info.st_size;
    sample.bytes = malloc(sample.size); /* of the exact size: a sanitizer sees each byte beyond */
    MUST(sample.bytes != NULL && pread(fd, sample.bytes, sample.size, 0) == info.st_size);
    close(fd);
    return sample;
}

static struct sup_plan *record(struct sample *sample)
{
    return (void *) (sample->bytes + sample->offset);
}

static struct sup_plan_set *head(struct sample *sample)
{
    return (void *) sample->bytes;
}

static const struct sup_plan *find(const struct sample *sample)
{
    return sup_plan_at(sample->bytes, sample->size, sample->offset);
}

static void reads_what_was_written(void)
{
    struct sample sample = make_sample();
    char *out[8];
    MUST(sup_plan_set_is_valid(sample.bytes, sample.size));
    const struct sup_plan *plan = find(&sample);
    MUST(plan != NULL);
    MUST_EQUAL(sup_plan_vector(sample.bytes, plan->args, plan->arg_count, out, 8), 3);
    MUST(strcmp(out[0], "prog") == 0 && strcmp(out[1], "one") == 0 && strcmp(out[2], "") == 0);
    MUST_EQUAL(sup_plan_vector(sample.bytes, plan->env, plan->env_count, out, 8), 2);
    MUST(strcmp(out[0], "A=1") == 0 && strcmp(out[1], "B=2") == 0);
    MUST(strcmp(sup_plan_text(sample.bytes, plan->cwd), "/tmp") == 0);
    MUST(sup_plan_text(sample.bytes, 0) == NULL);
    const struct sup_plan_set *set = head(&sample);
    MUST_EQUAL(sup_plan_vector(set, set->env, set->env_count, out, 8), 2);
    MUST(strcmp(out[1], "B=9") == 0);
    free(sample.bytes);
}

static void finds_the_commands(void)
{
    struct sample sample = make_sample();
    const struct sup_plan *plan = find(&sample);
    const struct sup_plan_command *two =
        sup_plan_command(sample.bytes, plan, SUP_COMMAND_BEFORE, 1);
    char *out[8];
    MUST(two != NULL && two->timeout_ns == 7);
    MUST_EQUAL(sup_plan_vector(sample.bytes, two->args, two->arg_count, out, 8), 3);
    MUST(strcmp(out[2], "two") == 0);
    MUST(sup_plan_command(sample.bytes, plan, SUP_COMMAND_BEFORE, 2) == NULL);
    MUST(sup_plan_command(sample.bytes, plan, SUP_COMMAND_AFTER_EXIT, 0) != NULL);
    MUST(sup_plan_command(sample.bytes, plan, SUP_COMMAND_READY, 0) == NULL);
    free(sample.bytes);
}

static void refuses_bad_commands(void)
{
    struct sample sample = make_sample();
    struct sup_plan *plan = record(&sample);
    struct sup_plan_command *commands = (void *) (sample.bytes + plan->commands);
    const struct sup_plan_command good = commands[1];
#define BAD_COMMAND(change) \
    do { \
        commands[1] = good; \
        change; \
        MUST(find(&sample) == NULL); \
    } while (0)
    BAD_COMMAND(commands[1].kind = 0);
    BAD_COMMAND(commands[1].kind = SUP_COMMAND_KINDS);
    BAD_COMMAND(commands[1].arg_count = 0);
    BAD_COMMAND(commands[1].arg_count = UINT32_MAX);
    BAD_COMMAND(commands[1].args = 0);
    BAD_COMMAND(commands[1].args = sample.size);
    BAD_COMMAND(commands[1].args = UINT64_MAX);
    BAD_COMMAND(commands[1].timeout_ns = 0);
    BAD_COMMAND(commands[1].timeout_ns = -1);
#undef BAD_COMMAND
    commands[1] = good;
    MUST(find(&sample) != NULL);
    free(sample.bytes);
}

static void says_when_there_is_no_room(void)
{
    struct sample sample = make_sample();
    const struct sup_plan *plan = find(&sample);
    char *out[2];
    MUST_EQUAL(sup_plan_vector(sample.bytes, plan->args, plan->arg_count, out, 2), -E2BIG);
    free(sample.bytes);
}

static void refuses_every_truncation(void)
{
    struct sample sample = make_sample();
    for (size_t size = 0; size < sample.size; size++) {
        unsigned char *cut = malloc(size == 0 ? 1 : size);
        MUST(cut != NULL);
        memcpy(cut, sample.bytes, size);
        MUST(!sup_plan_set_is_valid(cut, size));
        MUST(sup_plan_at(cut, size, sample.offset) == NULL);
        free(cut);
    }
    free(sample.bytes);
}

static void refuses_foreign_sets(void)
{
    struct sample sample = make_sample();
    head(&sample)->magic ^= 1;
    MUST(!sup_plan_set_is_valid(sample.bytes, sample.size));
    head(&sample)->magic ^= 1;
    head(&sample)->version++;
    MUST(!sup_plan_set_is_valid(sample.bytes, sample.size));
    head(&sample)->version--;
    head(&sample)->env = sample.size;
    MUST(!sup_plan_set_is_valid(sample.bytes, sample.size));
    head(&sample)->env = UINT64_MAX - 2;
    MUST(!sup_plan_set_is_valid(sample.bytes, sample.size));
    head(&sample)->env = sizeof(struct sup_plan_set);
    head(&sample)->env_count = UINT32_MAX;
    MUST(!sup_plan_set_is_valid(sample.bytes, sample.size));
    free(sample.bytes);
}

static void refuses_foreign_offsets(void)
{
    struct sample sample = make_sample();
    const uint64_t bad[] = {0,
                            8,
                            sample.offset + 1,
                            sample.offset + 8,
                            sample.size,
                            sample.size + 8,
                            UINT64_MAX,
                            UINT64_MAX - 7,
                            UINT64_MAX - sizeof(struct sup_plan) + 1};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        MUST(sup_plan_at(sample.bytes, sample.size, bad[i]) == NULL);
    free(sample.bytes);
}

static void refuses_bad_numbers(void)
{
    struct sample sample = make_sample();
    struct sup_plan *plan = record(&sample);
    const struct sup_plan good = *plan;
#define REFUSED(change) \
    do { \
        *plan = good; \
        change; \
        MUST(find(&sample) == NULL); \
    } while (0)
    REFUSED(plan->size--);
    REFUSED(plan->command_count = UINT32_MAX);
    REFUSED(plan->command_count = SUP_PLAN_MAX_COMMANDS);
    REFUSED(plan->commands++);
    REFUSED(plan->commands = sample.size);
    REFUSED(plan->commands = UINT64_MAX - 7);
    REFUSED(plan->arg_count = 0);
    REFUSED(plan->arg_count = UINT32_MAX);
    REFUSED(plan->env_count = UINT32_MAX);
    REFUSED(plan->args = UINT64_MAX);
    REFUSED(plan->env = sample.size);
    REFUSED(plan->cwd = 3);
    REFUSED(plan->name = 0);
    REFUSED(plan->name = sample.size + 1);
    REFUSED(plan->log_file = 0);
    REFUSED(plan->log = SUP_LOG_TO + 1);
    REFUSED(plan->stop_signal = -1);
    REFUSED(plan->stop_signal = 65);
    REFUSED(plan->watchdog_ns = -1);
    REFUSED(plan->ready_fd = 2);
    REFUSED(plan->ready_fd = 256);
    REFUSED(plan->timeout_ns = -1);
    REFUSED(plan->flags = SUP_PLAN_FLAGS + 1);
    REFUSED(plan->group_count = 1);
    REFUSED((plan->limit_count = 1, plan->limits = sample.size));
    REFUSED(plan->limit_count = UINT32_MAX);
    REFUSED((plan->cgroup_count = 1, plan->cgroup = sample.size));
    REFUSED((plan->cgroup_count = 1, plan->cgroup = 12));
    REFUSED((plan->cgroup_count = 1, plan->cgroup = sample.offset)); /* no such limit */
    REFUSED((plan->cgroup_count = UINT32_MAX, plan->cgroup = sample.offset));
    REFUSED(plan->cgroup_required = 2);
    REFUSED(plan->umask = 01000);
    REFUSED(plan->socket_count = SUP_PLAN_MAX_SOCKETS + 1);
    REFUSED((plan->socket_count = 1, plan->sockets = sample.size));
    REFUSED((plan->socket_count = 1, plan->sockets = 12));
    *plan = good;
    MUST(find(&sample) != NULL);
    plan->flags = SUP_PLAN_NO_PROCESS;
    plan->arg_count = 0;
    MUST(find(&sample) != NULL);
    free(sample.bytes);
}

/* What is accepted can be read to its end; a sanitizer watches. */
static void survives_random_damage(void)
{
    struct sample sample = make_sample();
    unsigned char *good = malloc(sample.size);
    char *out[64];
    unsigned seed = 1;
    MUST(good != NULL);
    memcpy(good, sample.bytes, sample.size);
    for (int round = 0; round < 20000; round++) {
        memcpy(sample.bytes, good, sample.size);
        for (int i = 0; i < 3; i++) {
            seed = seed * 1103515245 + 12345;
            sample.bytes[(seed >> 8) % sample.size] = (unsigned char) (seed >> 24);
        }
        if (!sup_plan_set_is_valid(sample.bytes, sample.size)) continue;
        const struct sup_plan *plan = find(&sample);
        if (plan == NULL) continue;
        sup_plan_vector(sample.bytes, plan->args, plan->arg_count, out, 64);
        sup_plan_vector(sample.bytes, plan->env, plan->env_count, out, 64);
        MUST(strlen(sup_plan_text(sample.bytes, plan->name)) < sample.size);
    }
    free(good);
    free(sample.bytes);
}

int main(int argc, char **argv)
{
    static const struct stage_case cases[] = {
        {"reads_what_was_written", reads_what_was_written},
        {"says_when_there_is_no_room", says_when_there_is_no_room},
        {"refuses_every_truncation", refuses_every_truncation},
        {"refuses_foreign_sets", refuses_foreign_sets},
        {"refuses_foreign_offsets", refuses_foreign_offsets},
        {"finds_the_commands", finds_the_commands},
        {"refuses_bad_commands", refuses_bad_commands},
        {"refuses_bad_numbers", refuses_bad_numbers},
        {"survives_random_damage", survives_random_damage},
    };
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], NULL);
}
