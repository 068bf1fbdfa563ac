/*
** What services have said of themselves: the table that outlives hosts, and texts that are fit to
** be shown whatever they were.
*/
#include "engine/said.h"
#include "lib_test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NODE UINT64_C(0x700000003) /* index 3 */

static struct sup_said_table table;

static void set(const char *text)
{
    sup_said_set_text(sup_said_take(&table, NODE, 1), text, strlen(text));
}

static const char *shown(const char *text)
{
    set(text);
    return sup_said_find(&table, NODE, 1)->text;
}

static void an_entry_is_of_one_instance(void)
{
    sup_said_init(&table, -1);
    CHECK(sup_said_find(&table, NODE, 1) == NULL);
    set("first");
    CHECK_TEXT(sup_said_find(&table, NODE, 1)->text, "first");
    CHECK(sup_said_find(&table, NODE, 2) == NULL);
    CHECK(sup_said_find(&table, NODE + (UINT64_C(1) << 32), 1) == NULL); /* the same index */
    sup_said_take(&table, NODE, 1)->strangers = 5;
    CHECK_TEXT(sup_said_take(&table, NODE, 2)->text, "");
    CHECK_INT(sup_said_find(&table, NODE, 2)->strangers, 0);
    CHECK(sup_said_find(&table, NODE, 1) == NULL);
    CHECK(sup_said_take(&table, NODE, 0) == NULL);
    CHECK(sup_said_find(&table, NODE, 0) == NULL);
    CHECK(sup_said_take(&table, UINT32_MAX, 1) == NULL);
    sup_said_finish(&table);
}

static void the_next_host_reads_it(void)
{
    sup_said_init(&table, -1);
    set("left behind");
    int kept = dup(table.fd);
    sup_said_finish(&table);
    sup_said_init(&table, kept);
    CHECK(table.fd < 0);
    CHECK_TEXT(sup_said_find(&table, NODE, 1)->text, "left behind");
    sup_said_clear(&table);
    CHECK(sup_said_find(&table, NODE, 1) == NULL);
    sup_said_finish(&table);
    sup_said_init(&table, memfd_create("foreign", MFD_CLOEXEC)); /* not of its size */
    CHECK(table.fd >= 0 && table.entries != NULL);
    sup_said_finish(&table);
}

static void texts_are_fit_to_be_shown(void)
{
    sup_said_init(&table, -1);
    CHECK_TEXT(shown("50 % done \303\244 \342\202\254 \360\237\220\247"),
               "50 % done \303\244 \342\202\254 \360\237\220\247");
    CHECK_TEXT(shown("a\tb\033[31mc\177d\r"), "a?b?[31mc?d?");
    CHECK_TEXT(shown("\302\233x"), "??x");                          /* a control character */
    CHECK_TEXT(shown("\300\200 \340\200\200"), "?? ???");           /* overlong */
    CHECK_TEXT(shown("\355\240\200 \364\220\200\200"), "??? ????"); /* half a pair; beyond all */
    CHECK_TEXT(shown("\377\376 \342\202"), "?? ??");
    CHECK_TEXT(shown(""), "");
    sup_said_finish(&table);
}

static void long_texts_are_cut_between_characters(void)
{
    char text[3 * SUP_SAID_TEXT];
    sup_said_init(&table, -1);
    for (size_t i = 0; i + 1 < sizeof text; i += 2) memcpy(text + i, "\303\244", 2);
    sup_said_set_text(sup_said_take(&table, NODE, 1), text, sizeof text);
    const char *kept = sup_said_find(&table, NODE, 1)->text;
    CHECK_INT(strlen(kept) % 2, 0);
    CHECK(strlen(kept) >= SUP_SAID_TEXT - 3 && strlen(kept) < SUP_SAID_TEXT);
    sup_said_finish(&table);
}

TEST_MAIN(TEST(an_entry_is_of_one_instance), TEST(the_next_host_reads_it),
          TEST(texts_are_fit_to_be_shown), TEST(long_texts_are_cut_between_characters))
