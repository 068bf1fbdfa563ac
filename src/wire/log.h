/*
** wire/log.h: what the keeper tells suptree-log, and the ring of last output (FROZEN FORM, version
** 3).
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

#define SUP_LOG_WIRE_VERSION 3

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

enum sup_log_stamps { SUP_STAMPS_NONE, SUP_STAMPS_ISO8601, SUP_STAMPS_TAI64N, SUP_STAMPS_COUNT };
enum sup_log_format { SUP_FORMAT_RAW, SUP_FORMAT_JSON, SUP_FORMAT_COUNT };

#define SUP_LOG_GROUPS 32

/*
** How the output of a node is kept. All zero: as it comes, for ever, and a ring of the usual size.
** uid, gid and groups say who the node's process runs as: he must not be able to write into the
** folder of the file. uid 0, or our own: there is nothing to check.
*/
struct sup_log_settings {
    uint64_t max_size;  /* of the file in bytes, before another one is begun; 0: no limit */
    int64_t max_age_ns; /* of the file, before another one is begun; 0: no limit */
    uint32_t max_files; /* old files that are kept beside it */
    uint32_t buffer;    /* bytes of the ring; 0: SUP_RING_BYTES */
    uint16_t stamps;    /* enum sup_log_stamps: before each line of the file */
    uint16_t format;    /* enum sup_log_format: of the file */
    uint32_t uid, gid;
    uint32_t group_count; /* more than SUP_LOG_GROUPS: the first ones, and who knows */
    uint32_t groups[SUP_LOG_GROUPS];
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
    uint32_t left; /* of ENDED: how much was in the pipe when it ended, and 1; 0: unknown */
    struct sup_log_settings settings; /* of SOURCE */
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

#define SUP_RING_SPANS 24
#define SUP_RING_SPAN_NS INT64_C(1000000000) /* what comes later than that begins a span */

/* Bytes from `from` up to the next span were written between these times (CLOCK_REALTIME). */
struct sup_ring_span {
    uint64_t from;
    int64_t first_ns, last_ns;
};

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
    /* oldest first; when there is no room for another one, neighbours become one. */
    uint32_t span_change; /* odd while spans are being changed; then one more */
    uint32_t span_count;
    struct sup_ring_span spans[SUP_RING_SPANS];
    /* few services say much: header and first bytes share a page */
    uint8_t bytes[SUP_RING_BYTES];
};

#define SUP_RINGS_AREA \
    (((uint64_t) SUP_RING_SLOTS * sizeof(struct sup_ring) / SUP_RING_MAX_BYTES + 1) * \
     SUP_RING_MAX_BYTES)
/* Behind the slots: what suptree-log has under way, for the next one (log/notes.h). */
#define SUP_RINGS_NOTES ((uint64_t) SUP_RING_SLOTS * sizeof(struct sup_ring))
#define SUP_RINGS_NOTES_BYTES 4096
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
