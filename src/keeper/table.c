/*
** keeper/table.c: the slots of nodes and instances, and finding them again in O(1).
** Numbers are handed out in sequence, so the plain remainder spreads them well and keeps
** neighbours on the same page. Must not know what is done with an entry.
*/
#include "keeper/keeper.h"

#include <string.h>

static uint32_t index_of(uint64_t token)
{
    return (uint32_t) token;
}

static struct sup_keeper_instance **instance_bucket(struct sup_keeper *keeper, uint64_t instance)
{
    return &keeper->by_instance[instance % SUP_KEEPER_BUCKETS];
}

static struct sup_keeper_instance **pid_bucket(struct sup_keeper *keeper, pid_t pid)
{
    return &keeper->by_pid[(uint32_t) pid % SUP_KEEPER_BUCKETS];
}

struct sup_keeper_node *sup_keeper_node_find(struct sup_keeper *keeper, uint64_t token)
{
    if (token == keeper->host_output.token) return &keeper->host_output;
    if (token == keeper->events.token) return &keeper->events;
    if (index_of(token) >= SUP_WIRE_MAX_INSTANCES) return NULL;
    struct sup_keeper_node *node = keeper->node_at[index_of(token)];
    return node != NULL && node->token == token ? node : NULL;
}

struct sup_keeper_node *sup_keeper_node_add(struct sup_keeper *keeper, uint64_t token)
{
    if (index_of(token) >= SUP_WIRE_MAX_INSTANCES) return NULL;
    struct sup_keeper_node *former = keeper->node_at[index_of(token)];
    if (former != NULL) sup_keeper_unplan(keeper, former->token);
    struct sup_keeper_node *node = keeper->free_nodes;
    if (node != NULL) keeper->free_nodes = node->next_free;
    else if (keeper->node_high < SUP_KEEPER_NODES) node = &keeper->nodes[keeper->node_high++];
    else return NULL;
    memset(node, 0, sizeof *node);
    node->token = token;
    node->state = SUP_NODE_KNOWN;
    node->name = node->file = "";
    sup_list_init(&node->log_link);
    sup_list_init(&node->output_link);
    keeper->node_at[index_of(token)] = node;
    return node;
}

void sup_keeper_node_free(struct sup_keeper *keeper, struct sup_keeper_node *node)
{
    sup_list_remove(&node->log_link);
    sup_list_remove(&node->output_link);
    memset(node, 0, sizeof *node);
    node->next_free = keeper->free_nodes;
    keeper->free_nodes = node;
}

struct sup_keeper_instance *sup_keeper_instance_find(struct sup_keeper *keeper, uint64_t instance)
{
    struct sup_keeper_instance *at = *instance_bucket(keeper, instance);
    while (at != NULL && at->instance != instance) at = at->next;
    return at;
}

struct sup_keeper_instance *sup_keeper_instance_add(struct sup_keeper *keeper, uint64_t instance)
{
    struct sup_keeper_instance *slot = keeper->free_instances;
    if (slot != NULL) keeper->free_instances = slot->next;
    else if (keeper->instance_high < SUP_KEEPER_INSTANCES)
        slot = &keeper->instances[keeper->instance_high++];
    else return NULL;
    memset(slot, 0, sizeof *slot);
    slot->instance = instance;
    sup_list_init(&slot->tell_link);
    sup_list_init(&slot->limit.link);
    struct sup_keeper_instance **bucket = instance_bucket(keeper, instance);
    slot->next = *bucket;
    *bucket = slot;
    return slot;
}

void sup_keeper_instance_free(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    struct sup_keeper_instance **at = instance_bucket(keeper, instance->instance);
    while (*at != instance) at = &(*at)->next;
    *at = instance->next;
    sup_list_remove(&instance->tell_link);
    memset(instance, 0, sizeof *instance);
    instance->next = keeper->free_instances;
    keeper->free_instances = instance;
}

struct sup_keeper_instance *sup_keeper_instance_of_pid(struct sup_keeper *keeper, pid_t pid)
{
    struct sup_keeper_instance *at = *pid_bucket(keeper, pid);
    while (at != NULL && at->pid != pid) at = at->next_pid;
    return at;
}

void sup_keeper_pid_add(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    struct sup_keeper_instance **bucket = pid_bucket(keeper, instance->pid);
    instance->next_pid = *bucket;
    *bucket = instance;
}

void sup_keeper_pid_remove(struct sup_keeper *keeper, struct sup_keeper_instance *instance)
{
    struct sup_keeper_instance **at = pid_bucket(keeper, instance->pid);
    while (*at != instance) at = &(*at)->next_pid;
    *at = instance->next_pid;
    instance->next_pid = NULL;
}
