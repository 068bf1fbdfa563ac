/*
** wire/log.h: what the keeper tells suptree-log, and the ring of last output (FROZEN FORM, version
** 1).
**
** A SOCK_SEQPACKET pair, keeper to log process. One struct sup_log_wire a message; SOURCE carries
** the read end of the node's pipe and, for a file, the node's names are in the text part. The
** keeper keeps a copy of every read end, so that a new suptree-log is told everything again and no
** byte is lost.
**
** Rings: one memfd held by the keeper, shared with every suptree-log and, read-only, with the host
** (verb `logs`). Slot i belongs to the node with index i; slot SUP_RING_HOST to the host's own
** lines. Only suptree-log writes. Pages of silent services are never touched.
*/
#ifndef SUP_WIRE_LOG_H
#define SUP_WIRE_LOG_H

#include <stdint.h>

#define SUP_LOG_WIRE_VERSION 1

enum sup_log_wire_type {
    /* node, mode, fd: a pipe to drain; again for a known node: its settings changed (fd absent).
       text: name '\0' file '\0' (file is empty unless mode is SUP_LOG_FILE) */
    SUP_LOG_SOURCE = 1,
    SUP_LOG_ENDED, /* node: its instance ended: show a last line that has no newline */
    SUP_LOG_GONE,  /* node: drain what is there, then close */
    SUP_LOG_QUIT,  /* drain everything that is there, write it out, exit 0 */
};

struct sup_log_wire {
    uint16_t version; /* SUP_LOG_WIRE_VERSION */
    uint16_t type;
    /* enum sup_plan_log; SUP_LOG_EVENTS for the --events stream: file only, no ring, no view */
    uint32_t mode;
    /* token; index SUP_RING_HOST: the host's own lines; SUP_RING_EVENTS: --events */
    uint64_t node;
    uint32_t text_size;
    uint32_t reserved;
    /* followed by text_size bytes, at most SUP_LOG_TEXT_MAX */
};

#define SUP_LOG_TEXT_MAX 8192
#define SUP_LOG_EVENTS 16 /* a mode: file only */

#define SUP_RING_HOST UINT32_C(65536)
#define SUP_RING_EVENTS UINT32_C(65537)
#define SUP_RING_SLOTS UINT32_C(65537)
#define SUP_RING_BYTES UINT32_C(65536)

/*
** Slot i starts at i * sizeof(struct sup_ring). A reader that copies, looks at head again and
** leaves out what is older than (head seen after copying) - SUP_RING_BYTES + 4096 never takes a
** byte that was being overwritten: the writer stores head at least every 4,096 bytes.
*/
struct sup_ring {
    uint32_t serial; /* of the node that owns the slot; a new owner starts at head 0 */
    uint32_t reserved;
    /* bytes ever written; the last min(head, SUP_RING_BYTES) are in `bytes`, byte k at k %
       SUP_RING_BYTES. Stored with release after the bytes */
    uint64_t head;
    uint8_t pad[64 - 16]; /* few services say much: header and first bytes share a page */
    uint8_t bytes[SUP_RING_BYTES];
};

/*
** Send one message. ${message} needs type, mode and node; version and text_size are filled in.
** ${name} and ${file} are for SOURCE (NULL: empty), NULL for the others; ${fd} < 0: none; it stays
** the caller's. Never blocks, never allocates. Returns 0, -EAGAIN (try when writable), -EPIPE (peer
** gone), -ENAMETOOLONG (the texts do not fit SUP_LOG_TEXT_MAX) or -errno.
*/
int sup_log_wire_send(int socket, const struct sup_log_wire *message, const char *name,
                      const char *file, int fd);

/*
** Receive one message. ${text} has room for SUP_LOG_TEXT_MAX bytes; of a SOURCE it then holds name
** and file, both terminated. A descriptor that came with it is put into ${fd} (close-on-exec), else
** -1. Never blocks. Returns 1 (got one), 0 (end: everything the peer said has been read), -EAGAIN
** (nothing now), -EPROTO (foreign version, size or text: drop the peer), -EMFILE (the descriptor
** was lost for lack of room; the message is valid), or -errno.
*/
int sup_log_wire_receive(int socket, struct sup_log_wire *message, char *text, int *fd);

#endif
