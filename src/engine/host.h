/*
** engine/host.h: the process `suptree host`: the engine around a tree, at the keeper's other end.
** No Lua.
*/
#ifndef SUP_ENGINE_HOST_H
#define SUP_ENGINE_HOST_H

struct sup_engine;
struct sup_thread_ops;

struct sup_host_options {
    int socket;                           /* SOCK_SEQPACKET to the keeper; taken over */
    const char *name;                     /* of the tree, for people */
    const struct sup_thread_ops *threads; /* what thread services are; NULL: there are none */
    /* For threads beside the engine; NULL: none. `opened` is called when the tree is there, before
       anything happens to it; after `closing` returns the engine must not be used any more. Both
       on the engine thread. */
    void (*opened)(void *context, struct sup_engine *engine);
    void (*closing)(void *context);
    /* SIGHUP came, by way of the keeper: a reload is wanted. Must not block. NULL: it is told that
       there is none. */
    void (*reload_asked)(void *context);
    void *context;
};

/*
** Run the host until the tree has ended, on this thread. Signals INT, TERM, HUP and PIPE of the
** process are ignored: the keeper passes on what they mean. Returns the exit code of the process:
** that of the tree; 78 when the configuration cannot be used; 70 when the keeper is lost, or
** something else that is needed (then one line on standard error says what).
*/
int sup_host_run(const struct sup_host_options *options);

#endif
