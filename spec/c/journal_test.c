/* The journal: inputs as bytes, records, damage, and the tree that comes back from it. */
#include "core/journal.h"

#include "lib_form.h"
#include "lib_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- inputs as bytes -------------------------------------------------------------------------- */

static struct sup_input full_input(void)
{
    return (struct sup_input){
        .type = SUP_IN_RELOAD,
        .node = UINT64_C(0x1122334455667788),
        .instance = UINT64_MAX,
        .request = 42,
        .wait = true,
        .flag = true,
        .wait_ns = 5 * SUP_SECOND_NS,
        .outcome = {SUP_END_NO_LAUNCH, -2},
        .text = "exec: No such file",
        .blob = "blob\0bytes",
        .blob_size = 10,
    };
}

static void check_same(const struct sup_input *a, const struct sup_input *b)
{
    CHECK_INT(a->type, b->type);
    CHECK(a->node == b->node && a->instance == b->instance && a->request == b->request);
    CHECK(a->wait == b->wait && a->flag == b->flag && a->wait_ns == b->wait_ns);
    CHECK(a->outcome.kind == b->outcome.kind && a->outcome.code == b->outcome.code);
    CHECK(a->cpu_ns == b->cpu_ns && a->memory_peak == b->memory_peak);
    CHECK_TEXT(a->text, b->text);
    CHECK_INT(a->blob_size, b->blob_size);
    if (a->blob_size == b->blob_size && a->blob_size > 0)
        CHECK(memcmp(a->blob, b->blob, a->blob_size) == 0);
}

static void an_input_reads_back(void)
{
    unsigned char bytes[256];
    struct sup_input back;
    struct sup_input input = full_input();
    size_t size = sup_input_write(&input, NULL, 0);
    CHECK_INT(sup_input_write(&input, bytes, size), size);
    MUST(sup_input_read(&back, bytes, size));
    check_same(&back, &input);
    for (int type = SUP_IN_TICK; type < SUP_IN_END; type++) {
        input = (struct sup_input){.type = (enum sup_input_type) type};
        size = sup_input_write(&input, bytes, sizeof bytes);
        MUST(sup_input_read(&back, bytes, size));
        check_same(&back, &input);
    }
    input = (struct sup_input){.type = SUP_IN_ENDED,
                               .node = 1,
                               .instance = 2,
                               .outcome = {SUP_END_OOM, 9},
                               .cpu_ns = INT64_MAX,
                               .memory_peak = UINT64_MAX};
    size = sup_input_write(&input, bytes, sizeof bytes);
    MUST(sup_input_read(&back, bytes, size));
    check_same(&back, &input);
    input.text = ""; /* empty is not absent */
    size = sup_input_write(&input, bytes, sizeof bytes);
    MUST(sup_input_read(&back, bytes, size));
    check_same(&back, &input);
}

static void a_long_text_is_cut_between_characters(void)
{
    static char text[3 * SUP_TEXT_MAX];
    static unsigned char bytes[4 * SUP_TEXT_MAX];
    struct sup_input input = {.type = SUP_IN_ENDED, .text = text};
    struct sup_input back;
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', sizeof text - 1);
        for (size_t i = shift; i + 3 < sizeof text; i += 3) memcpy(text + i, "\xe2\x82\xac", 3);
        size_t size = sup_input_write(&input, bytes, sizeof bytes);
        MUST(sup_input_read(&back, bytes, size));
        size_t length = strlen(back.text);
        CHECK(length <= SUP_TEXT_MAX && length > SUP_TEXT_MAX - 3);
        CHECK_INT((length - shift) % 3, 0);
    }
    memset(text, 'a', SUP_TEXT_MAX);
    text[SUP_TEXT_MAX] = '\0';
    size_t size = sup_input_write(&input, bytes, sizeof bytes);
    MUST(sup_input_read(&back, bytes, size));
    CHECK_INT(strlen(back.text), SUP_TEXT_MAX);
}

/* Read a copy of its exact size, so that reading beyond it is seen. */
static bool read_copy(const unsigned char *bytes, size_t size)
{
    unsigned char *copy = malloc(size + (size == 0));
    struct sup_input back;
    MUST(copy != NULL);
    memcpy(copy, bytes, size);
    bool is_read = sup_input_read(&back, copy, size);
    if (is_read) {
        CHECK(back.type >= SUP_IN_TICK && back.type < SUP_IN_END);
        CHECK(back.text == NULL || strlen(back.text) <= SUP_TEXT_MAX);
        for (size_t i = 0; i < back.blob_size; i++) (void) ((const volatile char *) back.blob)[i];
    }
    free(copy);
    return is_read;
}

static void cut_and_damaged_inputs_are_refused(void)
{
    unsigned char bytes[256];
    struct sup_input input = full_input();
    size_t size = sup_input_write(&input, bytes, sizeof bytes);
    for (size_t cut = 0; cut < size; cut++) CHECK(!read_copy(bytes, cut));
    CHECK(!read_copy(bytes, size + 1));
    bytes[0] = SUP_IN_END;
    CHECK(!read_copy(bytes, size));
    bytes[0] = 0;
    CHECK(!read_copy(bytes, size));
    struct sup_test_chance chance = {8};
    for (int round = 0; round < 200000; round++) {
        sup_input_write(&input, bytes, sizeof bytes);
        for (size_t i = 0; i <= sup_test_below(&chance, 3); i++)
            bytes[sup_test_below(&chance, size)] = (unsigned char) sup_test_random(&chance);
        read_copy(bytes, size);
    }
}

/* --- records ---------------------------------------------------------------------------------- */

#define SNAPSHOT "a snapshot of 27 bytes size"

/* A journal of ${size} bytes with three records; free()d by the caller. */
static unsigned char *three_records(size_t size)
{
    unsigned char *memory = malloc(size);
    MUST(memory != NULL);
    memset(memory, 0xEE, size);
    sup_journal_begin(memory, size, SNAPSHOT, sizeof SNAPSHOT, 17);
    struct sup_input input = full_input();
    struct sup_input tick = {.type = SUP_IN_TICK};
    CHECK(sup_journal_append(memory, &tick, 100));
    CHECK(sup_journal_append(memory, &input, -5));
    CHECK(sup_journal_append(memory, &tick, INT64_MAX));
    return memory;
}

static size_t count_records(const void *memory, size_t size, bool *broken)
{
    uint64_t cursor = 0;
    struct sup_input input;
    int64_t now_ns;
    size_t count = 0;
    while (sup_journal_read(memory, size, &cursor, &input, &now_ns, broken)) count++;
    return count;
}

static void records_read_back_in_order(void)
{
    size_t size = sup_journal_size(sizeof SNAPSHOT);
    unsigned char *memory = three_records(size);
    struct sup_input input;
    struct sup_input wanted = full_input();
    struct sup_err err = {0};
    uint64_t cursor = 0;
    int64_t now_ns;
    bool broken = true;
    CHECK(sup_journal_check(memory, size, &err));
    CHECK(sup_journal_read(memory, size, &cursor, &input, &now_ns, &broken));
    CHECK(input.type == SUP_IN_TICK && now_ns == 100 && !broken);
    CHECK(sup_journal_read(memory, size, &cursor, &input, &now_ns, &broken));
    check_same(&input, &wanted);
    CHECK_INT(now_ns, -5);
    CHECK(sup_journal_read(memory, size, &cursor, &input, &now_ns, &broken));
    CHECK_INT(now_ns, INT64_MAX);
    CHECK(!sup_journal_read(memory, size, &cursor, &input, &now_ns, &broken));
    CHECK(!broken);
    const struct sup_journal_header *header = (const void *) memory;
    CHECK_INT(header->confirmed, 17);
    sup_journal_confirm(memory, 18);
    CHECK_INT(header->confirmed, 18);
    CHECK_INT(header->crashing, 0);
    free(memory);
}

static void an_empty_journal_is_whole(void)
{
    unsigned char *memory = malloc(4096);
    struct sup_err err = {0};
    bool broken;
    MUST(memory != NULL);
    sup_journal_begin(memory, 4096, "", 0, 0);
    CHECK(sup_journal_check(memory, 4096, &err));
    CHECK_INT(count_records(memory, 4096, &broken), 0);
    CHECK(!broken);
    free(memory);
}

static void it_is_full_when_used_up_or_long(void)
{
    size_t size = sup_journal_size(0);
    unsigned char *memory = malloc(size);
    MUST(memory != NULL);
    static char text[SUP_TEXT_MAX + 1];
    memset(text, 'x', SUP_TEXT_MAX);
    struct sup_input input = {.type = SUP_IN_ENDED, .text = text};
    sup_journal_begin(memory, size, "", 0, 0);
    CHECK(!sup_journal_is_full(memory, SUP_JOURNAL_INPUTS - 1));
    CHECK(sup_journal_is_full(memory, SUP_JOURNAL_INPUTS));
    size_t count = 0;
    bool broken;
    while (!sup_journal_is_full(memory, 0)) { /* until then there is room for the longest */
        MUST(sup_journal_append(memory, &input, 0));
        count++;
    }
    while (sup_journal_append(memory, &input, 0)) count++;
    CHECK(count < SUP_JOURNAL_INPUTS);
    CHECK_INT(count_records(memory, size, &broken), count);
    struct sup_input tick = {.type = SUP_IN_TICK};
    while (sup_journal_append(memory, &tick, 0)) count++; /* to the last byte */
    CHECK_INT(count_records(memory, size, &broken), count);
    CHECK(!broken);
    free(memory);
}

static void appending_stays_inside(void)
{
    struct sup_input input = full_input();
    struct sup_input tick = {.type = SUP_IN_TICK};
    bool broken;
    for (size_t size = 64; size < 512; size++) {
        sup_test_case("%zu bytes", size);
        unsigned char *memory = malloc(size);
        MUST(memory != NULL);
        sup_journal_begin(memory, size, "", 0, 0);
        size_t count = 0;
        while (sup_journal_append(memory, count % 2 == 0 ? &input : &tick, 1)) count++;
        CHECK_INT(count_records(memory, size, &broken), count);
        CHECK(!broken);
        free(memory);
    }
}

static void every_truncation_is_refused(void)
{
    size_t size = 1024;
    unsigned char *memory = three_records(size);
    for (size_t cut = 0; cut < size; cut++) {
        sup_test_case("%zu bytes of %zu", cut, size);
        struct sup_err err = {0};
        unsigned char *copy = malloc(cut + (cut == 0));
        MUST(copy != NULL);
        memcpy(copy, memory, cut);
        CHECK(!sup_journal_check(copy, cut, &err));
        CHECK_HAS(err.reason, "truncated");
        /* and when it says that it is whole */
        if (cut >= sizeof(struct sup_journal_header)) {
            struct sup_journal_header *header = (void *) copy;
            header->size = cut;
            if (sup_journal_check(copy, cut, &err)) {
                bool broken;
                CHECK_INT(count_records(copy, cut, &broken), 3);
                CHECK(cut >= header->tail);
            }
        }
        free(copy);
    }
    free(memory);
}

static void foreign_and_torn_journals_are_named(void)
{
    static const struct {
        size_t offset;
        uint64_t value;
        size_t width;
        const char *reason;
    } cases[] = {
        {offsetof(struct sup_journal_header, magic), 0, 4, "is torn"},
        {offsetof(struct sup_journal_header, magic), 77, 4, "is not a journal"},
        {offsetof(struct sup_journal_header, version), 2, 4, "form version 2; this suptree reads"},
        {offsetof(struct sup_journal_header, size), 2000, 8, "truncated"},
        {offsetof(struct sup_journal_header, size), 8, 8, "snapshot does not fit"},
        {offsetof(struct sup_journal_header, snapshot_size), UINT64_MAX, 8, "does not fit"},
        {offsetof(struct sup_journal_header, snapshot_size), UINT64_MAX - 63, 8, "does not fit"},
        {offsetof(struct sup_journal_header, snapshot_size), 1024 - 63, 8, "does not fit"},
        {offsetof(struct sup_journal_header, snapshot_size), 27, 8, "checksum"},
        {offsetof(struct sup_journal_header, snapshot_checksum), 27, 8, "checksum"},
        {offsetof(struct sup_journal_header, tail), 64, 8, "end is not inside"},
        {offsetof(struct sup_journal_header, tail), 1032, 8, "end is not inside"},
        {offsetof(struct sup_journal_header, tail), 193, 8, "end is not inside"},
        {offsetof(struct sup_journal_header, tail), UINT64_MAX - 7, 8, "end is not inside"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char *memory = three_records(1024);
        struct sup_err err = {0};
        sup_test_case("%zu: %s", i, cases[i].reason);
        memcpy(memory + cases[i].offset, &cases[i].value, cases[i].width);
        CHECK(!sup_journal_check(memory, 1024, &err));
        CHECK_HAS(err.reason, cases[i].reason);
        CHECK(err.hint[0] != '\0' && err.code == -EBADMSG);
        CHECK(sup_journal_replay(memory, 1024, NULL, NULL, NULL, &err) == NULL);
        free(memory);
    }
}

static void damaged_records_are_broken(void)
{
    unsigned char *memory = three_records(1024);
    const struct sup_journal_header *header = (const void *) memory;
    size_t first = sizeof *header + 32;
    struct sup_input tick = {.type = SUP_IN_TICK};
    size_t tick_size = sup_input_write(&tick, NULL, 0);
    for (size_t bit = 0; bit < (16 + tick_size) * 8; bit++) {
        sup_test_case("bit %zu", bit);
        bool broken = false;
        memory[first + bit / 8] ^= (unsigned char) (1u << bit % 8);
        CHECK_INT(count_records(memory, 1024, &broken), 0);
        CHECK(broken);
        memory[first + bit / 8] ^= (unsigned char) (1u << bit % 8);
    }
    struct sup_test_chance chance = {9};
    for (int round = 0; round < 100000; round++) { /* the last byte of memory is never passed */
        size_t at = first + sup_test_below(&chance, header->tail - first);
        unsigned char kept = memory[at];
        bool broken;
        memory[at] = (unsigned char) sup_test_random(&chance);
        count_records(memory, 1024, &broken);
        memory[at] = kept;
    }
    free(memory);
}

/* --- the tree again --------------------------------------------------------------------------- */

static struct sup_tree *new_tree(void)
{
    struct sup_form_writer w = {0};
    struct sup_err err = {0};
    size_t size;
    write_shop(&w);
    unsigned char *bytes = sup_form_finish(&w, &size);
    struct sup_tree *tree = sup_tree_create(bytes, size, 3, &err);
    free(bytes);
    MUST(tree != NULL);
    return tree;
}

/* What a host has: the tree, its journal, and which instances run. */
struct host {
    struct sup_tree *tree;
    unsigned char *memory;
    size_t size;
    uint64_t last_seq;
    uint64_t sum; /* of all effects that were performed, in order */
};

static void note_effect(void *self, struct sup_tree *tree, const struct sup_effect *effect)
{
    struct host *host = self;
    (void) tree;
    CHECK(effect->seq == host->last_seq + 1);
    host->last_seq = effect->seq;
    host->sum = host->sum * 31 + effect->seq * 7 + (uint64_t) effect->type + effect->node +
                effect->instance;
}

static void begin_journal(struct host *host)
{
    size_t size;
    unsigned char *snapshot = sup_tree_save(host->tree, &size);
    MUST(snapshot != NULL);
    free(host->memory);
    host->size = sup_journal_size(size);
    host->memory = malloc(host->size);
    MUST(host->memory != NULL);
    sup_journal_begin(host->memory, host->size, snapshot, size, host->last_seq);
    free(snapshot);
}

static struct sup_input random_input(struct sup_test_chance *chance, struct sup_tree *tree)
{
    static const enum sup_input_type types[] = {SUP_IN_TICK,         SUP_IN_LAUNCHED,
                                                SUP_IN_LAUNCHED,     SUP_IN_LAUNCHED,
                                                SUP_IN_READY,        SUP_IN_ENDED,
                                                SUP_IN_ENDED,        SUP_IN_START_NODE,
                                                SUP_IN_STOP_NODE,    SUP_IN_RESTART_NODE,
                                                SUP_IN_LAUNCH_FAILED};
    struct sup_input input = {.type = types[sup_test_below(chance, 11)]};
    sup_token node = 0;
    for (size_t steps = 1 + sup_test_below(chance, 7); steps > 0; steps--)
        node = sup_tree_next(tree, node);
    struct sup_status status;
    if (node == 0 || !sup_tree_status(tree, node, 0, &status)) node = 0;
    input.node = node;
    input.instance = node != 0 ? status.instance : 0;
    input.request = sup_test_below(chance, 2) * 5;
    if (input.type == SUP_IN_ENDED) input.outcome.kind = SUP_END_EXIT;
    if (input.type == SUP_IN_ENDED) input.outcome.code = (int32_t) sup_test_below(chance, 3);
    if (input.type == SUP_IN_LAUNCH_FAILED)
        input.outcome = (struct sup_outcome){SUP_END_NO_LAUNCH, ENOENT};
    return input;
}

static void compare_trees(struct sup_tree *one, struct sup_tree *other)
{
    size_t one_size;
    size_t other_size;
    unsigned char *a = sup_tree_save(one, &one_size);
    unsigned char *b = sup_tree_save(other, &other_size);
    MUST(a != NULL && b != NULL);
    CHECK(one_size == other_size && memcmp(a, b, one_size) == 0);
    free(a);
    free(b);
}

/* The host dies after ${performed} more effects; the next one replays, and performs the rest. */
static void die_and_come_back(struct host *host, size_t performed)
{
    struct sup_effect effect;
    struct sup_err err = {0};
    int64_t now_ns;
    while (performed-- > 0 && sup_tree_next_effect(host->tree, &effect)) {
        note_effect(host, host->tree, &effect);
        sup_journal_confirm(host->memory, effect.seq);
    }
    uint64_t last_seq = host->last_seq;
    uint64_t sum = host->sum;
    while (sup_tree_next_effect(host->tree, &effect)) note_effect(host, host->tree, &effect);
    uint64_t wanted = host->sum;
    host->last_seq = last_seq;
    host->sum = sum;
    struct sup_tree *again =
        sup_journal_replay(host->memory, host->size, note_effect, host, &now_ns, &err);
    MUST(again != NULL);
    CHECK(host->sum == wanted); /* the same effects, each once */
    compare_trees(host->tree, again);
    sup_tree_destroy(host->tree);
    host->tree = again;
}

static void a_dead_host_comes_back_at_any_effect(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct sup_test_chance chance = {seed};
        struct host host = {.tree = new_tree()};
        int64_t now_ns = 0;
        begin_journal(&host);
        for (int step = 0; step < 400; step++) {
            sup_test_case("seed %d, step %d", (int) seed, step);
            struct sup_input input = {.type = SUP_IN_START, .text = "boot"};
            if (step > 0) input = random_input(&chance, host.tree);
            if (step == 390) input = (struct sup_input){.type = SUP_IN_STOP, .request = 9};
            now_ns += (int64_t) sup_test_below(&chance, 2) * (int64_t) sup_test_below(&chance, 3) *
                      SUP_SECOND_NS;
            MUST(sup_journal_append(host.memory, &input, now_ns));
            sup_tree_apply(host.tree, &input, now_ns);
            bool does_die = sup_test_below(&chance, 10) == 0;
            struct sup_effect effect;
            if (does_die) die_and_come_back(&host, sup_test_below(&chance, 4));
            while (!does_die && sup_tree_next_effect(host.tree, &effect)) {
                note_effect(&host, host.tree, &effect);
                sup_journal_confirm(host.memory, effect.seq);
            }
            if (does_die || sup_test_below(&chance, 50) == 0) begin_journal(&host);
        }
        CHECK(host.last_seq > 50);
        sup_tree_destroy(host.tree);
        free(host.memory);
    }
}

static void a_broken_record_ends_the_replay(void)
{
    struct host host = {.tree = new_tree()};
    struct sup_input input = {.type = SUP_IN_START};
    struct sup_err err = {0};
    int64_t now_ns;
    begin_journal(&host);
    const struct sup_journal_header *header = (const void *) host.memory;
    uint64_t start = header->tail;
    CHECK(sup_journal_append(host.memory, &input, 1));
    host.memory[start + 20] ^= 1;
    CHECK(sup_journal_replay(host.memory, host.size, NULL, NULL, &now_ns, &err) == NULL);
    CHECK_HAS(err.reason, "a record of it is broken");
    sup_tree_destroy(host.tree);
    free(host.memory);
}

TEST_MAIN(TEST(an_input_reads_back), TEST(a_long_text_is_cut_between_characters),
          TEST(cut_and_damaged_inputs_are_refused), TEST(records_read_back_in_order),
          TEST(an_empty_journal_is_whole), TEST(it_is_full_when_used_up_or_long),
          TEST(appending_stays_inside), TEST(every_truncation_is_refused),
          TEST(foreign_and_torn_journals_are_named), TEST(damaged_records_are_broken),
          TEST(a_dead_host_comes_back_at_any_effect), TEST(a_broken_record_ends_the_replay))
