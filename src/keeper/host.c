/*
** keeper/host.c: the life of the host: started again whenever it dies, with growing delays; aborted
** when it hangs. In library mode: the peer, which is there already and is never started again.
** Must not know what the host says.
*/
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIVED_WELL_NS (60 * SUP_KEEPER_S)
#define ABORT_GRACE_NS (2 * SUP_KEEPER_S) /* from SIGABRT, or from its last word, to SIGKILL */
#define BYE_GRACE_NS (5 * SUP_KEEPER_S)
#define NEAR_NS (500 * SUP_KEEPER_MS)
#define SEND_BUFFER (1 << 20)
#define SOCKET_IN_CHILD "3"
#define CODE_SOFTWARE 70
#define CODE_CONFIG 78

static const int64_t delays_ns[] = {
    0, SUP_KEEPER_S / 10, SUP_KEEPER_S / 2, 2 * SUP_KEEPER_S, 10 * SUP_KEEPER_S, 30 * SUP_KEEPER_S,
};

#define DELAY_COUNT (sizeof delays_ns / sizeof delays_ns[0])

int64_t sup_keeper_time(const struct sup_keeper *keeper, int64_t ns)
{
    return ns / keeper->options.speed;
}

void sup_keeper_be_patient(const struct sup_keeper *keeper, struct sup_keeper_patience *patience,
                           int64_t now_ns)
{
    if (now_ns - patience->started_ns >= sup_keeper_time(keeper, LIVED_WELL_NS)) patience->step = 0;
    int64_t delay_ns = keeper->options.eager ? 0 : delays_ns[patience->step];
    patience->start_ns = now_ns + sup_keeper_time(keeper, delay_ns);
    if (patience->step < DELAY_COUNT - 1) patience->step++;
}

void sup_keeper_host_watch(struct sup_keeper *keeper)
{
    struct sup_keeper_host *host = &keeper->host;
    uint32_t events = (host->at_end ? 0 : EPOLLIN) | (host->blocked && !host->deaf ? EPOLLOUT : 0);
    if (host->socket < 0 || events == host->watched) return;
    if (sup_keeper_watch(keeper, host->socket, SUP_WATCH_HOST_SOCKET, 0, 0, events,
                         host->watched) == 0)
        host->watched = events;
}

/* --- starting ------------------------------------------------------------------------------- */

/* A new life begins; what belongs to the keeper's memory of former ones stays. */
static void begin_life(struct sup_keeper *keeper, int socket, int64_t now_ns)
{
    struct sup_keeper_host *host = &keeper->host;
    int size = SEND_BUFFER;
    if (setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
        setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    host->socket = socket;
    host->patience.started_ns = now_ns;
    host->patience.start_ns = SUP_KEEPER_NEVER;
    host->word_ns = now_ns;
    host->kill_ns = SUP_KEEPER_NEVER;
    host->retry_ns = SUP_KEEPER_NEVER;
    host->aborted = host->spoke = host->at_end = host->deaf = host->blocked = false;
    host->said_bye = false;
    host->watched = 0;
    host->started++;
    sup_keeper_greet(keeper);
    sup_keeper_host_watch(keeper);
}

static void fail_to_start(struct sup_keeper *keeper, int step, int error, int64_t now_ns)
{
    struct sup_keeper_host *host = &keeper->host;
    char when[32];
    if (host->started == 0 && step == SUP_STEP_EXEC) {
        sup_keeper_say("cannot run the host %s (%s); nothing was started, check the installation",
                       keeper->options.host, sup_keeper_error_text(error));
        sup_keeper_end(keeper, CODE_SOFTWARE);
        return;
    }
    sup_keeper_be_patient(keeper, &host->patience, now_ns);
    sup_keeper_say("cannot start the host (%s: %s); trying again %s, no service is touched",
                   sup_wire_step_text(step), sup_keeper_error_text(error),
                   sup_keeper_delay_text(host->patience.start_ns - now_ns, when, sizeof when));
}

/* Start the program with ${socket} as its descriptor 3. Returns as sup_spawn. */
static pid_t spawn_host(struct sup_keeper *keeper, int socket, int *pidfd, int *step)
{
    const struct sup_keeper_options *options = &keeper->options;
    const char *argv[7 + SUP_KEEPER_HOST_WORDS] = {
        options->host, "host", "--socket", SOCKET_IN_CHILD, "--name", options->name,
    };
    for (int i = 0; i < options->host_word_count; i++) argv[6 + i] = options->host_words[i];
    int output = keeper->host_output.log_write;
    struct sup_spawn_order order = {
        .argv = (char *const *) (uintptr_t) argv,
        .env = keeper->env,
        .out = output != 0 ? output : STDERR_FILENO,
        .err = output != 0 ? output : -1,
        .extra = {socket, -1},
        .cgroup = -1,
        .keep_limits = true,
    };
    return sup_spawn(&keeper->spawner, &order, pidfd, step);
}

static void start_host(struct sup_keeper *keeper, int64_t now_ns)
{
    struct sup_keeper_host *host = &keeper->host;
    int ends[2], pidfd = -1, step = SUP_STEP_DESCRIPTORS;
    int r = keeper->sys->socket_pair(ends);
    if (r < 0) {
        fail_to_start(keeper, step, -r, now_ns);
        return;
    }
    pid_t pid = spawn_host(keeper, ends[1], &pidfd, &step);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        fail_to_start(keeper, step, -pid, now_ns);
        return;
    }
    host->pid = pid;
    host->pidfd = sup_keeper_watch_child(keeper, pidfd, SUP_WATCH_HOST, 0, 0);
    begin_life(keeper, ends[0], now_ns);
    sup_keeper_talk(keeper);
}

/* The socket's end alone may lie: a forked child of the peer can keep it open. */
static void watch_peer(struct sup_keeper *keeper)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(keeper->host.socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return;
    if (peer.pid <= 0 || peer.pid == getpid()) return;
    int pidfd = keeper->sys->pidfd_open(peer.pid);
    keeper->host.pidfd = sup_keeper_watch_child(keeper, pidfd, SUP_WATCH_HOST, 0, 0);
}

int sup_keeper_host_init(struct sup_keeper *keeper)
{
    struct sup_keeper_host *host = &keeper->host;
    host->socket = -1;
    host->patience.start_ns = sup_keeper_now();
    host->kill_ns = host->retry_ns = SUP_KEEPER_NEVER;
    if (!keeper->options.library) return 0;
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(keeper->options.socket, SOL_SOCKET, SO_TYPE, &type, &size) < 0) return -errno;
    if (type != SOCK_SEQPACKET) return -EPROTOTYPE;
    begin_life(keeper, keeper->options.socket, sup_keeper_now());
    watch_peer(keeper);
    sup_keeper_talk(keeper);
    return 0;
}

/* --- ending --------------------------------------------------------------------------------- */

static void close_host(struct sup_keeper *keeper)
{
    struct sup_keeper_host *host = &keeper->host;
    if (host->pidfd != 0) {
        sup_keeper_watch(keeper, host->pidfd, SUP_WATCH_HOST, 0, 0, 0, EPOLLIN);
        close(host->pidfd);
        host->pidfd = 0;
    }
    if (host->socket >= 0) {
        host->deaf = true;
        sup_keeper_listen(keeper, INT_MAX);
        if (host->watched != 0)
            sup_keeper_watch(keeper, host->socket, SUP_WATCH_HOST_SOCKET, 0, 0, 0, host->watched);
        close(host->socket);
        host->socket = -1;
    }
    host->pid = 0;
    host->at_end = true;
    host->kill_ns = host->retry_ns = SUP_KEEPER_NEVER;
}

/* Five within a minute: the next ones run in safe mode, until one has lived well. */
static void count_death(struct sup_keeper *keeper, int64_t now_ns)
{
    struct sup_keeper_host *host = &keeper->host;
    if (now_ns - host->patience.started_ns >= sup_keeper_time(keeper, LIVED_WELL_NS))
        host->safe_mode = false;
    host->deaths_ns[host->deaths++ % SUP_KEEPER_HOST_DEATHS] = now_ns;
    int64_t oldest = host->deaths_ns[host->deaths % SUP_KEEPER_HOST_DEATHS];
    if (host->deaths < SUP_KEEPER_HOST_DEATHS ||
        now_ns - oldest > sup_keeper_time(keeper, LIVED_WELL_NS))
        return;
    if (!host->safe_mode)
        sup_keeper_say("%d hosts have died within a minute; from now on in safe mode: processes "
                       "run on, thread services and hooks stay down; look for the first error",
                       SUP_KEEPER_HOST_DEATHS);
    host->safe_mode = true;
}

static void explain_death(struct sup_keeper *keeper, int status, int64_t now_ns)
{
    struct sup_keeper_host *host = &keeper->host;
    char what[64], when[32];
    bool telling = WIFEXITED(status) &&
                   (WEXITSTATUS(status) == CODE_SOFTWARE || WEXITSTATUS(status) == CODE_CONFIG);
    host->mute = telling && !host->spoke ? host->mute + 1 : 0;
    sup_keeper_status_text(status, what, sizeof what);
    sup_keeper_delay_text(host->patience.start_ns - now_ns, when, sizeof when);
    if (host->mute >= 2)
        sup_keeper_say("the host %s before it said a word, %u times running: %s; the services run "
                       "on, trying again %s; end with INT or TERM",
                       what, host->mute,
                       WEXITSTATUS(status) == CODE_CONFIG
                           ? "it cannot use the configuration that is stored"
                           : "it cannot work with this keeper",
                       when);
    else sup_keeper_say("the host %s; starting it again %s, no service is touched", what, when);
}

void sup_keeper_host_ended(struct sup_keeper *keeper, int status)
{
    struct sup_keeper_host *host = &keeper->host;
    close_host(keeper);
    host->status = status;
    sup_keeper_logger_news(keeper, &keeper->host_output, SUP_NEWS_ENDED);
    if (keeper->phase != SUP_PHASE_HOLD) return;
    if (host->said_bye) {
        sup_keeper_end(keeper, host->bye_code);
        return;
    }
    int64_t now_ns = sup_keeper_now();
    count_death(keeper, now_ns);
    sup_keeper_be_patient(keeper, &host->patience, now_ns);
    explain_death(keeper, status, now_ns);
    if (keeper->stop_count > 0 && !sup_keeper_host_is_near(keeper, now_ns))
        sup_keeper_stop_alone(keeper);
}

/* The peer of library mode has gone, however it went. */
static void lose_peer(struct sup_keeper *keeper)
{
    close_host(keeper);
    if (keeper->phase != SUP_PHASE_HOLD) return;
    if (keeper->host.said_bye) {
        sup_keeper_end(keeper, keeper->host.bye_code);
        return;
    }
    if (keeper->live > 0)
        sup_keeper_say("the program that started these services has gone; stopping all %u",
                       keeper->live);
    sup_keeper_stop_alone(keeper);
}

void sup_keeper_host_check(struct sup_keeper *keeper)
{
    struct sup_keeper_host *host = &keeper->host;
    siginfo_t info = {0};
    int status;
    struct rusage usage;
    if (keeper->options.library) {
        lose_peer(keeper);
        return;
    }
    if (host->pid == 0 || waitid(P_PID, (id_t) host->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        info.si_pid != host->pid)
        return;
    keeper->sys->kill(-host->pid, SIGKILL); /* what it started for itself goes with it */
    if (keeper->sys->wait(host->pid, &status, WNOHANG, &usage) != host->pid) return;
    sup_keeper_host_ended(keeper, status);
}

void sup_keeper_host_kill(struct sup_keeper *keeper)
{
    struct sup_keeper_host *host = &keeper->host;
    host->patience.start_ns = SUP_KEEPER_NEVER;
    if (host->pid > 0) keeper->sys->kill(host->pid, SIGKILL);
}

/* --- time ----------------------------------------------------------------------------------- */

static bool must_speak(const struct sup_keeper_host *host)
{
    return host->pid != 0 && !host->at_end && !host->aborted && !host->said_bye;
}

static int64_t silence_deadline(const struct sup_keeper *keeper)
{
    if (!must_speak(&keeper->host)) return SUP_KEEPER_NEVER;
    return keeper->host.word_ns + sup_keeper_time(keeper, SUP_HEARTBEAT_DEAD_NS);
}

static void abort_host(struct sup_keeper *keeper, int64_t now_ns)
{
    struct sup_keeper_host *host = &keeper->host;
    sup_keeper_say("the host has said nothing for %d s and is aborted; no service is touched",
                   (int) (SUP_HEARTBEAT_DEAD_NS / SUP_KEEPER_S));
    host->aborted = true;
    host->kill_ns = now_ns + sup_keeper_time(keeper, ABORT_GRACE_NS);
    keeper->sys->kill(host->pid, SIGABRT);
}

/* One that has closed its socket or said goodbye is given a moment to end. */
static void limit_farewell(struct sup_keeper *keeper, int64_t now_ns)
{
    struct sup_keeper_host *host = &keeper->host;
    if (host->pid == 0 || host->kill_ns != SUP_KEEPER_NEVER) return;
    if (!host->at_end && !host->said_bye) return;
    host->kill_ns =
        now_ns + sup_keeper_time(keeper, host->said_bye ? BYE_GRACE_NS : ABORT_GRACE_NS);
}

void sup_keeper_host_tick(struct sup_keeper *keeper, int64_t now_ns)
{
    struct sup_keeper_host *host = &keeper->host;
    if (keeper->options.library && host->at_end && host->socket >= 0) lose_peer(keeper);
    if (keeper->phase == SUP_PHASE_HOLD && host->patience.start_ns <= now_ns)
        start_host(keeper, now_ns);
    if (silence_deadline(keeper) <= now_ns) abort_host(keeper, now_ns);
    limit_farewell(keeper, now_ns);
    if (host->pid != 0 && host->kill_ns <= now_ns) {
        host->kill_ns = SUP_KEEPER_NEVER - 1; /* once; its end comes as any other */
        keeper->sys->kill(host->pid, SIGKILL);
    }
    if (host->retry_ns <= now_ns) {
        host->retry_ns = SUP_KEEPER_NEVER;
        sup_keeper_talk(keeper);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t sup_keeper_host_deadline(const struct sup_keeper *keeper)
{
    const struct sup_keeper_host *host = &keeper->host;
    int64_t deadline = earlier(silence_deadline(keeper), host->retry_ns);
    if (keeper->phase == SUP_PHASE_HOLD) deadline = earlier(deadline, host->patience.start_ns);
    if (host->pid != 0) deadline = earlier(deadline, host->kill_ns);
    return deadline;
}

bool sup_keeper_host_is_near(const struct sup_keeper *keeper, int64_t now_ns)
{
    const struct sup_keeper_host *host = &keeper->host;
    if (host->socket >= 0 && !host->at_end && !host->aborted) return true;
    if (keeper->options.library) return false;
    return host->patience.start_ns != SUP_KEEPER_NEVER &&
           host->patience.start_ns - now_ns <= sup_keeper_time(keeper, NEAR_NS);
}
