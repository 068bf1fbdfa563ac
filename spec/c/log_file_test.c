/*
** Raw files and rings of the real suptree-log: every byte once, whatever the disk does.
*/
#define _GNU_SOURCE
#include "lib_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_file(const char *file, const char *bytes, size_t size)
{
    size_t got;
    rig_expect_size(file, size);
    char *text = rig_slurp(file, &got);
    CHECK(got == size && memcmp(text, bytes, size) == 0);
    free(text);
}

static void write_file(const char *file, const char *text)
{
    FILE *stream = fopen(file, "we");
    CHECK(stream != NULL && fputs(text, stream) >= 0 && fclose(stream) == 0);
}

static void appends_raw_bytes(void)
{
    struct rig rig;
    struct stat status;
    rig_init(&rig);
    rig_start(&rig);
    const char *old = rig_path(&rig, "old.log");
    const char *fresh = rig_path(&rig, "fresh.log");
    write_file(old, "before\n");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", old);
    struct rig_source *db = rig_add(&rig, 2, SUP_LOG_FILE, "db", fresh);
    rig_write(web->write, "\x1b[1mraw\x00\xff\r\nno end", 17);
    rig_print(db, "line\n");
    check_file(old, "before\n\x1b[1mraw\x00\xff\r\nno end", 24);
    check_file(fresh, "line\n", 5);
    CHECK(stat(fresh, &status) == 0 && (status.st_mode & 07777) == 0640);
    rig_expect(&rig, "web | \\x1b[1mraw\\x00\\xff\n");
    rig_expect(&rig, "db  | line\n");
    rig_expect_ring(&rig, 1, 17);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void shares_a_file_that_others_cut(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "both.log");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", file);
    struct rig_source *db = rig_add(&rig, 2, SUP_LOG_FILE, "db", file);
    rig_print(web, "1\n");
    rig_expect_size(file, 2);
    rig_print(db, "2\n");
    rig_expect_size(file, 4);
    rig_print(web, "3\n");
    check_file(file, "1\n2\n3\n", 6);
    CHECK(truncate(file, 0) == 0); /* as log rotation does: no hole must come */
    rig_print(db, "4\n");
    check_file(file, "4\n", 2);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void moves_events_into_their_file_alone(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    const char *file = rig_path(&rig, "events.json");
    struct rig_source *events = rig_add(&rig, SUP_RING_EVENTS, SUP_LOG_EVENTS, "events", file);
    rig_print(events, "{\"seq\":1}\n{\"seq\":2}\n");
    check_file(file, "{\"seq\":1}\n{\"seq\":2}\n", 20);
    rig_print(events, "{\"seq\":3}\n");
    CHECK(rig_quit(&rig) == 0);
    check_file(file, "{\"seq\":1}\n{\"seq\":2}\n{\"seq\":3}\n", 30);
    CHECK(rig.seen_size == 0);
    rig_finish(&rig);
}

static void changes_to_another_file(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    const char *first = rig_path(&rig, "first.log");
    const char *second = rig_path(&rig, "second.log");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", first);
    rig_print(web, "one\n");
    check_file(first, "one\n", 4);
    struct sup_log_wire change = {.type = SUP_LOG_SOURCE, .mode = SUP_LOG_FILE, .node = 1};
    CHECK(sup_log_wire_send(rig.socket, &change, "shop", second, -1) == 0);
    rig_expect_size(second, 0);
    rig_print(web, "two\n");
    check_file(second, "two\n", 4);
    check_file(first, "one\n", 4);
    rig_expect(&rig, "shop | two\n");
    change.mode = SUP_LOG_VIEW;
    CHECK(sup_log_wire_send(rig.socket, &change, "shop", NULL, -1) == 0);
    rig_expect_idle(&rig, -1);
    rig_print(web, "three\n");
    rig_expect(&rig, "shop | three\n");
    check_file(second, "two\n", 4);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void waits_for_a_missing_folder(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *host = rig_add(&rig, SUP_RING_HOST, SUP_LOG_VIEW, "suptree", "");
    const char *file = rig_path(&rig, "logs/web.log");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", file);
    rig_expect(&rig, "web: cannot open ");
    CHECK(rig_has_seen(&rig, "logs/web.log: No such file or directory; create its folder"));
    rig_print(web, "one\n");
    rig_expect(&rig, "web     | one\n");
    rig_expect_ring(&rig, 1, 4);
    rig_print(web, "two\n"); /* still seen, though the pipe keeps it */
    rig_expect(&rig, "web     | two\n");
    rig_expect_ring(&rig, 1, 8);
    rig_expect_pending(web->read, 8);
    CHECK(mkdir(rig_path(&rig, "logs"), 0700) == 0);
    check_file(file, "one\ntwo\n", 8);
    rig_expect(&rig, "web.log is being written now\n");
    rig_print(web, "three\n");
    check_file(file, "one\ntwo\nthree\n", 14);
    rig_expect_idle(&rig, -1);
    rig_expect_ring(&rig, 1, 14);
    CHECK(strstr(strstr(rig.seen, "cannot open") + 1, "cannot open") == NULL);
    (void) host;
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void says_what_it_leaves_behind(void)
{
    struct rig rig;
    rig_init(&rig);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", rig_path(&rig, "no/web.log"));
    rig_print(web, "lost");
    rig_expect_pending(web->read, 4);
    int status = rig_quit(&rig);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    CHECK(rig_has_seen(&rig, "web: the last 4 bytes of its output could not be written to "));
    CHECK(rig_has_seen(&rig, "web | lost\n"));
    rig_finish(&rig);
}

static void refuses_links_and_waits_for_readers(void)
{
    struct rig rig;
    char bytes[16];
    rig_init(&rig);
    rig_start(&rig);
    const char *link = rig_path(&rig, "link.log");
    const char *fifo = rig_path(&rig, "fifo");
    CHECK(symlink(rig_path(&rig, "target"), link) == 0 && mkfifo(fifo, 0600) == 0);
    rig_add(&rig, 1, SUP_LOG_FILE, "web", link);
    struct rig_source *db = rig_add(&rig, SUP_RING_EVENTS, SUP_LOG_EVENTS, "events", fifo);
    rig_expect(&rig, "link.log: Too many levels of symbolic links; name the file itself");
    rig_expect(&rig, "start the reader of the FIFO");
    CHECK(access(rig_path(&rig, "target"), F_OK) < 0);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    rig_print(db, "through\n");
    rig_expect_pending(reader, 8);
    CHECK(read(reader, bytes, sizeof(bytes)) == 8 && memcmp(bytes, "through\n", 8) == 0);
    close(reader);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

static void keeps_the_last_output_in_rings(void)
{
    struct rig rig;
    static char text[200000];
    static uint8_t ring[SUP_RING_BYTES];
    struct stat status;
    rig_init(&rig);
    rig_start(&rig);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 50 == 49 ? '\n' : (char) ('!' + (i * 31 + i / 97) % 90);
    struct rig_source *low = rig_add(&rig, 3, SUP_LOG_VIEW, "low", "");
    rig_add(&rig, 4000, SUP_LOG_VIEW, "silent", "");
    rig_write(low->write, text, 1000);
    rig_expect_ring(&rig, 3, 1000);
    CHECK(rig_ring(&rig, 3, 0, ring) == 1000 && memcmp(ring, text, 1000) == 0);
    CHECK(fstat(rig.rings, &status) == 0);
    CHECK(status.st_size == 4 * (off_t) sizeof(struct sup_ring));
    CHECK(status.st_blocks * 512 <= 8192); /* two pages of one talking service */

    for (size_t at = 1000; at < sizeof(text); at += 1000) {
        rig_write(low->write, text + at, 1000);
        while (rig_read(&rig, 0)) continue;
    }
    rig_expect_ring(&rig, 3, sizeof(text));
    CHECK(rig_ring(&rig, 3, 0, ring) == SUP_RING_BYTES);
    CHECK(memcmp(ring, text + sizeof(text) - SUP_RING_BYTES, SUP_RING_BYTES) == 0);

    rig_kill(&rig); /* the next one goes on where the former stopped */
    rig_start(&rig);
    rig_print(low, "after\n");
    rig_expect_ring(&rig, 3, sizeof(text) + 6);
    rig_ring(&rig, 3, 0, ring);
    CHECK(memcmp(ring + SUP_RING_BYTES - 6, "after\n", 6) == 0);
    CHECK(memcmp(ring, text + sizeof(text) - SUP_RING_BYTES + 6, SUP_RING_BYTES - 6) == 0);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* --- no room ---------------------------------------------------------------------------------- */

#define RECORDS 2000
#define RECORD_BYTES 16

static void fill_records(char *text)
{
    for (int i = 0; i < RECORDS; i++)
        snprintf(text + i * RECORD_BYTES, RECORD_BYTES + 1, "record %8u\n",
                 (unsigned) i % 100000000u);
}

static size_t count_words(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) count++;
    return count;
}

/* Works for everybody: the limit of file sizes stops the file, and is lifted later. */
static void survives_a_file_that_may_not_grow(void)
{
    struct rig rig;
    static char text[RECORDS * RECORD_BYTES + 1];
    struct rlimit tight = {10000, RLIM_INFINITY}, wide = {RLIM_INFINITY, RLIM_INFINITY};
    fill_records(text);
    rig_init(&rig);
    CHECK(ftruncate(rig.rings, 2 * (off_t) sizeof(struct sup_ring)) == 0);
    rig_start(&rig);
    CHECK(prlimit(rig.pid, RLIMIT_FSIZE, &tight, NULL) == 0);
    const char *file = rig_path(&rig, "web.log");
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", file);
    rig_write(web->write, text, sizeof(text) - 1);
    rig_expect(&rig, "web.log: File too large; ");
    rig_expect(&rig, "record     1999\n"); /* the view goes on */
    check_file(file, text, 10000);
    rig_expect_pending(web->read, sizeof(text) - 1 - 10000);
    CHECK(prlimit(rig.pid, RLIMIT_FSIZE, &wide, NULL) == 0);
    check_file(file, text, sizeof(text) - 1);
    rig_expect(&rig, "is being written now\n");
    rig_expect_ring(&rig, 1, sizeof(text) - 1);
    CHECK(count_words(rig.seen, "File too large") == 1);
    CHECK(count_words(rig.seen, "record ") == RECORDS);
    CHECK(rig_quit(&rig) == 0);
    rig_finish(&rig);
}

/* A small file system of our own, which nobody else sees. Returns why not, or NULL. */
static const char *mount_small(const char *folder)
{
    if (mkdir(folder, 0700) < 0) return "the folder cannot be made";
    if (unshare(CLONE_NEWNS) < 0) return "not root: no mount namespace";
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return "the mounts cannot be made private";
    return mount("tmpfs", folder, "tmpfs", 0, "size=65536") < 0 ? "tmpfs cannot be mounted" : NULL;
}

static void survives_a_full_disk(void)
{
    struct rig rig;
    static char text[RECORDS * RECORD_BYTES + 1];
    fill_records(text);
    rig_init(&rig);
    const char *disk = rig_path(&rig, "disk");
    const char *reason = mount_small(disk);
    if (reason != NULL) {
        printf("skipped: a full disk: %s\n", reason);
        rig_finish(&rig);
        return;
    }
    const char *file = rig_path(&rig, "disk/web.log");
    const char *filler = rig_path(&rig, "disk/filler");
    int fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text, 3 * 4096) == 3 * 4096 && fallocate(fd, 0, 0, 53248) == 0);
    close(fd);
    rig_start(&rig);
    struct rig_source *web = rig_add(&rig, 1, SUP_LOG_FILE, "web", file);
    rig_write(web->write, text, sizeof(text) - 1);
    rig_expect(&rig, "disk/web.log: No space left on device; make room on its disk");
    rig_expect(&rig, "record     1999\n");
    rig_kill(&rig); /* full or not: the pipe knows what the file lacks */
    rig_forget(&rig);
    rig_start(&rig);
    rig_expect(&rig, "disk/web.log: No space left on device");
    rig_expect(&rig, "record     1999\n");
    CHECK(unlink(filler) == 0);
    check_file(file, text, sizeof(text) - 1);
    rig_expect(&rig, "is being written now\n");
    CHECK(rig_quit(&rig) == 0);
    CHECK(umount2(disk, MNT_DETACH) == 0);
    rig_finish(&rig);
}

int main(void)
{
    umask(022);
    appends_raw_bytes();
    shares_a_file_that_others_cut();
    moves_events_into_their_file_alone();
    changes_to_another_file();
    waits_for_a_missing_folder();
    says_what_it_leaves_behind();
    refuses_links_and_waits_for_readers();
    keeps_the_last_output_in_rings();
    survives_a_file_that_may_not_grow();
    survives_a_full_disk();
    return 0;
}
