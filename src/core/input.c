/*
** core/input.c: an input as bytes (FROZEN FORM, with the journal): a head, the text with its NUL if
** there is one, the blob. Host-endian; reads hostile bytes.
*/
#include "core/tree.h"

#include <string.h>

struct head {
    uint8_t type;
    uint8_t wait;
    uint8_t flag;
    uint8_t outcome;
    int32_t code;
    uint64_t node;
    uint64_t instance;
    uint64_t request;
    int64_t wait_ns;
    uint64_t blob_size;
    uint32_t text_size; /* with NUL; 0: no text */
    uint32_t zero;
};

_Static_assert(sizeof(struct head) == 56, "frozen form");
_Static_assert(SUP_IN_END <= UINT8_MAX && SUP_END_COUNT <= UINT8_MAX, "they fit in u8");

/* The bytes of ${text} that are kept, never half a UTF-8 character. */
static size_t measure_text(const char *text)
{
    size_t length = strnlen(text, SUP_TEXT_MAX + 1);
    if (length <= SUP_TEXT_MAX) return length;
    length = SUP_TEXT_MAX;
    while (length > 0 && ((unsigned char) text[length] & 0xC0) == 0x80) length--;
    return length;
}

size_t sup_input_write(const struct sup_input *input, void *out, size_t room)
{
    size_t text_length = input->text == NULL ? 0 : measure_text(input->text);
    size_t blob_size = input->blob == NULL ? 0 : input->blob_size;
    struct head head = {
        .type = (uint8_t) input->type,
        .wait = input->wait,
        .flag = input->flag,
        .outcome = (uint8_t) input->outcome.kind,
        .code = input->outcome.code,
        .node = input->node,
        .instance = input->instance,
        .request = input->request,
        .wait_ns = input->wait_ns,
        .blob_size = blob_size,
        .text_size = input->text == NULL ? 0 : (uint32_t) text_length + 1,
    };
    if (input->type == SUP_IN_ENDED) {
        head.request = input->memory_peak;
        head.wait_ns = input->cpu_ns;
    }
    size_t need = sizeof head + head.text_size + blob_size;
    if (need > room) return need;
    unsigned char *at = out;
    memcpy(at, &head, sizeof head);
    at += sizeof head;
    if (head.text_size > 0) {
        memcpy(at, input->text, text_length);
        at[text_length] = '\0';
        at += head.text_size;
    }
    if (blob_size > 0) memcpy(at, input->blob, blob_size);
    return need;
}

static bool is_sound(const struct head *head, size_t size)
{
    if (head->type < SUP_IN_TICK || head->type >= SUP_IN_END) return false;
    if (head->wait > 1 || head->flag > 1 || head->outcome >= SUP_END_COUNT) return false;
    if (head->wait_ns < 0 || head->zero != 0 || head->text_size > SUP_TEXT_MAX + 1) return false;
    size_t rest = size - sizeof *head;
    return head->text_size <= rest && head->blob_size == rest - head->text_size;
}

bool sup_input_read(struct sup_input *input, const void *data, size_t size)
{
    struct head head;
    if (size < sizeof head) return false;
    memcpy(&head, data, sizeof head);
    if (!is_sound(&head, size)) return false;
    const char *text = (const char *) data + sizeof head;
    const char *blob = text + head.text_size;
    if (head.text_size > 0 && memchr(text, 0, head.text_size) != blob - 1) return false;
    *input = (struct sup_input){
        .type = (enum sup_input_type) head.type,
        .node = head.node,
        .instance = head.instance,
        .request = head.request,
        .wait = head.wait == 1,
        .flag = head.flag == 1,
        .wait_ns = head.wait_ns,
        .outcome = {(enum sup_outcome_kind) head.outcome, head.code},
        .text = head.text_size > 0 ? text : NULL,
        .blob = head.blob_size > 0 ? blob : NULL,
        .blob_size = head.blob_size,
    };
    if (input->type == SUP_IN_ENDED) {
        input->request = 0;
        input->wait_ns = 0;
        input->cpu_ns = head.wait_ns;
        input->memory_peak = head.request;
    }
    return true;
}
