/*
** spec/c/engine_notes_test.c: the ring of notes: whole, in order, bounded.
*/
#include "engine/notes.h"
#include "lib_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define MANY 20000

/* The note ${number}, whose texts and sizes follow from it. */
static struct sup_note make(uint64_t number, char *text, char *path)
{
    struct sup_note note = {.count = 1 + number % SUP_NOTE_EFFECTS, .path = path, .other = ""};
    size_t length = number * 37 % (SUP_TEXT_MAX - 1);
    memset(text, 'a' + (int) (number % 26), length);
    text[length] = '\0';
    snprintf(path, 64, "path/%llu", (unsigned long long) number);
    note.seq = number;
    note.ran_ns = (int64_t) number;
    for (uint32_t i = 0; i < note.count; i++) {
        note.effect[i] = (struct sup_effect){.type = SUP_DO_EVENT, .seq = number + i};
        note.effect[i].event.text = i < 2 ? text : NULL;
    }
    return note;
}

static bool is_as_made(const struct sup_note *note, uint64_t number)
{
    char text[SUP_TEXT_MAX], path[64];
    struct sup_note made = make(number, text, path);
    bool same = note->count == made.count && note->seq == number && note->other[0] == '\0' &&
                note->ran_ns == (int64_t) number && strcmp(note->path, path) == 0;
    for (uint32_t i = 0; same && i < note->count; i++) {
        const char *found = note->effect[i].event.text;
        same = note->effect[i].seq == number + i &&
               (i < 2 ? found != NULL && found != text && strcmp(found, text) == 0 : found == NULL);
    }
    return same;
}

static bool put(struct sup_notes *notes, uint64_t number)
{
    char text[SUP_TEXT_MAX], path[64];
    struct sup_note note = make(number, text, path);
    if (!sup_notes_have_room(notes)) return false;
    sup_notes_put(notes, &note);
    memset(text, 'x', sizeof text);
    memset(path, 'x', sizeof path);
    return true;
}

static void what_is_put_comes_out_in_order_and_whole(void)
{
    struct sup_notes notes = {.bytes = NULL};
    uint64_t in = 0, out = 0;
    CHECK(sup_notes_first(&notes, sup_notes_end(&notes)) == NULL);
    while (out < MANY) {
        while (in < MANY && put(&notes, in)) in++;
        CHECK(sup_notes_half_full(&notes) || in == MANY);
        uint64_t end = sup_notes_end(&notes);
        if (in < MANY) CHECK(put(&notes, in) == false);
        for (uint64_t taken = 0; taken < 100 && out < in; taken++, out++) {
            const struct sup_note *note = sup_notes_first(&notes, end);
            MUST(note != NULL && is_as_made(note, out));
            sup_notes_drop(&notes, note);
        }
    }
    CHECK(sup_notes_first(&notes, sup_notes_end(&notes)) == NULL);
    CHECK(!sup_notes_half_full(&notes));
    sup_notes_finish(&notes);
}

static void what_comes_later_is_not_seen_before_its_time(void)
{
    struct sup_notes notes = {.bytes = NULL};
    MUST(put(&notes, 1));
    uint64_t end = sup_notes_end(&notes);
    MUST(put(&notes, 2));
    sup_notes_drop(&notes, sup_notes_first(&notes, end));
    CHECK(sup_notes_first(&notes, end) == NULL);
    MUST(sup_notes_first(&notes, sup_notes_end(&notes)) != NULL);
    sup_notes_finish(&notes);
}

static void *put_many(void *argument)
{
    struct sup_notes *notes = argument;
    for (uint64_t number = 0; number < MANY; number++)
        while (!put(notes, number)) sched_yield();
    return NULL;
}

static void one_thread_puts_while_another_takes(void)
{
    struct sup_notes notes = {.bytes = NULL};
    pthread_t thread;
    MUST(put(&notes, 0)); /* the memory is there */
    sup_notes_drop(&notes, sup_notes_first(&notes, sup_notes_end(&notes)));
    MUST(pthread_create(&thread, NULL, put_many, &notes) == 0);
    for (uint64_t out = 0; out < MANY;) {
        const struct sup_note *note = sup_notes_first(&notes, sup_notes_end(&notes));
        if (note == NULL) {
            sched_yield();
            continue;
        }
        MUST(is_as_made(note, out++));
        sup_notes_drop(&notes, note);
    }
    pthread_join(thread, NULL);
    sup_notes_finish(&notes);
}

TEST_MAIN(TEST(what_is_put_comes_out_in_order_and_whole),
          TEST(what_comes_later_is_not_seen_before_its_time),
          TEST(one_thread_puts_while_another_takes))
