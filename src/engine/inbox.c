/*
** engine/inbox.c: class queues and owed answers. Must not know what an input means.
*/
#include "engine/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A request number: epoch, serial, place in `pending`. */
#define PLACE_BITS 16
#define SERIAL_BITS 32
#define MAX_PENDING (1U << PLACE_BITS)

int sup_inbox_init(struct sup_inbox *inbox, uint64_t epoch, void (*wake)(void *context),
                   void *context)
{
    *inbox = (struct sup_inbox){.epoch = epoch & 0xffff,
                                .serial = 1,
                                .wake = wake,
                                .wake_context = context};
    return -pthread_mutex_init(&inbox->mutex, NULL);
}

void sup_inbox_close(struct sup_inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox->closed = true;
    pthread_mutex_unlock(&inbox->mutex);
}

void sup_inbox_refuse(struct sup_inbox *inbox)
{
    const struct sup_reply stopped = {.status = SUP_STOPPED};
    sup_inbox_close(inbox);
    for (struct sup_letter *letter; (letter = sup_inbox_take(inbox, SUP_CLASS_COMMAND)) != NULL;) {
        if (letter->answer != NULL) letter->answer(letter->context, &stopped);
        free(letter);
    }
    for (size_t i = 0; i < inbox->pending_room; i++)
        if (inbox->pending[i].request != 0)
            sup_inbox_answer(inbox, inbox->pending[i].request, &stopped);
}

void sup_inbox_finish(struct sup_inbox *inbox)
{
    sup_inbox_refuse(inbox);
    free(inbox->pending);
    pthread_mutex_destroy(&inbox->mutex);
    *inbox = (struct sup_inbox){.closed = true};
}

enum sup_class sup_input_class(enum sup_input_type type)
{
    switch (type) {
    case SUP_IN_LAUNCHED:
    case SUP_IN_LAUNCH_FAILED:
    case SUP_IN_READY:
    case SUP_IN_ENDED:
    case SUP_IN_HOST_DIED:
    case SUP_IN_UNHEALTHY:
    case SUP_IN_EXTEND:
    case SUP_IN_SCHEDULE:
    case SUP_IN_EXITING:
    case SUP_IN_ACTIVATE:
        return SUP_CLASS_FACT;
    case SUP_IN_STOP:
    case SUP_IN_KILL:
    case SUP_IN_REMOVE:
    case SUP_IN_STOP_NODE:
        return SUP_CLASS_STOP;
    case SUP_IN_TICK:
    case SUP_IN_START:
    case SUP_IN_ADD:
    case SUP_IN_START_NODE:
    case SUP_IN_RESTART_NODE:
    case SUP_IN_RELOAD:
    case SUP_IN_END:
        break;
    }
    return SUP_CLASS_COMMAND;
}

static struct sup_letter *copy(const struct sup_input *input)
{
    size_t text = input->text == NULL ? 0 : strlen(input->text) + 1;
    struct sup_letter *letter = malloc(sizeof *letter + input->blob_size + text);
    if (letter == NULL) return NULL;
    char *end = (char *) (letter + 1);
    *letter = (struct sup_letter){.input = *input};
    if (input->blob_size > 0) {
        memcpy(end, input->blob, input->blob_size);
        letter->input.blob = end;
        end += input->blob_size;
    }
    if (text > 0) {
        memcpy(end, input->text, text);
        letter->input.text = end;
    }
    return letter;
}

int sup_inbox_put(struct sup_inbox *inbox, const struct sup_input *input, sup_answer_fn *answer,
                  void *context)
{
    struct sup_letter *letter = copy(input);
    if (letter == NULL) return -ENOMEM;
    letter->answer = answer;
    letter->context = context;
    enum sup_class class = sup_input_class(input->type);
    pthread_mutex_lock(&inbox->mutex);
    bool closed = inbox->closed;
    if (!closed) {
        if (inbox->first[class] == NULL) inbox->first[class] = letter;
        else inbox->last[class]->next = letter;
        inbox->last[class] = letter;
        inbox->wake(inbox->wake_context);
    }
    pthread_mutex_unlock(&inbox->mutex);
    if (!closed) return 0;
    free(letter);
    return -ESHUTDOWN;
}

struct sup_letter *sup_inbox_take(struct sup_inbox *inbox, enum sup_class last)
{
    struct sup_letter *letter = NULL;
    pthread_mutex_lock(&inbox->mutex);
    for (int class = 0; class <= (int) last && letter == NULL; class ++) {
        letter = inbox->first[class];
        if (letter != NULL) inbox->first[class] = letter->next;
    }
    pthread_mutex_unlock(&inbox->mutex);
    return letter;
}

/* --- answers ---------------------------------------------------------------------------------- */

static int grow(struct sup_inbox *inbox)
{
    size_t room = inbox->pending_room == 0 ? 16 : inbox->pending_room * 2;
    if (room > MAX_PENDING) return -ENOMEM;
    struct sup_pending *pending = realloc(inbox->pending, room * sizeof *pending);
    if (pending == NULL) return -ENOMEM;
    for (size_t i = inbox->pending_room; i < room; i++) pending[i] = (struct sup_pending){0};
    inbox->pending = pending;
    inbox->pending_free = inbox->pending_room;
    inbox->pending_room = room;
    return 0;
}

/* A free place, looked for from where the last one was found. */
static int find_place(struct sup_inbox *inbox, size_t *place)
{
    for (size_t i = 0; i < inbox->pending_room; i++) {
        *place = (inbox->pending_free + i) % inbox->pending_room;
        if (inbox->pending[*place].request == 0) return 0;
    }
    *place = inbox->pending_room;
    return grow(inbox);
}

int sup_inbox_open(struct sup_inbox *inbox, struct sup_letter *letter)
{
    size_t place;
    if (letter->answer == NULL) {
        letter->input.request = 0;
        return 0;
    }
    if (find_place(inbox, &place) < 0) return -ENOMEM;
    uint64_t serial = inbox->serial++ & ((UINT64_C(1) << SERIAL_BITS) - 1);
    letter->input.request =
        inbox->epoch << (SERIAL_BITS + PLACE_BITS) | serial << PLACE_BITS | (uint64_t) place;
    inbox->pending[place] = (struct sup_pending){.request = letter->input.request,
                                                 .answer = letter->answer,
                                                 .context = letter->context};
    inbox->pending_free = place + 1;
    return 0;
}

void sup_inbox_answer(struct sup_inbox *inbox, uint64_t request, const struct sup_reply *reply)
{
    size_t place = (size_t) (request & (MAX_PENDING - 1));
    if (request == 0 || place >= inbox->pending_room) return;
    struct sup_pending *slot = &inbox->pending[place];
    if (slot->request != request) return;
    struct sup_pending owed = *slot;
    *slot = (struct sup_pending){0};
    inbox->pending_free = place;
    owed.answer(owed.context, reply);
}
