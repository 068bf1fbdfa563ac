/*
** keeper/cgroup.c: a cgroup for the tree, and one for each service in it, where this machine has
** cgroup v2 and lets us make folders there. With it a service can be killed with all that it has
** made, wherever that has gone. Must not know when something is killed.
**
** Nothing here blocks: these files are the kernel's own.
*/
#include "keeper/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define REMOVED_AT_ONCE 4 /* of those that are dying, at each occasion */
#define SCARCE_PART 4     /* of the descriptors: the rest is for what cannot do without */
#define PREFIX "suptree-"
#define LAST_ROUNDS 1000 /* of a millisecond each */
#define ROOM 8192        /* of /proc/self/cgroup, and of a line of mountinfo */

/* --- finding ours --------------------------------------------------------------------------- */

/* Our place in the hierarchy of version 2, as "/a/b"; false: there is none. */
static bool read_place(char *place, size_t size)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[ROOM];
    bool found = false;
    if (file == NULL) return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "0::", 3) != 0) continue;
        line[strcspn(line, "\n")] = '\0';
        found = (size_t) snprintf(place, size, "%s", line + 3) < size;
    }
    fclose(file);
    return found;
}

/* Where version 2 is mounted, beside version 1 or alone, and what of it is; false: it is not. */
static bool read_mount(char *point, char *root, size_t size)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[ROOM];
    bool found = false;
    if (file == NULL) return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        if (strstr(line, " - cgroup2 ") == NULL) continue;
        char *at = line;
        char *fields[5] = {NULL};
        for (int i = 0; i < 5 && at != NULL; i++) fields[i] = strsep(&at, " ");
        if (fields[4] == NULL) continue;
        found = (size_t) snprintf(root, size, "%s", fields[3]) < size &&
                (size_t) snprintf(point, size, "%s", fields[4]) < size;
    }
    fclose(file);
    return found;
}

/* Remove the folders in ${folder} that nothing lives in. */
static void remove_empty(int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) return;
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            unlinkat(folder, entry->d_name, AT_REMOVEDIR);
    closedir(entries);
}

/* A descriptor of the folder of our own cgroup, or -errno. */
static int open_own(const struct sup_keeper *keeper)
{
    if (keeper->options.cgroup != NULL) {
        int fake = open(keeper->options.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fake < 0 ? -errno : fake;
    }
    char place[PATH_MAX], point[PATH_MAX], root[PATH_MAX], path[2 * PATH_MAX];
    if (!read_place(place, sizeof place) || !read_mount(point, root, sizeof point)) return -ENOENT;
    const char *below = place;
    size_t length = strlen(root);
    /* Inside a container only a part is mounted. */
    if (length > 1 && strncmp(place, root, length) == 0) below = place + length;
    snprintf(path, sizeof path, "%s%s", point, below);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int keep_above(struct sup_keeper *keeper, int fd)
{
    if (fd < 0 || fd >= SUP_SPAWN_FIRST_FREE) return fd;
    int kept = keeper->sys->duplicate_above(fd, SUP_SPAWN_FIRST_FREE);
    close(fd);
    return kept;
}

/*
** What keepers that were killed have left behind: folders by our name whose lock nobody holds, and
** whose processes have ended. Only what is empty can be removed.
*/
static void remove_stale(const struct sup_keeper_cgroup *cgroup)
{
    int fd = openat(cgroup->own, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folders = fd < 0 ? NULL : fdopendir(fd);
    if (folders == NULL) return;
    for (struct dirent *entry; (entry = readdir(folders)) != NULL;) {
        long pid = strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0
                       ? strtol(entry->d_name + strlen(PREFIX), NULL, 10)
                       : 0;
        if (pid <= 0 || kill((pid_t) pid, 0) == 0 || errno != ESRCH) continue;
        int stale = openat(cgroup->own, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (stale >= 0 && flock(stale, LOCK_EX | LOCK_NB) == 0) {
            remove_empty(stale);
            unlinkat(cgroup->own, entry->d_name, AT_REMOVEDIR);
        }
        if (stale >= 0) close(stale);
    }
    closedir(folders);
}

/* How many we may have. */
static int count_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY) return INT32_MAX;
    return limit.rlim_cur > INT32_MAX ? INT32_MAX : (int) limit.rlim_cur;
}

void sup_keeper_cgroup_init(struct sup_keeper *keeper)
{
    struct sup_keeper_cgroup *cgroup = &keeper->cgroup;
    char name[32];
    cgroup->folder = -1;
    cgroup->least_scarce = count_descriptors() / SCARCE_PART;
    cgroup->is_fake = keeper->options.cgroup != NULL;
    cgroup->own = keep_above(keeper, open_own(keeper));
    if (cgroup->own < 0) {
        cgroup->error = -cgroup->own;
        return;
    }
    snprintf(name, sizeof name, PREFIX "%d", (int) getpid());
    if (mkdirat(cgroup->own, name, 0755) < 0 && errno != EEXIST) {
        cgroup->error = errno;
        return;
    }
    int fd = openat(cgroup->own, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cgroup->folder = keep_above(keeper, fd);
    cgroup->error = cgroup->folder < 0 ? (fd < 0 ? errno : -cgroup->folder) : 0;
    if (cgroup->folder >= 0) flock(cgroup->folder, LOCK_EX | LOCK_NB);
    if (!cgroup->is_fake) remove_stale(cgroup);
    if (cgroup->is_fake) /* as the kernel makes it */
        close(
            openat(cgroup->folder, "cgroup.subtree_control", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    keeper->fds[SUP_FD_CGROUP] = cgroup->folder < 0 ? -1 : cgroup->folder;
}

/* --- the folder of an instance -------------------------------------------------------------- */

int sup_keeper_cgroup_file(const struct sup_keeper *keeper, uint64_t folder, const char *file,
                           int flags)
{
    char name[32], path[64];
    snprintf(path, sizeof path, "%s/%s", sup_wire_folder_name(folder, name, sizeof name), file);
    if (keeper->cgroup.is_fake && flags != O_RDONLY) flags |= O_CREAT;
    int fd = openat(keeper->cgroup.folder, path, flags | O_CLOEXEC, 0644);
    return fd < 0 ? -errno : fd;
}

static bool remove_folder(const struct sup_keeper *keeper, uint64_t number)
{
    char name[32];
    sup_wire_folder_name(number, name, sizeof name);
    return unlinkat(keeper->cgroup.folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

static void close_folder(struct sup_keeper_folder *folder)
{
    if (folder->dir != 0) close(folder->dir);
    if (folder->events != 0) close(folder->events);
    folder->dir = folder->events = 0;
}

bool sup_keeper_cgroup_has_work(const struct sup_keeper *keeper)
{
    return keeper->cgroup.dying_due > 0;
}

void sup_keeper_cgroup_work(struct sup_keeper *keeper)
{
    struct sup_keeper_cgroup *cgroup = &keeper->cgroup;
    for (int i = 0; i < REMOVED_AT_ONCE && cgroup->dying_due > 0; i++) {
        uint64_t number = cgroup->dying[cgroup->dying_first];
        cgroup->dying_first = (cgroup->dying_first + 1) % SUP_KEEPER_DYING;
        cgroup->dying_count--;
        cgroup->dying_due--;
        if (cgroup->folder < 0 || remove_folder(keeper, number)) continue;
        cgroup->dying[(cgroup->dying_first + cgroup->dying_count++) % SUP_KEEPER_DYING] = number;
    }
}

/* When there is nothing else to do. What was killed in it may need a moment longer: it has another
   turn with each that comes later. What finds no room waits for the end. */
static void remove_later(struct sup_keeper *keeper, struct sup_keeper_folder *folder)
{
    struct sup_keeper_cgroup *cgroup = &keeper->cgroup;
    close_folder(folder);
    if (folder->number != 0 && cgroup->dying_count < SUP_KEEPER_DYING) {
        cgroup->dying[(cgroup->dying_first + cgroup->dying_count++) % SUP_KEEPER_DYING] =
            folder->number;
        cgroup->dying_due += 2;
        if (cgroup->dying_due > cgroup->dying_count) cgroup->dying_due = cgroup->dying_count;
    }
    folder->number = 0;
}

bool sup_keeper_cgroup_kills(const struct sup_keeper_node *node)
{
    if (node == NULL || node->plan == NULL) return false;
    return node->plan->kill_mode == SUP_KILL_AUTO || node->plan->kill_mode == SUP_KILL_CGROUP;
}

static void say_why_not(struct sup_keeper *keeper)
{
    if (keeper->cgroup.said) return;
    keeper->cgroup.said = true;
    sup_keeper_say(
        "kill_mode = \"cgroup\" is not possible here: no folder can be made in our cgroup "
        "(%s); what a service leaves behind is found by session and environment instead",
        strerror(keeper->cgroup.error));
}

/* Make a new one. Its number is 0 when that cannot be done. */
static struct sup_keeper_folder make_folder(struct sup_keeper *keeper, uint64_t kept)
{
    char name[32];
    struct sup_keeper_folder folder = {.number = ++keeper->cgroup.serial | kept};
    sup_wire_folder_name(folder.number, name, sizeof name);
    if (mkdirat(keeper->cgroup.folder, name, 0755) == 0 || errno == EEXIST) return folder;
    keeper->cgroup.error = errno;
    return (struct sup_keeper_folder){.number = 0};
}

static uint64_t kept_of(const struct sup_keeper_node *node)
{
    return sup_keeper_cgroup_kills(node) ? 0 : SUP_FOLDER_KEPT;
}

static struct sup_keeper_folder take_folder(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    struct sup_keeper_folder folder = node->spare;
    if (folder.number == 0 || (folder.number & SUP_FOLDER_KEPT) != kept_of(node))
        return make_folder(keeper, kept_of(node));
    node->spare = (struct sup_keeper_folder){.number = 0};
    return folder;
}

/* A descriptor that is kept while it is no scarce good. Returns ${fd}. */
static int keep(const struct sup_keeper *keeper, int fd, int *kept)
{
    if (fd > 0 && fd < keeper->cgroup.least_scarce) *kept = fd;
    return fd;
}

/* The folder of ${instance}, open; or -1. */
static int open_folder(const struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    char name[32];
    struct sup_keeper_folder *folder = &instance->folder;
    if (folder->number == 0 || keeper->cgroup.folder < 0 || keeper->cgroup.is_fake) return -1;
    if (folder->dir != 0) return folder->dir;
    sup_wire_folder_name(folder->number, name, sizeof name);
    int fd = openat(keeper->cgroup.folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return keep(keeper, fd, &folder->dir);
}

int sup_keeper_cgroup_open(struct sup_keeper *keeper, struct sup_keeper_node *node,
                           struct sup_keeper_instance *instance)
{
    bool kills = sup_keeper_cgroup_kills(node);
    if (!kills && node->plan->cgroup_count == 0) return -1;
    if (keeper->cgroup.folder < 0) {
        if (node->plan->kill_mode == SUP_KILL_CGROUP) say_why_not(keeper);
        return -1;
    }
    instance->folder = take_folder(keeper, node);
    if (instance->folder.number == 0) return -1;
    sup_keeper_limits_set(keeper, node, instance);
    return open_folder(keeper, instance);
}

int sup_keeper_cgroup_join(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    return open_folder(keeper, instance);
}

void sup_keeper_cgroup_close(const struct sup_keeper_instance *instance, int fd)
{
    if (fd >= 0 && fd != instance->folder.dir) close(fd);
}

void sup_keeper_cgroup_refused(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                               int error)
{
    close_folder(&instance->folder);
    remove_folder(keeper, instance->folder.number);
    instance->folder.number = 0;
    keeper->cgroup.error = error;
    keeper->fds[SUP_FD_CGROUP] = -1;
    close(keeper->cgroup.folder);
    keeper->cgroup.folder = -1;
    say_why_not(keeper);
}

/* Does anything live in it? */
static bool is_populated(const struct sup_keeper *keeper, struct sup_keeper_folder *folder)
{
    char text[256];
    int fd = folder->events;
    if (fd == 0) {
        fd = sup_keeper_cgroup_file(keeper, folder->number, "cgroup.events", O_RDONLY);
        if (fd < 0) return true;
        if (keeper->stop_count == 0) keep(keeper, fd, &folder->events);
    }
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    if (fd != folder->events) close(fd);
    text[size < 0 ? 0 : size] = '\0';
    return strstr(text, "populated 0") == NULL;
}

bool sup_keeper_cgroup_kill(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    struct sup_keeper_folder *folder = &instance->folder;
    bool is_there = folder->number != 0 && (folder->number & SUP_FOLDER_KEPT) == 0;
    if (!is_there || keeper->cgroup.folder < 0 || keeper->cgroup.is_fake) return false;
    if (!is_populated(keeper, folder)) return true;
    int fd = sup_keeper_cgroup_file(keeper, folder->number, "cgroup.kill", O_WRONLY);
    if (fd < 0) return false;
    instance->cgroup_is_spent = true;
    bool done = write(fd, "1", 1) == 1;
    close(fd);
    return done;
}

/*
** A folder in which something was killed is not used again: Linux compares what it has counted of
** kills in the parent's cgroup with the child's, and kills a child that begins in such a one. What
** lives on in a kept one holds it. The next one is made at once: now nobody waits for it.
*/
void sup_keeper_cgroup_leave(struct sup_keeper *keeper, struct sup_keeper_node *node,
                             struct sup_keeper_instance *instance)
{
    struct sup_keeper_folder folder = instance->folder;
    bool kills = sup_keeper_cgroup_kills(node);
    bool is_swept = !kills || sup_keeper_cgroup_kill(keeper, instance);
    if (!is_swept) sup_keeper_sweep_soon(keeper);
    folder.events = instance->folder.events;
    bool is_spent = instance->cgroup_is_spent || (folder.number & SUP_FOLDER_KEPT) != 0;
    instance->folder = (struct sup_keeper_folder){.number = 0};
    instance->cgroup_is_spent = false;
    if (folder.number == 0 || keeper->cgroup.folder < 0 || keeper->cgroup.is_fake) return;
    bool goes_on = node->state == SUP_NODE_KNOWN && keeper->stop_count == 0;
    if (is_spent || !goes_on || node->spare.number != 0) remove_later(keeper, &folder);
    if (folder.number != 0) node->spare = folder;
    else if (node->spare.number == 0 && goes_on) node->spare = make_folder(keeper, kept_of(node));
}

void sup_keeper_cgroup_clear(struct sup_keeper *keeper)
{
    if (keeper->cgroup.folder < 0 || keeper->cgroup.is_fake) return;
    for (uint32_t i = 0; i < keeper->node_high; i++) remove_later(keeper, &keeper->nodes[i].spare);
}

void sup_keeper_cgroup_forget(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    if (keeper->cgroup.folder >= 0) remove_later(keeper, &node->spare);
}

/* --- the end -------------------------------------------------------------------------------- */

static bool write_word(int folder, const char *file, const char *word)
{
    int fd = openat(folder, file, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool done = write(fd, word, strlen(word)) > 0;
    close(fd);
    return done;
}

/* Remove what is empty, kill what is not: it is gone the next time. True: what lives on there is
   meant to. */
static bool remove_one(const struct sup_keeper *keeper, const char *name)
{
    char path[300];
    if (unlinkat(keeper->cgroup.folder, name, AT_REMOVEDIR) == 0) return true;
    if (strncmp(name, "kept-", 5) == 0 || strcmp(name, SUP_KEEPER_LEAF) == 0) return true;
    snprintf(path, sizeof path, "%s/cgroup.kill", name);
    write_word(keeper->cgroup.folder, path, "1");
    return false;
}

/* True: nothing is left but what is meant to be. */
static bool remove_all(const struct sup_keeper *keeper)
{
    int fd = openat(keeper->cgroup.folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    bool done = true;
    if (folder == NULL) return false;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            done = remove_one(keeper, entry->d_name) && done;
    closedir(folder);
    return done;
}

void sup_keeper_cgroup_finish(struct sup_keeper *keeper)
{
    char name[32];
    const struct timespec moment = {0, SUP_KEEPER_MS};
    if (keeper->cgroup.folder < 0 || keeper->cgroup.is_fake) return;
    sup_keeper_limits_finish(keeper);
    snprintf(name, sizeof name, PREFIX "%d", (int) getpid());
    for (int round = 0; round < LAST_ROUNDS; round++) {
        bool done = remove_all(keeper);
        if (unlinkat(keeper->cgroup.own, name, AT_REMOVEDIR) == 0 || errno == ENOENT || done)
            return;
        nanosleep(&moment, NULL);
    }
    sup_keeper_say("something of the services does not end even when killed: the cgroup %s is left "
                   "behind; look there for its processes",
                   name);
}
