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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

void sup_keeper_cgroup_init(struct sup_keeper *keeper)
{
    struct sup_keeper_cgroup *cgroup = &keeper->cgroup;
    char name[32];
    cgroup->folder = -1;
    cgroup->is_fake = keeper->options.cgroup != NULL;
    cgroup->own = keep_above(keeper, open_own(keeper));
    if (cgroup->own < 0) {
        cgroup->error = -cgroup->own;
        return;
    }
    snprintf(name, sizeof name, "suptree-%d", (int) getpid());
    if (mkdirat(cgroup->own, name, 0755) < 0 && errno != EEXIST) {
        cgroup->error = errno;
        return;
    }
    int fd = openat(cgroup->own, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cgroup->folder = keep_above(keeper, fd);
    cgroup->error = cgroup->folder < 0 ? (fd < 0 ? errno : -cgroup->folder) : 0;
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

static bool remove_folder(const struct sup_keeper *keeper, uint64_t folder)
{
    char name[32];
    sup_wire_folder_name(folder, name, sizeof name);
    return unlinkat(keeper->cgroup.folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* What was just killed in a folder still needs a moment; what finds no room waits for the end. */
static void remove_later(struct sup_keeper *keeper, uint64_t folder)
{
    uint64_t *dying = keeper->cgroup.dying;
    for (size_t i = 0; i < SUP_KEEPER_DYING; i++)
        if (dying[i] != 0 && remove_folder(keeper, dying[i])) dying[i] = 0;
    for (size_t i = 0; folder != 0 && i < SUP_KEEPER_DYING; i++) {
        if (dying[i] != 0) continue;
        dying[i] = folder;
        return;
    }
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

/* A folder for ${instance}, by its number; 0: there is none. */
static uint64_t take_folder(struct sup_keeper *keeper, struct sup_keeper_node *node,
                            struct sup_keeper_instance *instance)
{
    char name[32];
    uint64_t folder = node->spare_cgroup;
    uint64_t kept = sup_keeper_cgroup_kills(node) ? 0 : SUP_FOLDER_KEPT;
    if (folder != 0 && (folder & SUP_FOLDER_KEPT) == kept) {
        instance->limits_set = node->spare_limits;
        node->spare_cgroup = 0;
        return folder;
    }
    folder = ++keeper->cgroup.serial | kept;
    sup_wire_folder_name(folder, name, sizeof name);
    if (mkdirat(keeper->cgroup.folder, name, 0755) == 0 || errno == EEXIST) return folder;
    keeper->cgroup.error = errno;
    return 0;
}

int sup_keeper_cgroup_open(struct sup_keeper *keeper, struct sup_keeper_node *node,
                           struct sup_keeper_instance *instance)
{
    char name[32];
    bool kills = sup_keeper_cgroup_kills(node);
    if (!kills && node->plan->cgroup_count == 0) return -1;
    if (keeper->cgroup.folder < 0) {
        if (node->plan->kill_mode == SUP_KILL_CGROUP) say_why_not(keeper);
        return -1;
    }
    instance->cgroup = take_folder(keeper, node, instance);
    if (instance->cgroup == 0) return -1;
    sup_keeper_limits_set(keeper, node, instance);
    if (keeper->cgroup.is_fake) return -1;
    sup_wire_folder_name(instance->cgroup, name, sizeof name);
    return openat(keeper->cgroup.folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int sup_keeper_cgroup_join(struct sup_keeper *keeper, const struct sup_keeper_instance *instance)
{
    char name[32];
    if (instance->cgroup == 0 || keeper->cgroup.folder < 0 || keeper->cgroup.is_fake) return -1;
    sup_wire_folder_name(instance->cgroup, name, sizeof name);
    return openat(keeper->cgroup.folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void sup_keeper_cgroup_refused(struct sup_keeper *keeper, struct sup_keeper_instance *instance,
                               int error)
{
    remove_folder(keeper, instance->cgroup);
    instance->cgroup = 0;
    keeper->cgroup.error = error;
    keeper->fds[SUP_FD_CGROUP] = -1;
    close(keeper->cgroup.folder);
    keeper->cgroup.folder = -1;
    say_why_not(keeper);
}

/* Does anything live in it? */
static bool is_populated(const struct sup_keeper *keeper, uint64_t folder)
{
    char text[256];
    int fd = sup_keeper_cgroup_file(keeper, folder, "cgroup.events", O_RDONLY);
    if (fd < 0) return true;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size < 0 ? 0 : size] = '\0';
    return strstr(text, "populated 0") == NULL;
}

bool sup_keeper_cgroup_kill(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    bool is_there = instance->cgroup != 0 && (instance->cgroup & SUP_FOLDER_KEPT) == 0;
    if (!is_there || keeper->cgroup.folder < 0 || keeper->cgroup.is_fake) return false;
    if (!is_populated(keeper, instance->cgroup)) return true;
    int fd = sup_keeper_cgroup_file(keeper, instance->cgroup, "cgroup.kill", O_WRONLY);
    if (fd < 0) return false;
    instance->cgroup_is_spent = true;
    bool done = write(fd, "1", 1) == 1;
    close(fd);
    return done;
}

/*
** A folder in which something was killed is not used again: Linux compares what it has counted of
** kills in the parent's cgroup with the child's, and kills a child that begins in such a one. What
** lives on in a kept one holds it.
*/
void sup_keeper_cgroup_leave(struct sup_keeper *keeper, struct sup_keeper_node *node,
                             struct sup_keeper_instance *instance)
{
    uint64_t folder = instance->cgroup;
    if (folder == 0 || keeper->cgroup.folder < 0) return;
    instance->cgroup = 0;
    bool is_spent = instance->cgroup_is_spent;
    instance->cgroup_is_spent = false;
    if (keeper->cgroup.is_fake) return;
    if (is_spent || (folder & SUP_FOLDER_KEPT) != 0) {
        remove_later(keeper, folder);
    } else if (node->spare_cgroup == 0) {
        node->spare_cgroup = folder;
        node->spare_limits = instance->limits_set;
    } else {
        remove_folder(keeper, folder);
    }
}

void sup_keeper_cgroup_forget(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    if (node->spare_cgroup == 0 || keeper->cgroup.folder < 0) return;
    remove_folder(keeper, node->spare_cgroup);
    remove_later(keeper, 0);
    node->spare_cgroup = 0;
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
    snprintf(name, sizeof name, "suptree-%d", (int) getpid());
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
