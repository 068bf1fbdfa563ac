/*
** core/option_ids.h: the numbers of the options in blobs (FROZEN: a number is never changed or used
** again; new options take the next free one).
*/
#ifndef SUP_CORE_OPTION_IDS_H
#define SUP_CORE_OPTION_IDS_H

enum sup_option_id {
    /* a supervisor's own */
    SUP_OPTION_STRATEGY = 1,
    SUP_OPTION_FAILURE_THRESHOLD = 2,
    SUP_OPTION_FAILURE_DECAY = 3,
    SUP_OPTION_FAILURE_BACKOFF = 4,
    SUP_OPTION_BACKOFF_JITTER = 5,
    SUP_OPTION_EXTEND_BACKOFF = 6,
    SUP_OPTION_ON_THRESHOLD = 7,
    SUP_OPTION_MAX_PAUSES = 8,
    SUP_OPTION_WITHIN = 9,
    SUP_OPTION_INTENSITY = 10,
    SUP_OPTION_PERIOD = 11,
    SUP_OPTION_RESTART_SPACING = 12,
    SUP_OPTION_STOP_ORDER = 13,
    SUP_OPTION_AUTO_SHUTDOWN = 14,
    SUP_OPTION_MAX_CHILDREN = 15,
    SUP_OPTION_PROPAGATE_TERMINATION = 16,
    /* every node's */
    SUP_OPTION_TIMEOUT = 17,
    SUP_OPTION_KILL_TIMEOUT = 18,
    SUP_OPTION_DESCRIPTION = 19,
    SUP_OPTION_RESTART = 20,
    SUP_OPTION_RESTART_DELAY = 21,
    SUP_OPTION_AFTER = 22,
    SUP_OPTION_RESTART_WITH = 23,
    SUP_OPTION_SIGNIFICANT = 24,
    SUP_OPTION_ENABLED = 25,
    SUP_OPTION_FORMERLY = 26,
    /* a service's */
    SUP_OPTION_START_TIMEOUT = 27,
    SUP_OPTION_READY = 28,
    SUP_OPTION_ON_STUCK = 29,
    /* a process's */
    SUP_OPTION_COMMAND = 30,
    SUP_OPTION_CWD = 31,
    SUP_OPTION_ENV = 32,
    SUP_OPTION_ENV_FILE = 33, /* never in a blob */
    SUP_OPTION_INHERIT_ENV = 34,
    SUP_OPTION_STOP_SIGNAL = 35,
    SUP_OPTION_LOG = 36,
    SUP_OPTION_SUCCESS_EXIT = 37,
    SUP_OPTION_DONE_EXIT = 38,
    SUP_OPTION_TERMINATE_EXIT = 39,
    /* a thread's */
    SUP_OPTION_RUN = 40,
    SUP_OPTION_ARGS = 41,
    SUP_OPTION_MEMORY = 42,
    /* the root's */
    SUP_OPTION_CONTROL_GROUP = 50,
    /* a service's and a process's: what it says of itself while it runs */
    SUP_OPTION_WATCHDOG = 51,
    SUP_OPTION_RELOAD_SIGNAL = 52,
    /* a process's: who it runs as, and what it may take */
    SUP_OPTION_USER = 61,
    SUP_OPTION_GROUP = 62,
    SUP_OPTION_GROUPS = 63,
    SUP_OPTION_UMASK = 64,
    SUP_OPTION_NICE = 65,
    SUP_OPTION_OOM_SCORE = 66,
    SUP_OPTION_LIMITS = 67,
    SUP_OPTION_NO_NEW_PRIVS = 68,
    /* a process's: the limits of its cgroup */
    SUP_OPTION_CGROUP = 55,
    /* a process's: how it is stopped */
    SUP_OPTION_STOP = 56,
    SUP_OPTION_KILL_MODE = 57,
    /* a process's: what it listens on */
    SUP_OPTION_SOCKETS = 58,
    SUP_OPTION_ACTIVATION = 59,
    /* a service's: one of several of the same */
    SUP_OPTION_REPLICAS = 80,
    SUP_OPTION_REPLICATED = 81, /* the root's; never written by people */
    /* a service that is expected to end */
    SUP_OPTION_REMAIN = 70, /* written of every oneshot: that it stands there makes it one */
    /* a service's: is it well? */
    SUP_OPTION_HEALTH = 69,
    /* a timer's: one of the first two stands there, and makes it one */
    SUP_OPTION_EVERY = 71,
    SUP_OPTION_AT = 72,
    SUP_OPTION_OVERLAP = 73,
    SUP_OPTION_JITTER = 74,
    SUP_OPTION_MISSED = 75,
    /* a process's: commands around it */
    SUP_OPTION_BEFORE = 53,
    SUP_OPTION_AFTER_EXIT = 54,
    /* every node's */
    SUP_OPTION_ON_EVENT = 91,

    SUP_OPTION_ID_END = 128, /* all numbers are less */
};

#endif
