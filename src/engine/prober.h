/*
** engine/prober.h: a thread that looks, again and again, whether something holds: conditions of
** readiness, and the health of services. Only files of src/engine include it.
**
** The engine thread opens and closes probes and takes the news; it never waits for the other one.
** The thread is started with the first probe, and sleeps while there is nothing to look at. It
** knows neither tree nor slots.
*/
#ifndef SUP_ENGINE_PROBER_H
#define SUP_ENGINE_PROBER_H

#include "core/spec.h"
#include "core/tree.h"
#include "engine/look.h"
#include "engine/tail.h"

#include <stdbool.h>
#include <stdint.h>

struct sup_prober;
struct sup_probe;

/* What to look at, and when. */
struct sup_probe_order {
    sup_token node; /* for whoever takes the news */
    uint64_t instance;
    struct sup_ready ready;     /* of kind TCP, UNIX, HTTP, LOG; texts are copied */
    struct sup_tail_order tail; /* LOG */
    bool repeats;               /* it goes on when it holds: health */
    bool asks;                  /* others look, when the news ask for it: EXEC, functions */
    int64_t first_ns;           /* when to look first: a time of CLOCK_MONOTONIC */
    int64_t every_ns;           /* from the end of a look to the next; 0: 50 ms, growing to 1 s */
    int64_t timeout_ns;         /* of one look */
};

/* The latest that a probe has found out. */
struct sup_probe_news {
    sup_token node;
    uint64_t instance;
    bool repeats;
    bool asks;  /* look, and tell by sup_prober_answer */
    bool found; /* what follows */
    bool holds;
    bool gave_up;      /* it is not looked at any more */
    uint64_t lost;     /* LOG: bytes of the output that came too fast to be seen */
    uint32_t failures; /* in a row, up to now; 0: it holds */
    int64_t at_ns;
    char text[SUP_LOOK_TEXT]; /* why it does not hold; "" else */
};

/* ${wake}: there is news; quick, and right from any thread. 0 or -errno. */
int sup_prober_create(struct sup_prober **created, void (*wake)(void *context), void *context);
/* Waits for the thread, which never blocks for long. NULL: harmless. */
void sup_prober_destroy(struct sup_prober *prober);

/* NULL: no memory. It is valid until it is closed. */
struct sup_probe *sup_prober_open(struct sup_prober *prober, const struct sup_probe_order *order);
/* There is no news of it from now on. NULL: harmless. */
void sup_prober_close(struct sup_prober *prober, struct sup_probe *probe);

/* What was found out by who was asked; any thread. What comes too late is not used. */
void sup_prober_answer(struct sup_prober *prober, struct sup_probe *probe, bool holds,
                       const char *text);

/* Why the last look failed, into ${buf}[SUP_LOOK_TEXT]; any thread. False: none has. */
bool sup_prober_why(struct sup_prober *prober, const struct sup_probe *probe, char *buf);

/* False: there is no more. */
bool sup_prober_take(struct sup_prober *prober, struct sup_probe_news *news);

#endif
