/*
** wire/text.c: what the numbers of the wire are called when a person reads them.
*/
#include "wire/wire.h"

#include <stddef.h>
#include <stdio.h>

static const char *const step_texts[] = {
    NULL,
    [SUP_STEP_CLONE] = "clone",
    [SUP_STEP_DESCRIPTORS] = "descriptors",
    [SUP_STEP_PLAN] = "plan",
    [SUP_STEP_SESSION] = "setsid",
    [SUP_STEP_STDIO] = "stdio",
    [SUP_STEP_CWD] = "chdir",
    [SUP_STEP_EXEC] = "exec",
    [SUP_STEP_LIMITS] = "limits",
    [SUP_STEP_OOM_SCORE] = "oom_score",
    [SUP_STEP_NICE] = "nice",
    [SUP_STEP_UMASK] = "umask",
    [SUP_STEP_GROUPS] = "groups",
    [SUP_STEP_GROUP] = "group",
    [SUP_STEP_USER] = "user",
    [SUP_STEP_RIGHTS] = "no_new_privs",
    [SUP_STEP_OUTPUT] = "log.to",
    [SUP_STEP_BEFORE] = "before",
    [SUP_STEP_CGROUP] = "cgroup",
    [SUP_STEP_SOCKETS] = "sockets",
};

_Static_assert(sizeof step_texts / sizeof step_texts[0] == SUP_STEP_COUNT, "every step has a text");

const char *sup_wire_step_text(int step)
{
    if (step <= 0 || step >= SUP_STEP_COUNT) return "unknown step";
    return step_texts[step];
}

char *sup_wire_folder_name(uint64_t folder, char *buf, size_t size)
{
    snprintf(buf, size, "%s%llu", (folder & SUP_FOLDER_KEPT) != 0 ? "kept-" : "",
             (unsigned long long) (folder & ~SUP_FOLDER_KEPT));
    return buf;
}
