/*
** simulate/main.c: random runs of the core against the invariants of the law.
*/
#include "config.h"
#include "coverage.h"
#include "interleave.h"
#include "shrink.h"
#include "world.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_JOBS 64
#define RUN_SECONDS 20 /* a run that takes longer is taken for an endless loop */

static const char usage[] =
    "Usage: simulate [OPTION...]\n"
    "Runs random trees in a random world and checks the invariants after every step.\n"
    "  --steps N        inputs in all (default 1000000)\n"
    "  --seed S         the same seed gives the same runs (default: a fresh one, printed)\n"
    "  --seeds N        so many runs instead of so many steps\n"
    "  --jobs J         processes (default 1)\n"
    "  --twins N        one run in N is saved, restored and replayed throughout (default 64)\n"
    "  --coverage       print which inputs met which states; fails when a pair is missing\n"
    "  --run R          one run alone, by its number as printed with a failure\n"
    "  --replay FILE    execute a case (again and again: several files)\n"
    "  --cases FOLDER   execute all cases of a folder\n"
    "  --interleavings  all orders of a few inputs, for three children under each strategy\n"
    "  --keep FILE      write a failing case there\n"
    "  --no-shrink      leave a failing case as it is\n"
    "  --verbose        print the operations\n";

struct options {
    uint64_t steps, seed, seeds, single;
    uint32_t jobs, twins;
    bool coverage, shrinks, verbose, has_seed, has_single;
    const char *keep;
};

/* What a job leaves behind, in memory that outlives its crash. */
struct job {
    uint64_t steps, runs, seed;
    double cpu_seconds;
    bool is_twin, is_done;
    int violated;
    char message[400];
    struct coverage coverage;
    struct run_case run;
};

/* --- one job --------------------------------------------------------------------------------- */

static uint64_t seed_of(const struct options *options, uint64_t index)
{
    return rng_mix(options->seed * UINT64_C(0x9e3779b97f4a7c15) + index + 1);
}

/* False: a rule was broken. */
static bool run_one(struct job *job, const struct options *options, uint64_t seed)
{
    static struct sim sim;
    job->seed = seed;
    job->is_twin = options->twins != 0 && seed % options->twins == 0;
    shrink_limit(RUN_SECONDS);
    world_run(&sim, &job->run, seed, job->is_twin, options->coverage ? &job->coverage : NULL);
    job->steps += sim.steps;
    job->runs++;
    job->violated = sim.violated;
    memcpy(job->message, sim.message, sizeof job->message);
    sim_end(&sim);
    if (sim.violated != 0) return false;
    case_finish(&job->run);
    return true;
}

static void run_job(struct job *job, const struct options *options, uint32_t number)
{
    uint64_t share = options->steps / options->jobs;
    for (uint64_t index = number;; index += options->jobs) {
        if (options->seeds != 0 ? index >= options->seeds : job->steps >= share) break;
        if (!run_one(job, options, seed_of(options, index))) break;
    }
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    job->cpu_seconds = (double) cpu.tv_sec + (double) cpu.tv_nsec / 1e9;
    job->is_done = true;
}

/* --- what is said ---------------------------------------------------------------------------- */

static void show_case(struct run_case *run, int verdict, const char *message, FILE *out)
{
    if (verdict == VERDICT_CRASH) {
        fprintf(out, "# crash: %s\n", message);
    } else {
        fprintf(out, "# invariant %d: %s\n", verdict, message);
    }
    case_write(run, out);
}

static void report_failure(struct job *job, const struct options *options)
{
    char message[400];
    int verdict = job->violated != 0 ? job->violated : VERDICT_CRASH;
    bool with_twin = job->is_twin;
    snprintf(message, sizeof message, "%s", job->message);
    printf("run %" PRIu64 ", step %" PRIu64 ": %s %d: %s\n", job->seed, job->steps,
           verdict == VERDICT_CRASH ? "crash" : "invariant", verdict, message);
    fflush(stdout);
    struct run_case *run = &job->run;
    for (uint32_t i = 0; i < run->config_count; i++) run->configs[i].blob = NULL;
    if (!case_blobs(run)) return;
    if (with_twin && shrink_try(run, false, NULL, 0) == verdict) with_twin = false;
    if (shrink_try(run, with_twin, message, sizeof message) != verdict) {
        printf("the recorded case does not fail the same way; run it by --run\n");
    } else if (options->shrinks) {
        shrink(run, verdict, with_twin);
        shrink_try(run, with_twin, message, sizeof message);
    }
    show_case(run, verdict, message, stdout);
    if (options->keep == NULL) return;
    FILE *file = fopen(options->keep, "w");
    if (file == NULL) return;
    show_case(run, verdict, message, file);
    fclose(file);
}

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) (now.tv_sec - start->tv_sec) + (double) (now.tv_nsec - start->tv_nsec) / 1e9;
}

/* --- all jobs -------------------------------------------------------------------------------- */

static void fork_jobs(struct job *jobs, const struct options *options)
{
    for (uint32_t i = 0; i < options->jobs; i++) {
        fflush(NULL);
        if (fork() != 0) continue;
        run_job(&jobs[i], options, i);
        _exit(0);
    }
    while (wait(NULL) > 0) continue;
}

static int judge_jobs(struct job *jobs, const struct options *options, double seconds)
{
    static struct coverage coverage;
    uint64_t steps = 0, runs = 0;
    double cpu_seconds = 1e-9;
    int status = 0;
    for (uint32_t i = 0; i < options->jobs; i++) {
        steps += jobs[i].steps;
        runs += jobs[i].runs;
        cpu_seconds += jobs[i].cpu_seconds;
        coverage_add(&coverage, &jobs[i].coverage);
        bool failed = jobs[i].violated != 0 || !jobs[i].is_done;
        if (failed && status == 0) report_failure(&jobs[i], options);
        if (failed) status = 1;
    }
    printf("seed %" PRIu64 ": %" PRIu64 " steps in %" PRIu64 " runs, %.1f s, %.2f million steps/s, "
           "%.2f million steps per second of processor time\n",
           options->seed, steps, runs, seconds, (double) steps / seconds / 1e6,
           (double) steps / cpu_seconds / 1e6);
    if (options->coverage && coverage_print(&coverage, stdout) != 0) status = 1;
    return status;
}

static int simulate(const struct options *options)
{
    struct timespec start;
    size_t size = options->jobs * sizeof(struct job);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 2;
    struct job *jobs = memory;
    clock_gettime(CLOCK_MONOTONIC, &start);
    fork_jobs(jobs, options);
    return judge_jobs(jobs, options, seconds_since(&start));
}

/* One run in this process: a debugger's friend. */
static int simulate_single(const struct options *options)
{
    static struct job job;
    static struct options alone;
    alone = *options;
    bool good = run_one(&job, &alone, options->single);
    if (options->verbose) case_write(&job.run, stdout);
    if (!good) report_failure(&job, options);
    return good ? 0 : 1;
}

/* --- cases ----------------------------------------------------------------------------------- */

/* With and without a twin; the case must hold. */
static int replay(const char *path, const struct options *options)
{
    static struct run_case run;
    char message[400];
    FILE *file = fopen(path, "r");
    bool good = file != NULL && case_read(&run, file, message, sizeof message);
    if (file == NULL) snprintf(message, sizeof message, "cannot be opened");
    if (file != NULL) fclose(file);
    if (!good || !case_blobs(&run)) {
        printf("%s: %s\n", path, message);
        return 2;
    }
    if (options->verbose) {
        static struct sim sim;
        if (sim_begin(&sim, &run)) {
            sim.verbose = stdout;
            for (uint32_t i = 0; i < run.op_count && sim.violated == 0; i++)
                sim_do(&sim, &run.ops[i]);
        }
        sim_end(&sim);
    }
    int verdict = shrink_try(&run, false, message, sizeof message);
    if (verdict == 0) verdict = shrink_try(&run, true, message, sizeof message);
    if (verdict != 0) printf("%s: invariant %d: %s\n", path, verdict, message);
    case_finish(&run);
    return verdict == 0 ? 0 : 1;
}

static int is_case(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".case") == 0;
}

static int replay_folder(const char *folder, const struct options *options)
{
    struct dirent **entries;
    int status = 0, count = scandir(folder, &entries, is_case, alphasort);
    for (int i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (replay(path, options) != 0) status = 1;
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    printf("%s: %d cases\n", folder, count);
    return count > 0 ? status : 2;
}

/* --- the command line ------------------------------------------------------------------------ */

static int complain(const char *word)
{
    fprintf(stderr, "simulate: '%s' makes no sense here\n%s", word, usage);
    return 2;
}

static uint64_t *number_option(struct options *options, const char *word)
{
    if (strcmp(word, "--steps") == 0) return &options->steps;
    if (strcmp(word, "--seeds") == 0) return &options->seeds;
    if (strcmp(word, "--seed") == 0) {
        options->has_seed = true;
        return &options->seed;
    }
    if (strcmp(word, "--run") == 0) {
        options->has_single = true;
        return &options->single;
    }
    return NULL;
}

static bool take_flag(struct options *options, const char *word)
{
    if (strcmp(word, "--coverage") == 0) options->coverage = true;
    else if (strcmp(word, "--no-shrink") == 0) options->shrinks = false;
    else if (strcmp(word, "--verbose") == 0) options->verbose = true;
    else return false;
    return true;
}

static int take_words(struct options *options, int count, char **words)
{
    int status = -1;
    for (int i = 1; i < count; i++) {
        const char *word = words[i], *value = i + 1 < count ? words[i + 1] : "";
        uint64_t *number = number_option(options, word);
        if (strcmp(word, "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (take_flag(options, word)) continue;
        if (strcmp(word, "--interleavings") == 0) return interleave_all(options->verbose);
        if (*value == '\0') return complain(word);
        i++;
        if (number != NULL) *number = strtoull(value, NULL, 10);
        else if (strcmp(word, "--jobs") == 0) options->jobs = (uint32_t) strtoul(value, NULL, 10);
        else if (strcmp(word, "--twins") == 0) options->twins = (uint32_t) strtoul(value, NULL, 10);
        else if (strcmp(word, "--keep") == 0) options->keep = value;
        else if (strcmp(word, "--cases") == 0) return replay_folder(value, options);
        else if (strcmp(word, "--replay") == 0)
            status = status > 0 ? status : replay(value, options);
        else return complain(word);
    }
    return status;
}

int main(int count, char **words)
{
    struct options options = {.steps = 1000000, .jobs = 1, .twins = 64, .shrinks = true};
    setenv("SUPTREE_STRICT", "1", 1);
    if (!config_init()) return 2;
    int status = take_words(&options, count, words);
    if (status >= 0) return status;
    if (!options.has_seed && getrandom(&options.seed, 4, 0) != 4) return 2;
    if (options.jobs == 0 || options.jobs > MAX_JOBS) return complain("--jobs");
    return options.has_single ? simulate_single(&options) : simulate(&options);
}
