/*
** spec/c/wire_test.c: messages between host and keeper, descriptors, and peers that are foreign or
** gone.
*/
#include "lib_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void make_pair(int ends[2])
{
    MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
}

static struct sup_wire make_message(uint64_t instance)
{
    return (struct sup_wire){.version = SUP_WIRE_VERSION,
                             .type = SUP_WIRE_EXIT,
                             .generation = 3,
                             .node = UINT64_C(5) << 32 | 7,
                             .instance = instance,
                             .seq = UINT64_MAX,
                             .time_ns = INT64_MIN,
                             .a = -1,
                             .b = INT32_MAX};
}

static void carries_every_member(void)
{
    int ends[2], fd;
    make_pair(ends);
    struct sup_wire sent = make_message(9), got;
    MUST_EQUAL(sup_wire_send(ends[0], &sent, -1), 0);
    MUST_EQUAL(sup_wire_receive(ends[1], &got, &fd), 1);
    MUST(memcmp(&sent, &got, sizeof got) == 0);
    MUST_EQUAL(fd, -1);
    MUST_EQUAL(sup_wire_receive(ends[1], &got, &fd), -EAGAIN);
}

static void carries_a_descriptor(void)
{
    int ends[2], pipe_ends[2], fd;
    struct stat sent, arrived;
    make_pair(ends);
    MUST(pipe(pipe_ends) == 0);
    struct sup_wire message = make_message(1);
    MUST_EQUAL(sup_wire_send(ends[0], &message, pipe_ends[1]), 0);
    MUST(fcntl(pipe_ends[1], F_GETFD) >= 0);
    MUST_EQUAL(sup_wire_receive(ends[1], &message, &fd), 1);
    MUST(fd >= 0 && fstat(pipe_ends[1], &sent) == 0 && fstat(fd, &arrived) == 0);
    MUST_EQUAL(sent.st_ino, arrived.st_ino);
    MUST(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void says_when_the_socket_is_full(void)
{
    int ends[2], fd, sent = 0, got = 0;
    make_pair(ends);
    struct sup_wire message = make_message(1);
    int r;
    while ((r = sup_wire_send(ends[0], &message, -1)) == 0) sent++;
    MUST_EQUAL(r, -EAGAIN);
    while (sup_wire_receive(ends[1], &message, &fd) == 1) got++;
    MUST_EQUAL(got, sent);
    MUST_EQUAL(sup_wire_send(ends[0], &message, -1), 0);
}

/* A peer that dies with unread messages makes recv say ECONNRESET before what it had queued. */
static void reads_on_after_a_reset(void)
{
    int ends[2], fd;
    make_pair(ends);
    struct sup_wire message = make_message(1);
    MUST_EQUAL(sup_wire_send(ends[1], &message, -1), 0); /* never read by the peer */
    for (uint64_t i = 1; i <= 3; i++) {
        message = make_message(i);
        MUST_EQUAL(sup_wire_send(ends[0], &message, -1), 0);
    }
    close(ends[0]);
    for (uint64_t i = 1; i <= 3; i++) {
        MUST_EQUAL(sup_wire_receive(ends[1], &message, &fd), 1);
        MUST_EQUAL(message.instance, i);
    }
    MUST_EQUAL(sup_wire_receive(ends[1], &message, &fd), 0);
    MUST_EQUAL(sup_wire_send(ends[1], &message, -1), -EPIPE);
}

static void refuses_what_is_foreign(void)
{
    int ends[2], fd;
    char big[100] = {0};
    make_pair(ends);
    struct sup_wire message = make_message(1), got;
    message.version = SUP_WIRE_VERSION + 1;
    MUST_EQUAL(sup_wire_send(ends[0], &message, 0), 0);
    MUST_EQUAL(sup_wire_receive(ends[1], &got, &fd), -EPROTO);
    MUST_EQUAL(fd, -1);
    message = make_message(1);
    MUST(send(ends[0], &message, sizeof message - 1, 0) > 0);
    MUST_EQUAL(sup_wire_receive(ends[1], &got, &fd), -EPROTO);
    memcpy(big, &message, sizeof message);
    MUST(send(ends[0], big, sizeof big, 0) > 0);
    MUST_EQUAL(sup_wire_receive(ends[1], &got, &fd), -EPROTO);
}

static size_t count_open(void)
{
    return stage_count_descriptors(getpid());
}

static void keeps_no_second_descriptor(void)
{
    int ends[2], fd;
    make_pair(ends);
    struct sup_wire message = make_message(1);
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(3 * sizeof(int))];
    } room = {0};
    struct iovec part = {&message, sizeof message};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = room.bytes,
                            .msg_controllen = sizeof room.bytes};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    const int three[3] = {0, 1, 2};
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof three);
    memcpy(CMSG_DATA(rights), three, sizeof three);
    MUST(sendmsg(ends[0], &header, 0) > 0);
    size_t before = count_open();
    MUST_EQUAL(sup_wire_receive(ends[1], &message, &fd), -EPROTO);
    MUST_EQUAL(count_open(), before);
}

static void says_when_a_descriptor_was_lost(void)
{
    int ends[2], fd;
    make_pair(ends);
    struct sup_wire message = make_message(4);
    MUST_EQUAL(sup_wire_send(ends[0], &message, 0), 0);
    int lowest = dup(0);
    close(lowest);
    struct rlimit limit = {(rlim_t) lowest, (rlim_t) lowest};
    MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    MUST_EQUAL(sup_wire_receive(ends[1], &message, &fd), -EMFILE);
    MUST_EQUAL(fd, -1);
    MUST_EQUAL(message.instance, 4);
}

static void names_every_step(void)
{
    for (int i = 1; i < SUP_STEP_COUNT; i++)
        MUST(strcmp(sup_wire_step_text(i), "unknown step") != 0);
    MUST(strcmp(sup_wire_step_text(SUP_STEP_CWD), "chdir") == 0);
    MUST(strcmp(sup_wire_step_text(SUP_STEP_EXEC), "exec") == 0);
    MUST(strcmp(sup_wire_step_text(0), "unknown step") == 0);
    MUST(strcmp(sup_wire_step_text(-1), "unknown step") == 0);
    MUST(strcmp(sup_wire_step_text(SUP_STEP_COUNT), "unknown step") == 0);
}

int main(int argc, char **argv)
{
    static const struct stage_case cases[] = {
        {"carries_every_member", carries_every_member},
        {"carries_a_descriptor", carries_a_descriptor},
        {"says_when_the_socket_is_full", says_when_the_socket_is_full},
        {"reads_on_after_a_reset", reads_on_after_a_reset},
        {"refuses_what_is_foreign", refuses_what_is_foreign},
        {"keeps_no_second_descriptor", keeps_no_second_descriptor},
        {"says_when_a_descriptor_was_lost", says_when_a_descriptor_was_lost},
        {"names_every_step", names_every_step},
    };
    return stage_main(argc, argv, cases, sizeof cases / sizeof cases[0], NULL);
}
