/*
** engine/handle_look.c: looking at what a handle stands for: its services, and what a stop left.
** Changes nothing.
*/
#include "engine/handle_inside.h"

#include "base/process.h"
#include "wire/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what is left ----------------------------------------------------------------------------- */

static void describe(struct sup_left *left, const struct sup_view *view,
                     const struct sup_unstopped *unstopped)
{
    struct sup_status status;
    *left = (struct sup_left){.generation = unstopped->generation};
    sup_tree_path(view->tree, unstopped->node, left->path, sizeof left->path);
    bool known = sup_tree_status(view->tree, unstopped->node, 0, &status);
    left->kind = known ? status.kind : SUP_PROCESS;
    left->role = known ? status.role : SUP_ROLE_SERVICE;
    left->pid = sup_engine_pid(view, unstopped->node);
    left->folder = sup_engine_seat(view, unstopped->node).folder;
}

struct sup_left *sup_left_list(const struct sup_view *view, size_t *count)
{
    size_t all = sup_tree_unstopped(view->tree, NULL, 0);
    struct sup_unstopped *unstopped = calloc(all + 1, sizeof *unstopped);
    struct sup_left *left = calloc(all + 1, sizeof *left);
    *count = 0;
    if (unstopped != NULL && left != NULL) {
        *count = sup_tree_unstopped(view->tree, unstopped, all);
        for (size_t i = 0; i < *count; i++) describe(&left[i], view, &unstopped[i]);
    }
    free(unstopped);
    if (*count > 0) return left;
    free(left);
    return NULL;
}

static bool is_below(const char *path, const char *above)
{
    size_t size = strlen(above);
    return strncmp(path, above, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

struct reporting {
    struct sup_handle *handle;
    struct sup_left *left;
    size_t count;
};

static void report_part(void *context, const struct sup_view *view)
{
    struct reporting *reporting = context;
    char path[SUP_HANDLE_PATH];
    size_t count, kept = 0;
    struct sup_left *left = sup_left_list(view, &count);
    sup_tree_path(view->tree, reporting->handle->node, path, sizeof path);
    for (size_t i = 0; i < count; i++)
        if (is_below(left[i].path, path)) left[kept++] = left[i];
    reporting->left = left;
    reporting->count = kept;
}

static void report_root(struct reporting *reporting)
{
    const struct sup_handle *root = reporting->handle;
    if (root->left_count == 0) return;
    reporting->left = calloc(root->left_count, sizeof *reporting->left);
    if (reporting->left == NULL) return;
    memcpy(reporting->left, root->left, root->left_count * sizeof *reporting->left);
    reporting->count = root->left_count;
}

/* What the system holds it for. */
static void find_reason(struct sup_left *left, int cgroups)
{
    char name[32];
    const struct sup_seat seat = {
        .pid = left->pid,
        .cgroups = cgroups,
        .folder = left->folder == 0 ? NULL : sup_wire_folder_name(left->folder, name, sizeof name),
    };
    if (left->pid > 0) sup_process_why(&seat, left->why, sizeof left->why);
}

struct sup_left *sup_handle_report(struct sup_handle *handle, size_t *count)
{
    struct reporting reporting = {.handle = handle};
    *count = 0;
    if (sup_handle_is_foreign(handle, NULL)) return NULL;
    sup_handles_lock();
    struct sup_handle *root = sup_handle_root(handle);
    if (root == handle) report_root(&reporting);
    else if (root->engine != NULL) sup_engine_read(root->engine, report_part, &reporting);
    int cgroups = root->engine == NULL ? -1 : sup_engine_cgroups(root->engine);
    for (size_t i = 0; i < reporting.count; i++) find_reason(&reporting.left[i], cgroups);
    sup_handles_unlock();
    *count = reporting.count;
    if (reporting.count > 0) return reporting.left;
    free(reporting.left);
    return NULL;
}

/* --- services --------------------------------------------------------------------------------- */

struct listing {
    const struct sup_handle *handle;
    struct sup_service_info *services;
};

static void list_recorded(const struct listing *listing)
{
    for (size_t i = 0; i < listing->handle->count; i++) {
        const struct sup_record *record = &listing->handle->records[i];
        struct sup_service_info *service = &listing->services[i];
        service->kind = record->kind;
        service->role = record->role;
        service->state = SUP_STATE_STOPPED;
        service->token = sup_record_token(listing->handle, record);
        snprintf(service->name, sizeof service->name, "%s", record->name);
    }
}

static void list_live(void *context, const struct sup_view *view)
{
    struct listing *listing = context;
    struct sup_status status;
    for (size_t i = 0; i < listing->handle->count; i++) {
        struct sup_service_info *service = &listing->services[i];
        sup_token node = listing->handle->records[i].node;
        if (!sup_tree_status(view->tree, node, view->now_ns, &status)) continue;
        service->state = status.state;
        service->generation = status.generation;
        service->ready = status.ready;
        service->pid = sup_engine_pid(view, node);
    }
}

struct sup_service_info *sup_handle_services(struct sup_handle *handle, size_t *count)
{
    struct listing listing = {.handle = handle};
    *count = 0;
    if (sup_handle_is_foreign(handle, NULL)) return calloc(1, sizeof *listing.services);
    sup_handles_lock();
    struct sup_handle *root = sup_handle_settled_root(handle);
    listing.services = calloc(handle->count + 1, sizeof *listing.services);
    if (listing.services != NULL) {
        *count = handle->count;
        list_recorded(&listing);
        if (root->engine != NULL) sup_engine_read(root->engine, list_live, &listing);
    }
    sup_handles_unlock();
    return listing.services;
}
