/*
** keeper/layout.c: argv and the environment of what is about to be started, in the keeper's own
** memory. Must not know when that is, or what becomes of it.
*/
#include "keeper/keeper.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define NO_KEY UINT32_MAX

static size_t key_length(const char *entry)
{
    return strcspn(entry, "=");
}

static uint32_t key_hash(const char *entry, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char) entry[i]) * 16777619u;
    return hash % SUP_KEEPER_KEY_BUCKETS;
}

/* Entries that were kept, from `first` to the end of keeper::pointers, found again by key. */
struct env_room {
    struct sup_keeper *keeper;
    size_t first;
};

static bool has_key(const struct env_room *room, uint32_t bucket, const char *entry, size_t length)
{
    const struct sup_keeper *keeper = room->keeper;
    for (uint32_t at = keeper->key_bucket[bucket]; at != NO_KEY; at = keeper->key_next[at]) {
        const char *had = keeper->pointers[at];
        if (strncmp(had, entry, length) == 0 && (had[length] == '=' || had[length] == '\0'))
            return true;
    }
    return false;
}

/* Put ${entry} before the others unless its key is there already. */
static void keep_entry(struct env_room *room, char *entry)
{
    struct sup_keeper *keeper = room->keeper;
    size_t length = key_length(entry);
    uint32_t bucket = key_hash(entry, length);
    if (has_key(room, bucket, entry, length)) return;
    uint32_t at = (uint32_t) --room->first;
    keeper->pointers[at] = entry;
    keeper->key_next[at] = keeper->key_bucket[bucket];
    keeper->key_bucket[bucket] = at;
}

/*
** Read ${count} strings at ${offset} of ${bytes} in below the kept ones, then keep them from the
** last to the first: the gap closes behind what is read, so both fit into one array.
*/
static int keep_vector(struct env_room *room, size_t floor, const void *bytes, uint64_t offset,
                       uint32_t count)
{
    struct sup_keeper *keeper = room->keeper;
    int r = sup_plan_vector(bytes, offset, count, &keeper->pointers[floor], room->first - floor);
    if (r < 0) return r;
    for (size_t i = floor + count; i > floor; i--) keep_entry(room, keeper->pointers[i - 1]);
    return 0;
}

/* What `after_exit` is told of the end of the main process. */
static void keep_result(struct env_room *room, int status)
{
    struct sup_keeper *keeper = room->keeper;
    char(*text)[sizeof keeper->result_text[0]] = keeper->result_text;
    bool killed = WIFSIGNALED(status);
    const char *name = killed ? sigabbrev_np(WTERMSIG(status)) : NULL;
    snprintf(text[0], sizeof text[0], "SUPTREE_RESULT=%s", killed ? "signal" : "exit");
    if (name != NULL) snprintf(text[1], sizeof text[1], "SUPTREE_SIGNAL=%s", name);
    else if (killed) snprintf(text[1], sizeof text[1], "SUPTREE_SIGNAL=%d", WTERMSIG(status));
    else snprintf(text[1], sizeof text[1], "SUPTREE_EXIT_CODE=%d", WEXITSTATUS(status));
    keep_entry(room, text[0]);
    keep_entry(room, text[1]);
}

static int lay_out_words(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                         const struct sup_plan_command *command)
{
    uint64_t words = command == NULL ? node->plan->args : command->args;
    uint32_t count = command == NULL ? node->plan->arg_count : command->arg_count;
    return sup_plan_vector(node->set->bytes, words, count, keeper->pointers,
                           SUP_KEEPER_POINTERS - 3);
}

int sup_keeper_lay_out(struct sup_keeper *keeper, const struct sup_keeper_node *node,
                       const struct sup_keeper_instance *instance,
                       const struct sup_plan_command *command, char ***argv, char ***env)
{
    const struct sup_plan *plan = node->plan;
    const struct sup_plan_set *set = node->set->bytes;
    int r = lay_out_words(keeper, node, command);
    if (r < 0) return r;
    size_t floor = (size_t) r + 1;
    keeper->pointers[floor - 1] = NULL;
    keeper->pointers[SUP_KEEPER_POINTERS - 1] = NULL;
    memset(keeper->key_bucket, 0xff, sizeof keeper->key_bucket);

    struct env_room room = {keeper, SUP_KEEPER_POINTERS - 1};
    snprintf(keeper->generation_text, sizeof keeper->generation_text, "SUPTREE_GENERATION=%u",
             instance->generation);
    keep_entry(&room, keeper->generation_text);
    for (int i = 0; command == NULL && i < SUP_KEEPER_EAR_TEXTS; i++)
        if (keeper->ear_texts[i][0] != '\0') keep_entry(&room, keeper->ear_texts[i]);
    strcpy(keeper->listen_text, SUP_KEEPER_LISTEN_PID);
    if (command == NULL && plan->socket_count > 0) keep_entry(&room, keeper->listen_text);
    if (instance->stage == SUP_STAGE_AFTER) keep_result(&room, instance->status);
    r = keep_vector(&room, floor, set, plan->env, plan->env_count);
    if (r == 0 && (plan->flags & SUP_PLAN_SHARED_ENV) != 0)
        r = keep_vector(&room, floor, set, set->env, set->env_count);
    *argv = keeper->pointers;
    *env = &keeper->pointers[room.first];
    return r;
}
