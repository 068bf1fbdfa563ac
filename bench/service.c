/*
** bench/service.c: the service that is measured: service INDEX [exit].
** The first thing it does is to read the clock; the stamp goes into the FIFO that BENCH_STAMPS
** names. Then it waits for a signal, or ends at once. Linked statically, so that its own start is
** short.
*/
#include "stamp.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const char *path = getenv(BENCH_STAMPS);
    if (argc < 2 || path == NULL) return 2;
    struct bench_stamp stamp = {
        .ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec,
        .pid = getpid(),
        .index = atoi(argv[1]),
    };
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, &stamp, sizeof stamp) != (ssize_t) sizeof stamp) return 3;
    if (argc > 2 && strcmp(argv[2], "exit") == 0) return 0;
    pause();
    return 0;
}
