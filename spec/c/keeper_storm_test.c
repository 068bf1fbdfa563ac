/*
** spec/c/keeper_storm_test.c: hosts killed at random moments. A small host, which keeps what it
** knows in a shared file, runs long services and restarts short ones as fast as it can. Afterwards:
** no long service was touched, every short instance ran once, and each of their statuses was
** recorded.
**
** keeper_storm_test [KILLS [SEED]]
*/
#include "lib_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG 8
#define NODES 14 /* the first LONG of them are long */
#define MAX_INSTANCES 200000
#define NODE(index) ((uint64_t) 1 << 32 | (uint64_t) (index))
#define DEFAULT_KILLS 50
#define BEAT_MS 2

enum run_state { NEVER = 0, ASKED, ENDED };

struct run {
    uint64_t seq; /* of its SPAWN */
    int32_t status;
    int32_t pid;
    uint8_t node;
    volatile uint8_t state; /* written last */
};

/* What a host leaves to the next one. Each step is committed by one store. */
struct memory {
    volatile pid_t host;
    volatile int finish; /* by the driver: nothing new is started */
    volatile int lost;   /* an instance that the keeper has handled and does not know */
    volatile int wrong;  /* two different statuses, or pids, of one instance */
    volatile uint64_t seq;
    volatile uint64_t instances;
    volatile uint64_t current[NODES]; /* instance of each node; 0: none yet */
    struct run runs[MAX_INSTANCES];
};

static struct memory *map_memory(const char *folder)
{
    char path[256];
    snprintf(path, sizeof path, "%s/memory", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct memory)) < 0) return NULL;
    void *at = mmap(NULL, sizeof(struct memory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

/* --- the host ------------------------------------------------------------------------------- */

static struct memory *memory;

static void say(struct sup_wire message, int fd)
{
    message.version = SUP_WIRE_VERSION;
    for (;;) {
        int r = sup_wire_send(3, &message, fd);
        if (r == 0) return;
        if (r != -EAGAIN) _exit(97);
        struct pollfd wait = {.fd = 3, .events = POLLOUT};
        poll(&wait, 1, 10);
    }
}

static void say_spawn(uint64_t instance)
{
    say((struct sup_wire){.type = SUP_WIRE_SPAWN,
                          .seq = memory->runs[instance].seq,
                          .node = NODE(memory->runs[instance].node),
                          .instance = instance,
                          .generation = (uint32_t) instance},
        -1);
}

static void start_next(uint8_t node)
{
    if (memory->finish) return;
    uint64_t instance = ++memory->instances;
    if (instance >= MAX_INSTANCES) _exit(96);
    memory->runs[instance].node = node;
    memory->runs[instance].seq = ++memory->seq;
    memory->runs[instance].state = ASKED;
    memory->current[node] = instance;
    say_spawn(instance);
}

static void note_spawned(const struct sup_wire *message)
{
    struct run *run = &memory->runs[message->instance];
    if (run->pid != 0 && run->pid != message->a) memory->wrong = 1;
    run->pid = message->a;
}

static void note_end(const struct sup_wire *message)
{
    struct run *run = &memory->runs[message->instance];
    bool news = run->state == ASKED;
    if (!news && run->status != message->a) memory->wrong = 1;
    run->status = message->a;
    run->state = ENDED;
    say((struct sup_wire){.type = SUP_WIRE_ACK, .instance = message->instance}, -1);
    if (news && memory->current[run->node] == message->instance) start_next(run->node);
}

/* Wait for a message, saying now and then that we live. */
static struct sup_wire listen_to_keeper(void)
{
    for (;;) {
        struct sup_wire message;
        int fd;
        int r = sup_wire_receive(3, &message, &fd);
        if (fd >= 0) close(fd);
        if (r == 1) return message;
        if (r != -EAGAIN) _exit(95);
        struct pollfd wait = {.fd = 3, .events = POLLIN};
        if (poll(&wait, 1, BEAT_MS) == 0) say((struct sup_wire){.type = SUP_WIRE_HEARTBEAT}, -1);
        if (memory->finish) return (struct sup_wire){0};
    }
}

static void obey(const struct sup_wire *message)
{
    if (message->type == SUP_WIRE_SPAWNED) note_spawned(message);
    if (message->type == SUP_WIRE_EXIT) note_end(message);
    if (message->type == SUP_WIRE_SPAWN_FAILED) memory->wrong = 1;
}

/* What the keeper has handled it must have told; the rest is said again, in order. */
static void square(uint64_t handled, const bool *told)
{
    for (uint64_t i = 1; i <= memory->instances && i < MAX_INSTANCES; i++) {
        const struct run *run = &memory->runs[i];
        if (run->state != ASKED || memory->current[run->node] != i) continue;
        if (run->seq > handled) say_spawn(i);
        else if (!told[i]) memory->lost = 1;
    }
    for (uint8_t node = 0; node < NODES; node++) {
        uint64_t at = memory->current[node];
        if (at == 0 || memory->runs[at].state == ENDED) start_next(node);
    }
}

static void say_plans(const char *folder)
{
    static char scripts[NODES][512];
    static const char *argv[NODES][4];
    struct stage_plan plans[NODES] = {0};
    uint64_t offsets[NODES];
    for (int i = 0; i < NODES; i++) {
        if (i < LONG) snprintf(scripts[i], sizeof scripts[i], "exec sleep 1000");
        else
            snprintf(scripts[i], sizeof scripts[i],
                     "g=$SUPTREE_GENERATION; echo $g >> %s/starts%d; "
                     "[ $((g %% 3)) = 0 ] && kill -USR1 $$; exit $((g %% 50))",
                     folder, i);
        argv[i][0] = "/bin/sh";
        argv[i][1] = "-c";
        argv[i][2] = scripts[i];
        plans[i].argv = argv[i];
    }
    int fd = stage_make_set(plans, NODES, offsets);
    say((struct sup_wire){.type = SUP_WIRE_PLANS, .a = 1}, fd);
    close(fd);
    for (int i = 0; i < NODES; i++)
        say((struct sup_wire){.type = SUP_WIRE_PLAN,
                              .node = NODE(i),
                              .a = 1,
                              .time_ns = (int64_t) offsets[i]},
            -1);
}

static bool all_short_ended(void)
{
    for (int i = LONG; i < NODES; i++)
        if (memory->runs[memory->current[i]].state != ENDED) return false;
    return true;
}

static int play_host(const char *mode)
{
    static bool told[MAX_INSTANCES];
    const char *folder = getenv("KEEPER_SPEC_FOLDER");
    (void) mode;
    memory = map_memory(folder);
    if (memory == NULL) return 94;
    memory->host = getpid();
    struct sup_wire hello, message;
    do {
        hello = listen_to_keeper();
    } while (hello.type != SUP_WIRE_HELLO);
    say_plans(folder);
    do {
        message = listen_to_keeper();
        if (message.type == SUP_WIRE_SPAWNED || message.type == SUP_WIRE_STARTING)
            told[message.instance] = true;
        obey(&message);
    } while (message.type != SUP_WIRE_HELLO_END);
    square(hello.seq, told);
    while (!memory->finish || !all_short_ended()) {
        message = listen_to_keeper();
        obey(&message);
    }
    say((struct sup_wire){.type = SUP_WIRE_BYE, .a = 0}, -1);
    return 0;
}

/* --- the driver ----------------------------------------------------------------------------- */

static int kills = DEFAULT_KILLS;
static unsigned seed = 1;

static unsigned next_random(void)
{
    seed = seed * 1103515245 + 12345;
    return seed >> 8;
}

static void kill_one(const struct memory *seen)
{
    pid_t host;
    AWAIT((host = seen->host) > 0 && stage_is_alive(host));
    int64_t until = stage_now() + (int64_t) (next_random() % 30000) * 1000;
    while (stage_now() < until) stage_pause();
    kill(host, SIGKILL);
    stage_await_gone(host);
}

static int expected_status(uint64_t instance)
{
    return instance % 3 == 0 ? SIGUSR1 : (int) (instance % 50) << 8;
}

/* Mark each start that the services of ${node} have written down. */
static size_t read_starts(const struct stage *stage, int node, uint8_t *starts)
{
    static char text[4 << 20];
    char name[32];
    size_t count = 0;
    snprintf(name, sizeof name, "starts%d", node);
    stage_read_file(stage_path(stage, name), text, sizeof text);
    for (char *at = text; *at != '\0'; count++) {
        unsigned long instance = strtoul(at, &at, 10);
        MUST(instance > 0 && instance < MAX_INSTANCES);
        if (starts[instance]++ > 0) FAILED("instance %lu ran twice", instance);
        at += strspn(at, "\n");
    }
    return count;
}

static void check_short(const struct stage *stage, const struct memory *seen)
{
    static uint8_t starts[MAX_INSTANCES];
    size_t started = 0, ended = 0;
    for (int node = LONG; node < NODES; node++) started += read_starts(stage, node, starts);
    for (uint64_t i = 1; i <= seen->instances; i++) {
        const struct run *run = &seen->runs[i];
        if (run->node < LONG || run->state == NEVER) continue;
        if (run->state == ASKED) {
            MUST(starts[i] == 0); /* its host died before it had committed to it */
            continue;
        }
        ended++;
        MUST_EQUAL(run->status, expected_status(i));
        if (starts[i] != 1) FAILED("instance %llu never ran", (unsigned long long) i);
    }
    MUST_EQUAL(ended, started);
    MUST(started > (size_t) kills);
    printf("     %d kills, %zu short runs, each recorded once\n", kills, started);
}

static void loses_nothing_in_a_storm(void)
{
    const char *const more[] = {"--test-eager", NULL}; /* no other limit may be shorter */
    struct stage *stage = stage_hosts("storm", more);
    struct memory *seen = map_memory(stage->folder);
    MUST(seen != NULL);
    AWAIT(seen->runs[LONG].pid > 0); /* the long ones are started first */
    pid_t pids[LONG];
    for (int i = 0; i < LONG; i++) {
        AWAIT(seen->current[i] > 0 && seen->runs[seen->current[i]].pid > 0);
        pids[i] = seen->runs[seen->current[i]].pid;
    }
    for (int i = 0; i < kills; i++) kill_one(seen);
    for (int i = 0; i < LONG; i++) {
        MUST(stage_is_alive(pids[i]));
        MUST_EQUAL(seen->runs[seen->current[i]].pid, pids[i]);
    }
    seen->finish = 1;
    memory = seen;
    AWAIT(seen->lost || seen->wrong || all_short_ended()); /* else: which it was */
    MUST_EQUAL(seen->lost, 0);
    MUST_EQUAL(seen->wrong, 0);
    int status = stage_wait_end(stage);
    MUST(WIFEXITED(status));
    MUST_EQUAL(WEXITSTATUS(status), 0);
    for (int i = 0; i < LONG; i++) MUST(!stage_is_alive(pids[i]));
    check_short(stage, seen);
    munmap(seen, sizeof *seen);
    stage_close(stage);
}

int main(int argc, char **argv)
{
    static const struct stage_case cases[] = {
        {"loses_nothing_in_a_storm", loses_nothing_in_a_storm}};
    if (argc > 1 && strcmp(argv[1], "host") != 0) {
        kills = (int) strtol(argv[1], NULL, 10);
        if (argc > 2) seed = (unsigned) strtoul(argv[2], NULL, 10);
        argc = 1;
    }
    return stage_main(argc, argv, cases, 1, play_host);
}
