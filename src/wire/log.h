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
    /* node; mode: the generation of its instance that ended, 0: unknown. A last line that has no
       newline is shown; what is in the pipe now is the last of that run */
    SUP_LOG_ENDED,
    SUP_LOG_GONE, /* node: drain what is there, then close */
    SUP_LOG_QUIT, /* drain everything that is there, write it out, exit 0 */
};

struct sup_log_wire {
    uint16_t version; /* SUP_LOG_WIRE_VERSION */
    uint16_t type;
    /* enum sup_plan_log; SUP_LOG_EVENTS for the --events stream: file only, no ring, no view.
       Of ENDED: a generation */
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
#define SUP_RING_BYTES UINT32_C(65536)          /* of a ring that lies in its slot */
#define SUP_RING_MAX_BYTES (UINT32_C(16) << 20) /* of one that lies in the area behind */
#define SUP_RING_SLICE UINT32_C(4096)           /* every size is a multiple of it */

/*
** Slot i starts at i * sizeof(struct sup_ring). A ring of more than SUP_RING_BYTES lies at
** SUP_RINGS_AREA + i * SUP_RING_MAX_BYTES instead of in `bytes`. wire/rings.h reads them.
**
** The writer stores `writing`, then bytes, then `head`, a slice at a time; a reader that copies and
** then leaves out what is older than (writing seen after copying) - size never takes a byte that
** was being overwritten.
*/
struct sup_ring {
    uint32_t serial;   /* of the node that owns the slot; a new owner starts at head 0 */
    uint32_t change;   /* odd while owner, size or place are being changed; then one more */
    uint64_t head;     /* bytes ever written; byte k is at k % size. Stored with release */
    uint64_t writing;  /* bytes up to here may be under way */
    uint64_t base;     /* older bytes went with a change of size */
    uint32_t size;     /* 0: SUP_RING_BYTES */
    uint32_t run;      /* generation of the last instance whose output is here whole; 0: none */
    uint64_t run_from; /* ... and which bytes that is: run_from to run_end */
    uint64_t run_end;
    uint8_t pad[64 - 56]; /* few services say much: header and first bytes share a page */
    uint8_t bytes[SUP_RING_BYTES];
};

#define SUP_RINGS_AREA \
    (((uint64_t) SUP_RING_SLOTS * sizeof(struct sup_ring) / SUP_RING_MAX_BYTES + 1) * \
     SUP_RING_MAX_BYTES)
#define SUP_RINGS_END (SUP_RINGS_AREA + (uint64_t) SUP_RING_SLOTS * SUP_RING_MAX_BYTES)

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
