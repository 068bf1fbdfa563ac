/*
** spec/c/engine_config_test.c: the configurations before the one that runs.
*/
#include "engine/config.h"
#include "lib_form.h"
#include "lib_test.h"

#include <stdlib.h>
#include <string.h>

/* A blob that is unlike all others of another ${name}. */
struct blob {
    unsigned char *bytes;
    size_t size;
    uint64_t print;
};

static struct blob make_blob(const char *name)
{
    struct sup_form_writer w = {0};
    struct blob blob;
    plain_supervisor(&w, name, 0);
    blob.bytes = sup_form_finish(&w, &blob.size);
    MUST(blob.bytes != NULL);
    blob.print = sup_config_print(blob.bytes, blob.size);
    return blob;
}

/* A history under way: what is current, and what stands before it. */
struct history {
    struct blob current;
    unsigned char *former;
    size_t size;
};

static void go_to(struct history *history, struct blob next, bool is_back)
{
    bool was_back;
    size_t size;
    unsigned char *former =
        sup_config_follow_up(history->former, history->size, history->current.bytes,
                             history->current.size, next.print, &size, &was_back);
    MUST(former != NULL);
    CHECK_INT(was_back, is_back);
    free(history->former);
    *history = (struct history){next, former, size};
}

static bool is_last(const struct history *history, const struct blob *blob)
{
    size_t size;
    const void *last =
        sup_config_last(history->former, history->size, history->current.print, &size);
    if (blob == NULL) return last == NULL;
    return last != NULL && size == blob->size && memcmp(last, blob->bytes, size) == 0;
}

static void going_on_and_back(void)
{
    struct blob a = make_blob("a"), b = make_blob("b"), c = make_blob("c");
    struct history history = {.current = a};
    CHECK(is_last(&history, NULL));
    go_to(&history, b, false);
    CHECK(is_last(&history, &a));
    go_to(&history, c, false);
    CHECK(is_last(&history, &b));
    go_to(&history, b, true);
    CHECK(is_last(&history, &a));
    go_to(&history, a, true);
    CHECK(is_last(&history, NULL));
    CHECK_INT(history.size, 0);
    free(history.former);
    free(a.bytes);
    free(b.bytes);
    free(c.bytes);
}

/* The host died when it had stored one of the two files; the next one does it again. */
static void a_death_in_between(void)
{
    struct blob a = make_blob("a"), b = make_blob("b"), c = make_blob("c");
    struct history history = {.current = a};
    go_to(&history, b, false);
    go_to(&history, c, false);
    history.current = b; /* the former ones were said, the new one was not */
    go_to(&history, c, false);
    CHECK(is_last(&history, &b));
    CHECK_INT(history.size, b.size + a.size);
    history.current = b; /* on the way back the blob comes first */
    CHECK(is_last(&history, &a));
    free(history.former);
    free(a.bytes);
    free(b.bytes);
    free(c.bytes);
}

static void old_ones_are_forgotten(void)
{
    struct history history = {.current = make_blob("start")};
    struct blob made[3 * SUP_CONFIG_FORMER_MAX];
    size_t count = sizeof made / sizeof made[0], size = history.current.size;
    unsigned char *start = history.current.bytes;
    for (size_t i = 0; i < count; i++) {
        char name[32];
        name[0] = (char) ('a' + i);
        name[1] = '\0';
        made[i] = make_blob(name);
        go_to(&history, made[i], false);
    }
    CHECK(history.size <= SUP_CONFIG_FORMER_MAX * size);
    for (size_t i = 1; i <= SUP_CONFIG_FORMER_MAX; i++) {
        CHECK(is_last(&history, &made[count - 1 - i]));
        go_to(&history, made[count - 1 - i], true);
    }
    CHECK(is_last(&history, NULL));
    for (size_t i = 0; i < count; i++) free(made[i].bytes);
    free(history.former);
    free(start);
}

static void damaged_bytes_are_none(void)
{
    struct blob a = make_blob("a"), b = make_blob("b");
    size_t size;
    unsigned char junk[64];
    memset(junk, 0xa5, sizeof junk);
    CHECK(sup_config_last(junk, sizeof junk, 0, &size) == NULL);
    CHECK(sup_config_last(NULL, 0, 0, &size) == NULL);
    CHECK(sup_config_last(a.bytes, a.size - 1, 0, &size) == NULL);
    CHECK_INT(sup_config_print(junk, sizeof junk), 0);
    bool is_back;
    unsigned char *former =
        sup_config_follow_up(junk, sizeof junk, a.bytes, a.size, b.print, &size, &is_back);
    MUST(former != NULL);
    CHECK_INT(size, a.size);
    free(former);
    free(a.bytes);
    free(b.bytes);
}

TEST_MAIN(TEST(going_on_and_back), TEST(a_death_in_between), TEST(old_ones_are_forgotten),
          TEST(damaged_bytes_are_none))
