/* The configuration blob: hostile bytes are refused without harm, and size costs no more than
   itself. */
#include "core/form.h"

#include "lib_form.h"
#include "lib_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One thread: the thread sanitizer learns nothing from more of the same. */
#ifdef __SANITIZE_THREAD__
#define TIMES(n) ((n) / 20)
#else
#define TIMES(n) (n)
#endif

static struct sup_form_writer w;
static struct sup_err err;

/* The form of what was written to w; NULL: ${err} says why. */
static struct sup_form *take(void)
{
    size_t size;
    unsigned char *bytes = sup_form_finish(&w, &size);
    MUST(bytes != NULL);
    err = (struct sup_err){0};
    struct sup_form *form = sup_form_create(bytes, size, &err);
    CHECK((form == NULL) == (err.code != 0));
    free(bytes);
    return form;
}

/* --- hostile bytes ---------------------------------------------------------------------------- */

static unsigned char *shop_bytes(size_t *size)
{
    write_shop(&w);
    unsigned char *bytes = sup_form_finish(&w, size);
    MUST(bytes != NULL);
    return bytes;
}

/* A copy of its exact size, so that reading beyond it is seen. */
static struct sup_form *create_from_copy(const unsigned char *bytes, size_t size)
{
    unsigned char *copy = malloc(size + (size == 0));
    MUST(copy != NULL);
    memcpy(copy, bytes, size);
    err = (struct sup_err){0};
    struct sup_form *form = sup_form_create(copy, size, &err);
    if (form == NULL) CHECK(err.code != 0 && err.reason[0] != '\0' && err.place[0] != '\0');
    free(copy);
    return form;
}

static void every_truncation_is_refused(void)
{
    size_t size;
    unsigned char *bytes = shop_bytes(&size);
    for (size_t cut = 0; cut < size; cut++) {
        sup_test_case("%zu bytes of %zu", cut, size);
        CHECK(create_from_copy(bytes, cut) == NULL);
        CHECK_HAS(err.reason, "truncated");
        if (cut < sizeof(struct sup_form_header)) continue;
        unsigned char *copy = malloc(cut); /* and when it says that it is whole */
        MUST(copy != NULL);
        struct sup_form_header header;
        memcpy(copy, bytes, cut);
        memcpy(&header, copy, sizeof header);
        header.size = cut;
        memcpy(copy, &header, sizeof header);
        fix_checksum(copy, cut);
        CHECK(create_from_copy(copy, cut) == NULL);
        free(copy);
    }
    free(bytes);
}

static void every_flipped_bit_is_refused(void)
{
    size_t size;
    unsigned char *bytes = shop_bytes(&size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (unsigned char) (1u << bit % 8);
        sup_test_case("bit %zu", bit);
        CHECK(create_from_copy(bytes, size) == NULL);
        bytes[bit / 8] ^= (unsigned char) (1u << bit % 8);
    }
    struct sup_form *form = create_from_copy(bytes, size);
    CHECK(form != NULL);
    sup_form_unref(form);
    free(bytes);
}

static void foreign_blobs_are_named(void)
{
    static const struct {
        size_t offset;
        uint32_t value;
        const char *reason;
    } cases[] = {
        {offsetof(struct sup_form_header, magic), 0x12345678, "is not a compiled configuration"},
        {offsetof(struct sup_form_header, version), 2, "form version 2; this suptree reads"},
        {offsetof(struct sup_form_header, node_count), 0, "declares nothing"},
        {offsetof(struct sup_form_header, node_count), 65537, "declares 65537 nodes"},
        {offsetof(struct sup_form_header, node_count), 60000, "no room for its nodes"},
        {offsetof(struct sup_form_header, node_count), 5, "nodes are missing"},
        {offsetof(struct sup_form_header, node_count), 7, "cut off"},
        {offsetof(struct sup_form_header, reserved), 1, "reserved"},
        {offsetof(struct sup_form_header, size), 8, "bytes follow its end"},
        {offsetof(struct sup_form_header, checksum), 8, "checksum"},
    };
    size_t size;
    unsigned char *bytes = shop_bytes(&size);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t kept;
        memcpy(&kept, bytes + cases[i].offset, 4);
        memcpy(bytes + cases[i].offset, &cases[i].value, 4);
        sup_test_case("%s", cases[i].reason);
        CHECK(create_from_copy(bytes, size) == NULL);
        CHECK_HAS(err.reason, cases[i].reason);
        memcpy(bytes + cases[i].offset, &kept, 4);
    }
    free(bytes);
    CHECK(create_from_copy((const unsigned char *) "", 0) == NULL);
    CHECK(create_from_copy((const unsigned char *) "return 42 -- this is no blob, but Lua", 37) ==
          NULL);
}

/* Read all there is. */
static void walk(const struct sup_form_node *node, const struct sup_spec *parent, int depth)
{
    struct sup_spec spec;
    uint16_t changed[64];
    bool exec_seen;
    MUST(depth <= SUP_FORM_MAX_DEPTH);
    sup_form_decode(node, parent, &spec);
    CHECK(sup_name_is_valid(spec.name));
    CHECK(spec.failure_decay_ns > 0 && spec.timeout_ns >= 0);
    CHECK_INT(sup_form_compare(node, node, changed, 64, &exec_seen), 0);
    const struct sup_form_node *child = sup_form_first_child(node);
    for (uint32_t i = 0; i < node->child_count; i++, child = sup_form_skip(child))
        walk(child, &spec, depth + 1);
}

/* Flips, with the checksum made to fit, so that what lies behind it is reached. */
static void random_damage_is_refused_or_harmless(void)
{
    struct sup_test_chance chance = {6};
    size_t size;
    unsigned char *bytes = shop_bytes(&size);
    unsigned char *copy = malloc(size);
    MUST(copy != NULL);
    size_t accepted = 0;
    for (int round = 0; round < TIMES(100000); round++) {
        memcpy(copy, bytes, size);
        size_t flips = 1 + sup_test_below(&chance, 3);
        while (flips-- > 0) {
            size_t at = sizeof(struct sup_form_header) +
                        sup_test_below(&chance, size - sizeof(struct sup_form_header));
            if (sup_test_below(&chance, 2) == 0) copy[at] ^= (unsigned char) (1u << round % 8);
            else copy[at] = (unsigned char) sup_test_random(&chance);
        }
        fix_checksum(copy, size);
        struct sup_form *form = create_from_copy(copy, size);
        if (form == NULL) continue;
        accepted++;
        walk(sup_form_root(form), NULL, 1);
        sup_form_unref(form);
    }
    CHECK(accepted > 100); /* a changed letter of a name is no damage */
    free(copy);
    free(bytes);
}

static void random_blobs_are_refused_or_harmless(void)
{
    struct sup_test_chance chance = {7};
    for (int round = 0; round < TIMES(20000); round++) {
        unsigned char value[40];
        uint32_t children = (uint32_t) sup_test_below(&chance, 4);
        supervisor(&w, "s", children);
        sup_form_end(&w);
        for (uint32_t i = 0; i < children; i++) {
            char name[2] = {(char) ('a' + sup_test_below(&chance, 5)), '\0'};
            sup_form_begin(&w, (enum sup_kind) sup_test_below(&chance, 3), name, "", 0);
            for (uint16_t id = 1; id <= sup_option_count; id++) {
                if (sup_test_below(&chance, 8) != 0 && id != SUP_OPTION_COMMAND) continue;
                static const size_t sizes[] = {1, 1, 2, 4, 8, 10, 40};
                size_t value_size = sizes[sup_test_below(&chance, 7)];
                for (size_t k = 0; k < value_size; k++)
                    value[k] = (unsigned char) (sup_test_below(&chance, 2)
                                                    ? 0
                                                    : 'a' + sup_test_below(&chance, 5));
                sup_form_add(&w, id, value, value_size);
            }
            sup_form_end(&w);
        }
        struct sup_form *form = take();
        if (form != NULL) walk(sup_form_root(form), NULL, 1);
        sup_form_unref(form);
    }
}

/* --- size ------------------------------------------------------------------------------------- */

#define MANY TIMES(60000)

static void name_of(uint32_t number, char *name)
{
    snprintf(name, 32, "service-with-a-long-name-%u", (unsigned) number);
}

/* With work that grows as n^2 this would take minutes. */
static void many_siblings_are_checked_in_one_go(void)
{
    char name[32];
    char before[32];
    struct sup_form *form;
    for (uint32_t circle = 0; circle < 2; circle++) {
        plain_supervisor(&w, "s", MANY);
        for (uint32_t i = 0; i < MANY; i++) {
            name_of(i, name);
            process(&w, name);
            name_of(i > 0 ? i - 1 : MANY - 1, before);
            if (i > 0 || circle == 1) put_text(&w, SUP_OPTION_AFTER, before);
            put_command(&w);
            sup_form_end(&w);
        }
        form = take();
        CHECK((form != NULL) == (circle == 0));
        if (form != NULL) {
            struct sup_spec spec;
            const struct sup_form_node *node = sup_form_first_child(sup_form_root(form));
            for (uint32_t i = 0; i < MANY; i++, node = sup_form_skip(node))
                sup_form_decode(node, NULL, &spec);
            CHECK_TEXT(spec.after.first, before);
        }
        sup_form_unref(form);
    }
    CHECK_HAS(err.reason, "goes in a circle: service-with-a-long-name-0 -> ... -> ");
    CHECK_HAS(err.reason, "-2 -> service-with-a-long-name-1 -> service-with-a-long-name-0");
}

static void a_large_value_is_kept(void)
{
    static unsigned char chunk[3 << 20];
    uint32_t size;
    for (size_t i = 0; i < sizeof chunk; i++) chunk[i] = (unsigned char) (i * 7);
    thread(&w, "t");
    sup_form_add(&w, SUP_OPTION_RUN, chunk, sizeof chunk);
    sup_form_end(&w);
    struct sup_form *form = take();
    MUST(form != NULL);
    const unsigned char *data = sup_form_option(sup_form_root(form), SUP_OPTION_RUN, &size);
    CHECK(size == sizeof chunk && memcmp(data, chunk, size) == 0);
    sup_form_unref(form);
}

static void an_empty_writer_has_no_blob(void)
{
    size_t size = 1;
    CHECK(sup_form_finish(&w, &size) == NULL);
    CHECK_INT(size, 0);
}

TEST_MAIN(TEST(every_truncation_is_refused), TEST(every_flipped_bit_is_refused),
          TEST(foreign_blobs_are_named), TEST(random_damage_is_refused_or_harmless),
          TEST(random_blobs_are_refused_or_harmless), TEST(many_siblings_are_checked_in_one_go),
          TEST(a_large_value_is_kept), TEST(an_empty_writer_has_no_blob))
