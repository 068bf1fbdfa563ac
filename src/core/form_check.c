/*
** core/form_check.c: the header, the records and their options of a blob that may be hostile.
*/
#include "core/form_check.h"
#include "core/socket.h"

#include "base/hash.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE_BLOB "compiled configuration"
#define HINT_BROKEN "Compile the configuration again."
#define MIN_RECORD (sizeof(struct sup_form_node) + 8)

/* --- saying what is wrong ------------------------------------------------------------------ */

static int refuse_blob(struct sup_err *err, const char *reason)
{
    return sup_err_set(err, -EINVAL, PLACE_BLOB, HINT_BROKEN, "%s", reason);
}

int sup_form_refuse_memory(struct sup_err *err)
{
    return sup_err_set(err, -ENOMEM, PLACE_BLOB, "Free some memory and try again.",
                       "no memory to read it");
}

/* "shop.workers.mailer" into ${buf}; a path too long is cut at its front. */
static void write_path(const struct sup_form_scan *scan, uint32_t index, char *buf, size_t size)
{
    uint32_t chain[SUP_FORM_MAX_DEPTH];
    size_t depth = 0;
    for (uint32_t at = index; at != SUP_FORM_NONE; at = scan->entries[at].parent)
        chain[depth++] = at;
    char text[SUP_FORM_MAX_DEPTH * 130];
    size_t length = 0;
    while (depth > 0) {
        const char *name = sup_form_name(scan->entries[chain[--depth]].node);
        int n = snprintf(text + length, sizeof text - length, "%s%.128s", length ? "." : "", name);
        if (n > 0) length += (size_t) n;
    }
    if (length < size) memcpy(buf, text, length + 1);
    else snprintf(buf, size, "...%s", text + length - (size - 4));
}

int sup_form_refuse(const struct sup_form_scan *scan, uint32_t index, const char *option,
                    const char *hint, const char *format, ...)
{
    char reason[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    const char *place = sup_form_place(scan->entries[index].node);
    char path[120];
    char text[512];
    write_path(scan, index, path, sizeof path);
    snprintf(text, sizeof text, "%.100s%s%s%s%s", place, place[0] ? ": " : "", path,
             option == NULL ? "" : ".", option == NULL ? "" : option);
    return sup_err_set(scan->err, -EINVAL, text, hint, "%s", reason);
}

/* --- the header ---------------------------------------------------------------------------- */

int sup_form_check_header(const void *bytes, size_t size, struct sup_err *err)
{
    struct sup_form_header header;
    if (size < sizeof header) return refuse_blob(err, "is truncated: not even its header is whole");
    memcpy(&header, bytes, sizeof header);
    if (header.magic != SUP_FORM_MAGIC) return refuse_blob(err, "is not a compiled configuration");
    if (header.version != SUP_FORM_VERSION)
        return sup_err_set(err, -EINVAL, PLACE_BLOB,
                           "Compile the configuration again with this version of suptree.",
                           "has form version %u; this suptree reads version %d",
                           (unsigned) header.version, SUP_FORM_VERSION);
    if (header.size > size) return refuse_blob(err, "is truncated");
    if (header.size < size) return refuse_blob(err, "is damaged: bytes follow its end");
    const unsigned char *rest = (const unsigned char *) bytes + sizeof header;
    if (header.checksum != sup_hash(rest, size - sizeof header))
        return refuse_blob(err, "is damaged: its checksum does not fit");
    if (header.reserved != 0) return refuse_blob(err, "is damaged: a reserved field is used");
    if (header.node_count == 0) return refuse_blob(err, "declares nothing");
    if (header.node_count > SUP_FORM_MAX_NODES)
        return sup_err_set(err, -EINVAL, PLACE_BLOB, "Split the tree over several hosts.",
                           "declares %u nodes; at most %d are possible",
                           (unsigned) header.node_count, SUP_FORM_MAX_NODES);
    if (header.node_count > size / MIN_RECORD)
        return refuse_blob(err, "is damaged: it has no room for its nodes");
    return 0;
}

/* --- records ------------------------------------------------------------------------------- */

static bool is_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0) return false;
    return true;
}

/* Text of ${size} bytes with its one NUL, printable on a line. */
static bool is_line(const char *text, size_t size)
{
    if (size == 0 || memchr(text, 0, size) != text + size - 1) return false;
    for (; *text != '\0'; text++)
        if ((unsigned char) *text < 0x20 || *text == 0x7f) return false;
    return true;
}

/* The heads of the options: inside, ascending, padded with zeros. */
static const char *find_options_fault(const unsigned char *options, size_t size)
{
    uint16_t last = 0;
    for (size_t at = 0; at < size;) {
        struct sup_form_option_head head;
        if (size - at < sizeof head) return "is damaged: an option is cut off";
        memcpy(&head, options + at, sizeof head);
        at += sizeof head;
        if (head.size > size - at || sup_form_pad(head.size) > size - at)
            return "is damaged: an option is longer than its node";
        if (head.zero != 0 ||
            !is_zero(options + at + head.size, sup_form_pad(head.size) - head.size))
            return "is damaged: its padding is used";
        if (head.id <= last) return "is damaged: its options are not in order";
        last = head.id;
        at += sup_form_pad(head.size);
    }
    return NULL;
}

/* What is wrong with the record at ${node}, of which ${room} bytes are there; NULL: nothing. */
static const char *find_record_fault(const struct sup_form_node *node, size_t room)
{
    if (room < sizeof *node) return "is damaged: a node is cut off";
    if (node->size > room || node->size % 8 != 0 || node->option_bytes % 8 != 0)
        return "is damaged: the size of a node";
    size_t options_at = sup_form_options_at(node);
    if (options_at > node->size || node->size - options_at != node->option_bytes)
        return "is damaged: the parts of a node are not as large as the node";
    if (node->kind >= SUP_KIND_COUNT) return "has a node of an unknown kind";
    if (node->child_count > 0 && node->kind != SUP_SUPERVISOR)
        return "has a service with children; only supervisors have children";
    const char *name = sup_form_name(node);
    const char *place = name + node->name_size;
    if (!is_line(name, node->name_size) || !sup_name_is_valid(name))
        return "has a node whose name is not of letters, digits and _ . @ - (128 at most)";
    if (!is_line(place, node->place_size)) return "is damaged: the place of a node";
    size_t named = sizeof *node + node->name_size + node->place_size;
    const unsigned char *bytes = (const unsigned char *) node;
    if (!is_zero(node->pad, sizeof node->pad) || !is_zero(bytes + named, options_at - named))
        return "is damaged: its padding is used";
    return find_options_fault(bytes + options_at, node->option_bytes);
}

/* Where the walk is: the supervisors above, each with its children to come. */
struct walk {
    uint32_t index[SUP_FORM_MAX_DEPTH];
    uint32_t left[SUP_FORM_MAX_DEPTH];
    uint32_t last[SUP_FORM_MAX_DEPTH]; /* the child seen last */
    size_t depth;
};

/* Hang entry ${index} under its parent. What is wrong, or NULL. */
static const char *link_entry(struct sup_form_scan *scan, struct walk *walk, uint32_t index)
{
    struct sup_form_entry *entry = &scan->entries[index];
    while (walk->depth > 0 && walk->left[walk->depth - 1] == 0) walk->depth--;
    entry->parent = entry->first = entry->next = SUP_FORM_NONE;
    if (walk->depth == 0 && index > 0) return "is damaged: it has more than one root";
    if (walk->depth > 0) {
        size_t above = walk->depth - 1;
        entry->parent = walk->index[above];
        if (walk->last[above] == SUP_FORM_NONE) scan->entries[entry->parent].first = index;
        else scan->entries[walk->last[above]].next = index;
        walk->last[above] = index;
        walk->left[above]--;
    }
    if (walk->depth == SUP_FORM_MAX_DEPTH) return "is nested more than 64 levels deep";
    walk->index[walk->depth] = index;
    walk->left[walk->depth] = entry->node->child_count;
    walk->last[walk->depth] = SUP_FORM_NONE;
    walk->depth++;
    return NULL;
}

static int scan_records(struct sup_form_scan *scan, const unsigned char *bytes, size_t size)
{
    struct walk walk = {.depth = 0};
    size_t at = sizeof(struct sup_form_header);
    for (uint32_t i = 0; i < scan->count; i++) {
        const struct sup_form_node *node = (const void *) (bytes + at);
        const char *fault = find_record_fault(node, size - at);
        if (fault != NULL) return refuse_blob(scan->err, fault);
        scan->entries[i].node = node;
        if ((fault = link_entry(scan, &walk, i)) != NULL) return refuse_blob(scan->err, fault);
        at += node->size;
    }
    while (walk.depth > 0)
        if (walk.left[--walk.depth] > 0)
            return refuse_blob(scan->err, "is damaged: nodes are missing");
    if (at != size) return refuse_blob(scan->err, "is damaged: bytes follow its last node");
    return 0;
}

/* --- options ------------------------------------------------------------------------------- */

static int check_supervisor_rules(const struct sup_form_scan *scan, uint32_t index,
                                  const struct sup_spec *spec, const struct sup_option_set *written)
{
    uint32_t children = scan->entries[index].node->child_count;
    if (spec->has_intensity && sup_option_set_has(written, SUP_OPTION_FAILURE_THRESHOLD))
        return sup_form_refuse(
            scan, index, "intensity", "Take one of the two out.",
            "cannot stand beside failure_threshold: a window replaces the meter");
    if (!spec->has_intensity && sup_option_set_has(written, SUP_OPTION_PERIOD))
        return sup_form_refuse(scan, index, "period", "Add intensity, or take period out.",
                               "means nothing without intensity");
    if (spec->max_pauses > 0 && spec->within_ns == 0)
        return sup_form_refuse(scan, index, "max_pauses", "Add within, such as within = \"1h\".",
                               "needs the time within which pauses count");
    if (spec->max_pauses == 0 && spec->within_ns > 0)
        return sup_form_refuse(scan, index, "within", "Add max_pauses, or take within out.",
                               "means nothing without max_pauses");
    if (spec->max_children > 0 && children > spec->max_children)
        return sup_form_refuse(scan, index, "max_children", "Raise it, or declare fewer children.",
                               "is %u, but %u children are declared", spec->max_children, children);
    return 0;
}

static bool is_shut_down_by_children(const struct sup_form_node *node)
{
    uint32_t size;
    const unsigned char *value = sup_form_option(node, SUP_OPTION_AUTO_SHUTDOWN, &size);
    return value != NULL && size == 1 && value[0] != SUP_SHUTDOWN_NEVER;
}

static int check_child_rules(const struct sup_form_scan *scan, uint32_t index,
                             const struct sup_spec *spec)
{
    uint32_t parent = scan->entries[index].parent;
    bool is_endless = spec->role == SUP_ROLE_SERVICE && spec->restart == SUP_PERMANENT;
    if (spec->significant && is_endless)
        return sup_form_refuse(scan, index, "significant",
                               "Add restart = \"transient\" or restart = \"temporary\".",
                               "needs a node that may end for good, but this one is permanent");
    if (spec->significant && parent != SUP_FORM_NONE &&
        !is_shut_down_by_children(scan->entries[parent].node))
        return sup_form_refuse(scan, index, "significant",
                               "Add auto_shutdown = \"any_significant\" (or \"all_significant\") "
                               "to the supervisor.",
                               "means nothing: its supervisor has auto_shutdown = \"never\"");
    if (spec->formerly != NULL && strcmp(spec->formerly, spec->name) == 0)
        return sup_form_refuse(scan, index, "formerly", "Write the old name, or take it out.",
                               "is the name that the node has now");
    return 0;
}

/* What is expected to end: not for ever, and ready when it is done. */
static int check_role(const struct sup_form_scan *scan, uint32_t index, const struct sup_spec *spec,
                      const struct sup_option_set *written)
{
    static const uint16_t of_timers[] = {SUP_OPTION_OVERLAP, SUP_OPTION_JITTER, SUP_OPTION_MISSED};
    for (size_t i = 0; i < sizeof of_timers / sizeof *of_timers; i++)
        if (spec->role != SUP_ROLE_TIMER && sup_option_set_has(written, of_timers[i]))
            return sup_form_refuse(scan, index, sup_option_by_id(of_timers[i])->name,
                                   "Add every or at, or take it out.",
                                   "is an option of a timer, which says when it runs");
    if (spec->role == SUP_ROLE_SERVICE) return 0;
    if (sup_option_set_has(written, SUP_OPTION_RESTART) && spec->restart == SUP_PERMANENT)
        return sup_form_refuse(scan, index, "restart",
                               "Write \"transient\" (again after a failure) or \"temporary\".",
                               "cannot be \"permanent\": it is expected to end");
    if (sup_option_set_has(written, SUP_OPTION_READY))
        return sup_form_refuse(scan, index, "ready", "Take it out.",
                               spec->role == SUP_ROLE_TIMER
                                   ? "means nothing: a timer is ready as soon as it waits"
                                   : "means nothing: a oneshot is ready when it is done");
    static const uint16_t of_ready[] = {SUP_OPTION_HEALTH, SUP_OPTION_WATCHDOG};
    for (size_t i = 0; i < sizeof of_ready / sizeof *of_ready; i++)
        if (sup_option_set_has(written, of_ready[i]))
            return sup_form_refuse(scan, index, sup_option_by_id(of_ready[i])->name, "Take it out.",
                                   "means nothing: it is for what is to run on, not for a %s",
                                   spec->role == SUP_ROLE_TIMER ? "timer" : "oneshot");
    if (sup_option_set_has(written, SUP_OPTION_REMAIN) && spec->role == SUP_ROLE_TIMER)
        return sup_form_refuse(scan, index, "remain", "Take it out.",
                               "is an option of a oneshot, not of a timer");
    if (spec->every_ns > 0 && spec->at != NULL)
        return sup_form_refuse(scan, index, "every", "Take one of the two out.",
                               "cannot stand beside at: each says when it runs");
    if (spec->every_ns > 0 && spec->jitter_ns >= spec->every_ns)
        return sup_form_refuse(scan, index, "jitter", "Write a shorter time.",
                               "must be less than every");
    return 0;
}

static int check_exit_codes(const struct sup_form_scan *scan, uint32_t index,
                            const struct sup_spec *spec)
{
    for (int i = 0; i < 4; i++) {
        uint64_t both = spec->done_exit.bits[i] & spec->terminate_exit.bits[i];
        if (both == 0) continue;
        return sup_form_refuse(scan, index, "terminate_exit", "Leave the code in one of the two.",
                               "has exit code %d, which done_exit has too",
                               64 * i + __builtin_ctzll(both));
    }
    return 0;
}

/* The ladder says both. */
static int check_stop(const struct sup_form_scan *scan, uint32_t index,
                      const struct sup_option_set *written)
{
    static const struct {
        enum sup_option_id id;
        const char *name;
    } others[] = {{SUP_OPTION_STOP_SIGNAL, "stop_signal"}, {SUP_OPTION_TIMEOUT, "timeout"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (sup_option_set_has(written, SUP_OPTION_STOP) &&
            sup_option_set_has(written, others[i].id))
            return sup_form_refuse(scan, index, "stop", "Take one of the two out.",
                                   "cannot stand beside %s: its steps say signals and times",
                                   others[i].name);
    return 0;
}

/* A user that is only a number says nothing of groups. */
static int check_user(const struct sup_form_scan *scan, uint32_t index, const struct sup_spec *spec)
{
    if (spec->user.uid != SUP_NO_ID || spec->group == SUP_NO_ID || spec->groups.data != NULL)
        return 0;
    return sup_form_refuse(scan, index, "group", "Add user, or groups = {} beside it.",
                           "without user would keep the supplementary groups of suptree");
}

/* Conditions that need more than that the service runs. */
static int check_ready(const struct sup_form_scan *scan, uint32_t index,
                       const struct sup_spec *spec)
{
    enum sup_ready_kind kind = spec->ready.kind;
    enum sup_log_mode mode = spec->log.mode;
    uint32_t sockets = sup_sockets_count(&spec->sockets);
    if (kind == SUP_READY_FD && spec->ready.number < 3 + sockets)
        return sup_form_refuse(scan, index, "ready", "Take a greater number.",
                               "is said on descriptor %u, which is a socket: they are 3 to %u",
                               spec->ready.number, 2 + sockets);
    if (spec->kind == SUP_THREAD && (kind == SUP_READY_NOTIFY || kind == SUP_READY_FD))
        return sup_form_refuse(scan, index, "ready", "Write s.ready.manual() and call ctx:ready().",
                               "is s.ready.%s, which only a process can say",
                               kind == SUP_READY_FD ? "fd" : "notify");
    if (spec->kind == SUP_THREAD && kind == SUP_READY_EXEC)
        return sup_form_refuse(scan, index, "ready",
                               "Write s.ready.manual(), and call ctx:ready() when it holds.",
                               "is s.ready.exec, whose command runs beside a process, as it does");
    if (spec->kind == SUP_THREAD && spec->health.probe.kind == SUP_READY_EXEC)
        return sup_form_refuse(scan, index, "health", "Write a function(service) as its probe.",
                               "has the probe s.ready.exec, whose command runs beside a process, "
                               "as it does");
    if (kind == SUP_READY_LOG && mode != SUP_LOG_MODE_VIEW && mode != SUP_LOG_MODE_FILE)
        return sup_form_refuse(scan, index, "ready",
                               "Let suptree keep its output: take log out, or write log = { file = "
                               "PATH }.",
                               "is s.ready.log, but nobody here reads the output of this process");
    return 0;
}

/* One of several has their name and its number. */
static int check_replica(const struct sup_form_scan *scan, uint32_t index,
                         const struct sup_option_set *written, const struct sup_spec *spec)
{
    char ending[16];
    if (!sup_option_set_has(written, SUP_OPTION_REPLICAS)) return 0;
    int length = snprintf(ending, sizeof ending, "@%u", spec->replica);
    size_t name = strlen(spec->name);
    if (spec->replica > 0 && name > (size_t) length &&
        strcmp(spec->name + name - (size_t) length, ending) == 0)
        return 0;
    return sup_form_refuse(scan, index, "replicas", "Write it in a configuration that is run.",
                           "has not become as many services as it says");
}

/* Somebody has to connect, and it has to come back for the next who does. */
static int check_activation(const struct sup_form_scan *scan, uint32_t index,
                            const struct sup_spec *spec)
{
    if (!spec->activation) return 0;
    if (spec->sockets.size == 0)
        return sup_form_refuse(scan, index, "activation",
                               "Add sockets, such as sockets = { http = 8080 }.",
                               "means nothing without sockets");
    if (spec->restart == SUP_TEMPORARY)
        return sup_form_refuse(scan, index, "activation", "Take restart = \"temporary\" out.",
                               "cannot be of a node that leaves the tree when it has ended");
    if (spec->role != SUP_ROLE_SERVICE)
        return sup_form_refuse(scan, index, "activation", "Make it an s.process.",
                               "cannot be of a oneshot or a timer");
    if (spec->replica != 0)
        return sup_form_refuse(scan, index, "activation", "Take one of the two out.",
                               "cannot stand beside replicas: one connection would start all");
    return 0;
}

static int check_required(const struct sup_form_scan *scan, uint32_t index,
                          const struct sup_option_set *written)
{
    enum sup_kind kind = (enum sup_kind) scan->entries[index].node->kind;
    for (size_t i = 0; i < sup_option_count; i++) {
        const struct sup_option *option = &sup_options[i];
        if ((option->flags & SUP_OPT_REQUIRED) == 0 || sup_option_set_has(written, option->id))
            continue;
        if (sup_option_applies(option, kind, false))
            return sup_form_refuse(scan, index, option->name, option->doc, "is missing");
    }
    return 0;
}

static int check_option(const struct sup_form_scan *scan, uint32_t index,
                        const struct sup_form_option_head *head, struct sup_spec *spec)
{
    static const char *const kinds[] = {"supervisor", "process", "thread"};
    const struct sup_option *option = sup_option_by_id(head->id);
    if (option == NULL)
        return sup_form_refuse(scan, index, NULL, HINT_BROKEN, "has an unknown option, number %u",
                               head->id);
    if (!sup_option_applies(option, spec->kind, false))
        return sup_form_refuse(scan, index, option->name, "Take it out.", "a %s has no such option",
                               kinds[spec->kind]);
    struct sup_err fault;
    if (sup_option_decode(option, (const unsigned char *) (head + 1), head->size, spec, &fault) !=
        0)
        return sup_form_refuse(scan, index, option->name, fault.hint, "%s", fault.reason);
    return 0;
}

static int check_node(const struct sup_form_scan *scan, uint32_t index)
{
    const struct sup_form_node *node = scan->entries[index].node;
    struct sup_spec spec;
    struct sup_option_set written = {{0}};
    int rc;
    sup_require(node != NULL);
    sup_spec_defaults(&spec, (enum sup_kind) node->kind);
    spec.name = sup_form_name(node);
    const struct sup_form_option_head *head = NULL;
    while ((head = sup_form_next_option(node, head)) != NULL) {
        if ((rc = check_option(scan, index, head, &spec)) != 0) return rc;
        sup_option_set_add(&written, head->id);
    }
    if ((rc = check_required(scan, index, &written)) != 0) return rc;
    if ((rc = check_child_rules(scan, index, &spec)) != 0) return rc;
    if (spec.kind == SUP_SUPERVISOR) return check_supervisor_rules(scan, index, &spec, &written);
    if ((rc = check_ready(scan, index, &spec)) != 0) return rc;
    if ((rc = check_role(scan, index, &spec, &written)) != 0) return rc;
    if ((rc = check_user(scan, index, &spec)) != 0) return rc;
    if ((rc = check_replica(scan, index, &written, &spec)) != 0) return rc;
    if ((rc = check_stop(scan, index, &written)) != 0) return rc;
    if ((rc = check_activation(scan, index, &spec)) != 0) return rc;
    return check_exit_codes(scan, index, &spec);
}

int sup_form_check(const unsigned char *bytes, size_t size, struct sup_err *err)
{
    struct sup_form_header header;
    memcpy(&header, bytes, sizeof header);
    struct sup_form_scan scan = {.count = header.node_count, .err = err};
    scan.entries = calloc(scan.count, sizeof *scan.entries);
    if (scan.entries == NULL) return sup_form_refuse_memory(err);
    int rc = scan_records(&scan, bytes, size);
    for (uint32_t i = 0; i < scan.count && rc == 0; i++) rc = check_node(&scan, i);
    if (rc == 0) rc = sup_form_check_siblings(&scan);
    if (rc == 0) rc = sup_form_check_sockets(&scan);
    free(scan.entries);
    return rc;
}
