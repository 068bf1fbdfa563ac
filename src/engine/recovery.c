/*
** engine/recovery.c: how a host begins. It hears what the keeper holds, takes the tree from the
** journal of a former host, or from the configuration blob when there is none, and squares the
** two. Must not know what happens later.
**
** A journal that cannot be used costs the services: what the keeper still holds of the lost tree
** (the leftovers) is killed before the new tree starts, so that nothing runs twice.
*/
#include "engine/crash.h"
#include "engine/inside.h"

#include "base/err.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HELLO_WAIT_MS 10000
#define LEFTOVER_WAIT_NS (10 * SUP_SECOND_NS)
#define EXIT_CONFIG 78
#define EXIT_LOST 70

/* A message between HELLO and HELLO_END about an instance. */
struct told {
    struct sup_wire message;
    int fd;
};

struct hello {
    struct sup_wire word;
    int fds[SUP_FD_COUNT]; /* by enum sup_wire_fd; -1: absent */
    struct told *told;
    size_t count, room;
    uint64_t last_instance; /* the greatest that the keeper knows */
};

/* --- hearing ---------------------------------------------------------------------------------- */

static int keep_told(struct hello *hello, const struct sup_wire *message, int fd)
{
    if (hello->count == hello->room) {
        size_t room = hello->room == 0 ? 64 : hello->room * 2;
        struct told *told = realloc(hello->told, room * sizeof *told);
        if (told == NULL) {
            if (fd >= 0) close(fd);
            return -ENOMEM;
        }
        hello->told = told;
        hello->room = room;
    }
    hello->told[hello->count++] = (struct told){.message = *message, .fd = fd};
    if (message->instance > hello->last_instance) hello->last_instance = message->instance;
    return 0;
}

/* One message. Returns 1 at HELLO_END, 0 or -errno. */
static int hear(struct sup_engine *engine, struct hello *hello, const struct sup_wire *message,
                int fd)
{
    if (message->type == SUP_WIRE_HELLO_END) return 1;
    if (message->type == SUP_WIRE_SPAWNED || message->type == SUP_WIRE_SPAWN_FAILED ||
        message->type == SUP_WIRE_EXIT || message->type == SUP_WIRE_STARTING ||
        message->type == SUP_WIRE_LIMITS || message->type == SUP_WIRE_EAR ||
        message->type == SUP_WIRE_ENDING)
        return keep_told(hello, message, fd);
    if (message->type == SUP_WIRE_SOCKET_HELD) {
        sup_listeners_take(engine, message, fd);
        return 0;
    }
    if (message->type == SUP_WIRE_HELLO) hello->word = *message;
    if (message->type == SUP_WIRE_FD && message->a > 0 && message->a < SUP_FD_COUNT && fd >= 0 &&
        hello->fds[message->a] < 0)
        hello->fds[message->a] = fd;
    else if (fd >= 0) close(fd);
    return 0;
}

static int listen_to_keeper(struct sup_engine *engine, struct hello *hello)
{
    for (;;) {
        struct sup_wire message;
        int fd;
        int r = sup_wire_receive(engine->link.socket, &message, &fd);
        if (r == -EAGAIN) {
            struct pollfd wait = {.fd = engine->link.socket, .events = POLLIN};
            if (poll(&wait, 1, HELLO_WAIT_MS) == 0) return -ETIMEDOUT;
            continue;
        }
        if (r == 0) return -EPIPE;
        if (r < 0 && r != -EMFILE) return r;
        r = hear(engine, hello, &message, fd);
        if (r != 0) return r < 0 ? r : 0;
    }
}

static int take_fd(struct hello *hello, enum sup_wire_fd kind)
{
    int fd = hello->fds[kind];
    hello->fds[kind] = -1;
    return fd;
}

static void finish_hello(struct hello *hello)
{
    for (int i = 0; i < SUP_FD_COUNT; i++)
        if (hello->fds[i] >= 0) close(hello->fds[i]);
    for (size_t i = 0; i < hello->count; i++)
        if (hello->told[i].fd >= 0) close(hello->told[i].fd);
    free(hello->told);
}

/* --- a new tree ------------------------------------------------------------------------------- */

static uint64_t make_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) == (ssize_t) sizeof seed) return seed;
    return (uint64_t) sup_engine_clock();
}

static int plant_tree(struct sup_engine *engine, const void *bytes, size_t size,
                      struct sup_err *err)
{
    engine->tree = sup_tree_create(bytes, size, make_seed(), err);
    return engine->tree == NULL ? err->code : sup_engine_reserve(engine, bytes, size);
}

static int create_tree(struct sup_engine *engine, int blob, struct sup_err *err)
{
    struct stat info;
    if (engine->library != NULL)
        return plant_tree(engine, engine->library->blob, engine->library->blob_size, err);
    if (blob < 0 || fstat(blob, &info) < 0 || info.st_size <= 0)
        return sup_err_set(err, -EINVAL, "configuration", "run it again with suptree run",
                           "the keeper has none to give");
    size_t size = (size_t) info.st_size;
    void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, blob, 0);
    if (bytes == MAP_FAILED)
        return sup_err_set(err, -errno, "configuration", "", "it cannot be mapped");
    int r = plant_tree(engine, bytes, size, err);
    munmap(bytes, size);
    return r;
}

/* Kill what stands for ${message} without knowing more of it than the keeper says. */
static void kill_stray(const struct sup_wire *message, int pidfd)
{
    int fd = pidfd >= 0 ? pidfd : (int) syscall(SYS_pidfd_open, message->a, 0);
    if (fd < 0) return;
    /* While the pidfd can be signalled its group can mean no other. */
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0) kill(-message->a, SIGKILL);
    if (fd != pidfd) close(fd);
}

/* Its process is another one every while: the keeper kills what runs now, nothing follows. */
static void have_killed(struct sup_engine *engine, const struct sup_wire *message)
{
    struct sup_wire kill = {
        .type = SUP_WIRE_SIGNAL,
        .node = message->node,
        .instance = message->instance,
        .a = SIGKILL,
        .b = SUP_TARGET_GROUP,
    };
    sup_link_send(&engine->link, &kill, -1);
}

/* Does what ${hello}'s message ${at} tells of end already, by `after_exit`? */
static bool is_ending(const struct hello *hello, size_t at)
{
    uint64_t instance = hello->told[at].message.instance;
    while (++at < hello->count && hello->told[at].message.instance == instance)
        if (hello->told[at].message.type == SUP_WIRE_ENDING) return true;
    return false;
}

static void kill_one(struct sup_engine *engine, const struct hello *hello, size_t at)
{
    const struct told *told = &hello->told[at];
    have_killed(engine, &told->message);
    if (told->message.type == SUP_WIRE_SPAWNED && !is_ending(hello, at))
        kill_stray(&told->message, told->fd);
}

/* From now on what the keeper knows is a leftover: the new tree counts on behind it. */
static void begin_afresh(struct sup_engine *engine, const struct hello *hello)
{
    engine->bases = (struct sup_recorder_bases){hello->word.seq, hello->last_instance};
    engine->done_seq = engine->link.reached = 0;
    engine->told_lines = engine->told_events = 0;
    sup_tap_clear(&engine->tap);
    sup_said_clear(&engine->said);
}

void sup_recovery_leftover(struct sup_engine *engine, const struct sup_wire *message)
{
    struct sup_status status;
    if (message->type == SUP_WIRE_LIMITS) return;
    if (message->type == SUP_WIRE_STARTING) return; /* it is killed; SPAWNED may still come */
    if (message->type == SUP_WIRE_ENDING) return;   /* the same; EXIT will come */
    if (message->type == SUP_WIRE_SPAWNED) {
        engine->leftovers++;
        return;
    }
    sup_process_acknowledge(engine, message->instance);
    if (message->type == SUP_WIRE_EXIT && engine->leftovers > 0) engine->leftovers--;
    if (sup_tree_status(engine->tree, message->node, engine->now_ns, &status)) return;
    struct sup_wire gone = {.type = SUP_WIRE_UNPLAN, .node = message->node};
    sup_link_send(&engine->link, &gone, -1);
}

void sup_recovery_progress(struct sup_engine *engine)
{
    if (!engine->start_due) return;
    bool waited = engine->now_ns >= engine->leftovers_ns;
    if (engine->leftovers > 0 && !waited) return;
    if (engine->leftovers > 0)
        sup_tell_line(engine,
                      "%zu processes of the lost tree do not die; the tree starts beside "
                      "them, see what the system holds them for",
                      engine->leftovers);
    engine->start_due = false;
    struct sup_input start = {.type = SUP_IN_START};
    sup_engine_apply(engine, &start);
}

/* --- the tree of a former host ---------------------------------------------------------------- */

static void perform_again(void *self, struct sup_tree *tree, const struct sup_effect *effect)
{
    struct sup_engine *engine = self;
    engine->tree = tree;
    sup_engine_perform(engine, effect, 1);
}

static void forget_attempt(struct sup_engine *engine)
{
    engine->tree = NULL;
    engine->failed = NULL;
    engine->planned_all = false;
    sup_heap_finish(&engine->watches);
    sup_heap_finish(&engine->watchdogs);
    sup_slots_finish(&engine->slots);
    sup_link_finish(&engine->link);
    sup_recorder_finish(&engine->recorder);
}

/* The tree from the journal in ${fd}. What it does again stays in the corked link until it is
   whole. */
static int restore_tree(struct sup_engine *engine, int fd, struct sup_err *err)
{
    int socket = engine->link.socket;
    int r = sup_recorder_open(&engine->recorder, fd, err);
    if (r < 0) return r;
    const struct sup_journal_header *header = (const void *) engine->recorder.memory;
    engine->bases = engine->recorder.tail->bases;
    engine->wall_offset_ns = engine->recorder.tail->wall_offset_ns;
    sup_engine_tick(engine);
    engine->told_lines = atomic_load(&engine->recorder.tail->told_lines);
    engine->told_events = atomic_load(&engine->recorder.tail->told_events);
    engine->done_seq = engine->link.reached = atomic_load(&header->confirmed);
    engine->tree = NULL;
    struct sup_tree *tree = sup_journal_replay(engine->recorder.memory, engine->recorder.room,
                                               perform_again, engine, NULL, err);
    engine->tree = tree;
    if (tree != NULL) return 0;
    forget_attempt(engine);
    sup_link_init(&engine->link, socket);
    engine->link.corked = true;
    sup_listeners_give_all(engine);
    return -EINVAL;
}

static bool is_abandoned(const struct sup_unstopped *known, size_t count, uint64_t instance)
{
    for (size_t i = 0; i < count; i++)
        if (known[i].instance == instance) return true;
    return false;
}

/* Slots for what the tree thinks lives; what the replay launched again has one already. */
static void take_slots(struct sup_engine *engine)
{
    const struct sup_tree *tree = engine->tree;
    struct sup_status status;
    for (sup_token node = sup_tree_next(tree, 0); node != 0; node = sup_tree_next(tree, node)) {
        if (!sup_tree_status(tree, node, engine->now_ns, &status)) continue;
        if (status.kind == SUP_SUPERVISOR || status.instance == 0) continue;
        struct sup_slot *slot = sup_engine_slot(engine, node, status.kind);
        if (slot == NULL) continue;
        slot->generation = status.generation;
        slot->instance = status.instance;
    }
}

/* What the keeper has live and the tree does not know must not run on unseen. */
static void kill_strays(struct sup_engine *engine, struct hello *hello)
{
    size_t count = sup_tree_unstopped(engine->tree, NULL, 0);
    struct sup_unstopped *known = calloc(count + 1, sizeof *known);
    if (known == NULL) return; /* then its end is all that is heard of it */
    sup_tree_unstopped(engine->tree, known, count);
    for (size_t i = 0; i < hello->count; i++) {
        const struct sup_wire *message = &hello->told[i].message;
        uint64_t instance = message->instance - engine->bases.instance;
        if (message->type != SUP_WIRE_SPAWNED && message->type != SUP_WIRE_STARTING) continue;
        if (message->instance <= engine->bases.instance) {
            kill_one(engine, hello, i);
            continue;
        }
        const struct sup_slot *slot = sup_slots_find(&engine->slots, message->node);
        bool current = slot != NULL && slot->instance == instance;
        bool ended = i + 1 < hello->count && hello->told[i + 1].message.type == SUP_WIRE_EXIT &&
                     hello->told[i + 1].message.instance == message->instance;
        if (current || ended || is_abandoned(known, count, instance)) continue;
        sup_tell_line(engine, "process %d is in no record of the former host: it is killed",
                      message->a);
        kill_one(engine, hello, i);
    }
    free(known);
}

/* What the tree thinks lives and the keeper does not know is over, nobody knows how. */
static void lose_unknown(struct sup_engine *engine)
{
    for (size_t i = 0; i < sup_slots_room(&engine->slots); i++) {
        struct sup_slot *slot = sup_slots_at(&engine->slots, i);
        struct sup_status status;
        if (slot->node == 0 || slot->kind != SUP_PROCESS || slot->live || slot->launching) continue;
        if (!sup_tree_status(engine->tree, slot->node, engine->now_ns, &status)) continue;
        if (status.instance == 0 || status.instance != slot->instance) continue;
        struct sup_input input = {.type = SUP_IN_ENDED,
                                  .node = slot->node,
                                  .instance = slot->instance,
                                  .outcome = {SUP_END_LOST, 0},
                                  .text = "the keeper has no record of it"};
        sup_engine_apply(engine, &input);
    }
}

static void square(struct sup_engine *engine, struct hello *hello)
{
    for (size_t i = 0; i < hello->count; i++) {
        int fd = hello->told[i].fd;
        hello->told[i].fd = -1;
        sup_process_fact(engine, &hello->told[i].message, fd);
    }
    lose_unknown(engine);
}

/* --- beginning -------------------------------------------------------------------------------- */

static bool was_started(struct sup_engine *engine)
{
    struct sup_status status;
    int code;
    if (sup_tree_has_ended(engine->tree, &code)) return true;
    sup_token root = sup_tree_root(engine->tree);
    return sup_tree_status(engine->tree, root, engine->now_ns, &status) && status.generation > 0;
}

static void start_when_clear(struct sup_engine *engine)
{
    if (was_started(engine) || engine->library != NULL) return; /* serve starts it */
    engine->start_due = true;
    engine->leftovers_ns = engine->now_ns + LEFTOVER_WAIT_NS;
}

static int cold_start(struct sup_engine *engine, struct hello *hello, struct sup_err *err)
{
    begin_afresh(engine, hello);
    engine->threads.restoring = false;
    int r = create_tree(engine, engine->config.blob, err);
    if (r < 0) return r == -ENOMEM ? EXIT_LOST : EXIT_CONFIG;
    engine->link.corked = false;
    if (engine->library == NULL) r = sup_engine_snapshot(engine, 0);
    if (r == -EPIPE) {
        sup_err_set(err, r, "", "", "the keeper is gone");
        return EXIT_LOST;
    }
    kill_strays(engine, hello);
    square(engine, hello);
    return 0;
}

static void warm_start(struct sup_engine *engine, struct hello *hello)
{
    const struct sup_journal_header *header = (const void *) engine->recorder.memory;
    struct sup_input died = {.type = SUP_IN_HOST_DIED, .instance = atomic_load(&header->crashing)};
    take_slots(engine);
    engine->config.replaced = true; /* if the former host died before it could give it away */
    sup_config_follow(engine);
    kill_strays(engine, hello);
    square(engine, hello);
    engine->threads.restoring = false;
    if (was_started(engine)) sup_engine_apply(engine, &died);
    atomic_store(&((struct sup_journal_header *) (void *) engine->recorder.memory)->crashing, 0);
    sup_crash_set_journal(engine->recorder.memory);
    engine->link.corked = false;
    engine->listeners.asked = true;
    engine->schedule_asked = true; /* if the former host died before it could answer */
}

static int begin_tree(struct sup_engine *engine, struct hello *hello, struct sup_err *err)
{
    struct sup_err why = {.code = 0};
    char text[512];
    int journal = take_fd(hello, SUP_FD_JOURNAL);
    engine->link.corked = true;
    engine->threads.restoring = true;
    sup_config_take(engine, take_fd(hello, SUP_FD_BLOB), take_fd(hello, SUP_FD_FORMER));
    engine->threads.safe_mode = (hello->word.b & SUP_HELLO_SAFE_MODE) != 0;
    if (journal >= 0 && restore_tree(engine, journal, &why) == 0) {
        warm_start(engine, hello);
        return 0;
    }
    if (journal >= 0 || hello->count > 0)
        sup_tell_line(engine,
                      "what the former host knew is lost (%s): the services that it "
                      "started are killed, then the tree starts anew",
                      journal < 0 ? "there is no journal" : sup_err_text(&why, text, sizeof text));
    return cold_start(engine, hello, err);
}

/* What is new is held by the keeper from the start. */
static void give(struct sup_engine *engine, enum sup_wire_fd kind, int *fd)
{
    struct sup_wire message = {.type = SUP_WIRE_STORE_FD, .a = kind};
    if (*fd < 0) return;
    sup_link_send(&engine->link, &message, *fd);
    *fd = -1;
}

static int begin(struct sup_engine *engine, struct hello *hello, struct sup_err *err)
{
    uint64_t hosts = (uint64_t) hello->word.a;
    engine->rings = take_fd(hello, SUP_FD_RINGS);
    engine->cgroups = take_fd(hello, SUP_FD_CGROUP);
    engine->births = take_fd(hello, SUP_FD_BIRTHS);
    int r = sup_inbox_init(&engine->inbox, hosts, sup_loop_wake, engine);
    if (engine->library != NULL) engine->kept_output = take_fd(hello, SUP_FD_OUTPUT);
    if (r == 0)
        r = sup_output_init(&engine->lines, take_fd(hello, SUP_FD_OUTPUT), SUP_OUTPUT_PLAIN);
    if (r == 0)
        r = sup_output_init(&engine->events, take_fd(hello, SUP_FD_EVENTS), SUP_OUTPUT_JSON);
    if (r < 0) {
        sup_err_set(err, r, "", "free some memory", "there is no memory for the host");
        return EXIT_LOST;
    }
    engine->facts.control = take_fd(hello, SUP_FD_CONTROL);
    engine->facts.control_lock = take_fd(hello, SUP_FD_CONTROL_LOCK);
    /* Without a control socket nobody would read it. */
    if (engine->facts.control >= 0) sup_tap_init(&engine->tap, take_fd(hello, SUP_FD_TAP));
    sup_said_init(&engine->said, take_fd(hello, SUP_FD_SAID));
    engine->facts.hosts = (uint32_t) hosts;
    engine->facts.safe_mode = (hello->word.b & SUP_HELLO_SAFE_MODE) != 0;
    /* Numbers of plan sets that no former host can have used for what still lives. */
    engine->plan_number = (int32_t) ((hosts & 0x3ff) << 21);
    sup_engine_tick(engine);
    r = begin_tree(engine, hello, err);
    if (r == 0) give(engine, SUP_FD_TAP, &engine->tap.fd);
    if (r == 0 && engine->library == NULL) give(engine, SUP_FD_SAID, &engine->said.fd);
    if (r == 0) start_when_clear(engine);
    return r;
}

int sup_recovery_run(struct sup_engine *engine, struct sup_err *err)
{
    struct hello hello = {.count = 0};
    for (int i = 0; i < SUP_FD_COUNT; i++) hello.fds[i] = -1;
    int r = listen_to_keeper(engine, &hello);
    /* Having spoken tells the keeper that we understand each other, whatever happens next. */
    struct sup_wire word = {.type = SUP_WIRE_HEARTBEAT};
    if (r == 0) sup_link_send(&engine->link, &word, -1);
    if (r < 0)
        sup_err_set(err, r, "", "install suptree and suptree-keeper together, run it again",
                    r == -EPROTO ? "the keeper speaks another version of the protocol"
                                 : "the keeper does not say what it holds");
    int code = r < 0 ? EXIT_LOST : begin(engine, &hello, err);
    finish_hello(&hello);
    return code;
}
