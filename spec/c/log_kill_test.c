/*
** kill -9 of suptree-log at random moments: each file has every byte once, raw or with a time
** before each line, rotated or not. The test is the keeper: it holds the pipes and starts the next
** one. log_kill_test [KILLS [SEED]]
*/
#define _GNU_SOURCE
#include "lib_log.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define WRITERS 8
#define MAX_SIZE 100000

/* What is done with the records of each. */
static const struct {
    uint32_t mode;
    struct sup_log_settings settings;
    const char *head; /* of a line of the file: as long as this, or everything up to it */
} kinds[WRITERS] = {
    {SUP_LOG_FILE, {0}, NULL},
    {SUP_LOG_FILE, {0}, NULL},
    {SUP_LOG_FILE, {.buffer = 4096}, NULL},
    {SUP_LOG_EVENTS, {0}, NULL},
    {SUP_LOG_FILE, {.stamps = SUP_STAMPS_ISO8601}, "Z "},
    {SUP_LOG_FILE, {.format = SUP_FORMAT_JSON}, "\"line\":\""},
    {SUP_LOG_FILE, {.max_size = MAX_SIZE, .max_files = 10000}, NULL},
    {SUP_LOG_FILE, {.stamps = SUP_STAMPS_TAI64N, .max_size = MAX_SIZE, .max_files = 10000}, " "},
};

struct board {
    volatile int stop;
    volatile long written[WRITERS]; /* records, each told after it was written */
};

/* Records of growing and shrinking length, so that they lie across pages in every way. */
static int make_record(char *record, size_t room, int who, long number)
{
    int fill = (int) (number * 37 % 190);
    return snprintf(record, room, "%d %ld %.*s\n", who, number, fill,
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

static pid_t start_writer(struct board *board, int fd, int who)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char record[256];
    for (long number = 0; !board->stop; number++) {
        rig_write(fd, record, (size_t) make_record(record, sizeof(record), who, number));
        board->written[who] = number + 1;
        if (who % 4 == 0) poll(NULL, 0, 1); /* one that is slow, and mostly finds its pipe empty */
    }
    _exit(0);
}

/* Take what stands before each line out of ${text}, and what stands behind it in JSON. */
static size_t strip(char *text, size_t size, const char *head, const char *file)
{
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        char *newline = memchr(text + at, '\n', size - at);
        if (newline == NULL) FAIL("%s: no newline at its end", file);
        char *line = memmem(text + at, (size_t) (newline - text) - at, head, strlen(head));
        if (line == NULL) FAIL("%s: no time before \"%.60s\"", file, text + at);
        line += strlen(head);
        size_t length = (size_t) (newline - line);
        if (newline[-1] == '}') length -= 2;
        memmove(text + kept, line, length);
        text[kept + length] = '\n';
        kept += length + 1;
        at = (size_t) (newline - text) + 1;
    }
    return kept;
}

static void check_file(const char *file, int who, long records)
{
    size_t size, at = 0;
    char record[256];
    char *text = rig_gather(file, kinds[who].settings.max_size, &size);
    if (kinds[who].head != NULL) size = strip(text, size, kinds[who].head, file);
    for (long number = 0; number < records; number++) {
        size_t length = (size_t) make_record(record, sizeof(record), who, number);
        if (at + length > size || memcmp(text + at, record, length) != 0)
            FAIL("%s: at byte %zu of %zu: expected record %ld of %ld, found \"%.40s\"", file, at,
                 size, number, records, text + at);
        at += length;
    }
    if (at != size) FAIL("%s: %zu bytes too many", file, size - at);
    free(text);
}

int main(int argc, char **argv)
{
    int kills = argc > 1 ? atoi(argv[1]) : 100;
    unsigned seed = argc > 2 ? (unsigned) atoi(argv[2]) : (unsigned) time(NULL);
    struct rig rig;
    pid_t pids[WRITERS];
    struct board *board =
        mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(board != MAP_FAILED);
    printf("%d kills, seed %u\n", kills, seed);
    fflush(stdout);
    srand(seed);
    rig_init(&rig);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    CHECK(null >= 0);
    rig_output(&rig, null);
    rig_start(&rig);
    for (int i = 0; i < WRITERS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "w%d", i);
        const char *file = rig_path(&rig, name);
        struct rig_source *source =
            kinds[i].mode == SUP_LOG_FILE
                ? rig_add_with(&rig, (uint64_t) i, name, file, &kinds[i].settings)
                : rig_add(&rig, (uint64_t) i, kinds[i].mode, name, file);
        pids[i] = start_writer(board, source->write, i);
    }
    for (int i = 0; i < kills; i++) {
        poll(NULL, 0, rand() % 12);
        rig_kill(&rig);
        rig.is_quiet = i % 3 == 0; /* nobody sees the lines: then fewer are looked at */
        rig_start(&rig);
    }
    board->stop = 1;
    for (int i = 0; i < WRITERS; i++) {
        int status;
        CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
    }
    CHECK(rig_quit(&rig) == 0);
    long total = 0;
    for (int i = 0; i < WRITERS; i++) {
        check_file(rig.sources[i].file, i, board->written[i]);
        CHECK(board->written[i] > 0);
        total += board->written[i];
    }
    printf("%ld records, none lost, none twice\n", total);
    rig_finish(&rig);
    return 0;
}
