/* The prober's thread, with sockets of this process: what it finds out, and a storm of orders. */
#include "engine/prober.h"

#include "lib_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define PATIENCE_S 60

static sem_t bell;

static void wake(void *context)
{
    (void) context;
    sem_post(&bell);
}

static int64_t read_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SUP_SECOND_NS + now.tv_nsec;
}

/* A listening socket of 127.0.0.1, and its port as text. */
static int listen_somewhere(char port[16])
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(fd >= 0 && bind(fd, (struct sockaddr *) &name, sizeof name) == 0);
    MUST(listen(fd, 1024) == 0 && getsockname(fd, (struct sockaddr *) &name, &size) == 0);
    snprintf(port, 16, "%u", (unsigned) ntohs(name.sin_port));
    return fd;
}

static struct sup_probe_order order_of(enum sup_ready_kind kind, const char *text)
{
    return (struct sup_probe_order){
        .node = 7,
        .instance = 8,
        .ready = {.kind = kind, .text = text, .status_low = 200, .status_high = 399},
        .first_ns = read_clock(),
        .timeout_ns = 5 * SUP_SECOND_NS,
    };
}

/* The next news. */
static struct sup_probe_news await_news(struct sup_prober *prober)
{
    struct sup_probe_news news;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    while (!sup_prober_take(prober, &news)) MUST(sem_timedwait(&bell, &until) == 0);
    return news;
}

static struct sup_prober *create(void)
{
    struct sup_prober *prober;
    sem_init(&bell, 0, 0);
    MUST(sup_prober_create(&prober, wake, NULL) == 0);
    return prober;
}

static void what_listens_is_found(void)
{
    char port[16];
    int fd = listen_somewhere(port);
    struct sup_prober *prober = create();
    struct sup_probe_order order = order_of(SUP_READY_TCP, port);
    struct sup_probe *probe = sup_prober_open(prober, &order);
    struct sup_probe_news news = await_news(prober);
    CHECK(news.found && news.holds && !news.asks && news.node == 7 && news.instance == 8);
    sup_prober_close(prober, probe);
    sup_prober_close(prober, NULL);
    sup_prober_destroy(prober);
    sup_prober_destroy(NULL);
    close(fd);
}

static void who_asks_for_it_is_told_each_failure(void)
{
    char port[16];
    close(listen_somewhere(port));
    struct sup_prober *prober = create();
    struct sup_probe_order order = order_of(SUP_READY_TCP, port);
    order.repeats = true;
    order.every_ns = MS;
    struct sup_probe *probe = sup_prober_open(prober, &order);
    uint32_t last = 0;
    while (last < 3) {
        struct sup_probe_news news = await_news(prober);
        CHECK(!news.holds && news.failures > last);
        CHECK_TEXT(news.text, "connection refused");
        last = news.failures;
    }
    sup_prober_close(prober, probe);
    struct sup_probe_news news;
    CHECK(!sup_prober_take(prober, &news));
    sup_prober_destroy(prober);
}

/* The kernel takes the connection; nobody answers. */
static void who_does_not_answer_is_given_up(void)
{
    char port[16], url[64];
    int fd = listen_somewhere(port);
    struct sup_prober *prober = create();
    snprintf(url, sizeof url, "http://127.0.0.1:%s/x", port);
    struct sup_probe_order order = order_of(SUP_READY_HTTP, url);
    order.repeats = true;
    order.every_ns = MS;
    order.timeout_ns = 20 * MS;
    sup_prober_open(prober, &order);
    struct sup_probe_news news = await_news(prober);
    CHECK(!news.holds);
    CHECK_TEXT(news.text, "no answer within 20ms");
    sup_prober_destroy(prober);
    close(fd);
}

static void answer_with(int server, const char *answer)
{
    char request[512];
    int fd = accept(server, NULL, NULL);
    MUST(fd >= 0);
    ssize_t size = read(fd, request, sizeof request - 1);
    MUST(size > 0);
    request[size] = '\0';
    CHECK_HAS(request, "GET /health?x HTTP/1.1\r\nHost: 127.0.0.1:");
    for (const char *at = answer; *at != '\0'; at++) /* a byte at a time, as bad networks do */
        if (send(fd, at, 1, MSG_NOSIGNAL) < 0) break;
    close(fd);
}

static void answers_are_judged(void)
{
    static const struct {
        const char *answer, *text; /* NULL: it holds */
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n\r\n", NULL},
        {"HTTP/1.0 399 x\r\n\r\nbody", NULL},
        {"HTTP/1.1 400 x\r\n\r\n", "status 400"},
        {"HTTP/1.1 199 x\r\n\r\n", "status 199"},
        {"HTTP/2.0 200 x\r\n\r\n", "what answers does not speak HTTP"},
        {"SSH-2.0-OpenSSH_9.2\r\n", "what answers does not speak HTTP"},
        {"HTTP/1.1 2x0 x\r\n\r\n", "what answers does not speak HTTP"},
        {"HTTP/1.1 20", "the connection was closed without an answer"},
    };
    char port[16], url[64];
    int fd = listen_somewhere(port);
    struct sup_prober *prober = create();
    snprintf(url, sizeof url, "http://127.0.0.1:%s/health?x", port);
    struct sup_probe_order order = order_of(SUP_READY_HTTP, url);
    order.repeats = true;
    order.every_ns = MS;
    sup_prober_open(prober, &order);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sup_test_case("%s", cases[i].answer);
        answer_with(fd, cases[i].answer);
        struct sup_probe_news news = await_news(prober);
        CHECK(news.holds == (cases[i].text == NULL));
        CHECK_TEXT(news.text, cases[i].text == NULL ? "" : cases[i].text);
    }
    sup_test_case(NULL);
    sup_prober_destroy(prober);
    close(fd);
}

static void others_are_asked(void)
{
    struct sup_prober *prober = create();
    struct sup_probe_order order = order_of(SUP_READY_AT_LAUNCH, NULL);
    order.asks = order.repeats = true;
    order.every_ns = MS;
    struct sup_probe *probe = sup_prober_open(prober, &order);
    uint32_t asked = 0, found = 0;
    while (found < 10) {
        struct sup_probe_news news = await_news(prober);
        if (news.found) { /* of the question before */
            found++;
            CHECK(news.holds == (found % 5 == 0));
            CHECK_INT(news.failures, found % 5);
            CHECK_TEXT(news.text, news.holds ? "" : "a cold");
        }
        if (!news.asks) continue;
        CHECK_INT(asked, found);
        sup_prober_answer(prober, probe, ++asked % 5 == 0, "a cold");
        sup_prober_answer(prober, probe, true, "not asked");
    }
    sup_prober_destroy(prober);
}

/* Opened and closed at any moment, hundreds at a time, while the other thread looks. */
static void a_storm_of_orders(void)
{
    enum { PROBES = 200, ROUNDS = 5000 };
    struct sup_probe *probes[PROBES] = {NULL};
    struct sup_test_chance chance = {3};
    char good[16], bad[16];
    int fd = listen_somewhere(good);
    close(listen_somewhere(bad));
    struct sup_prober *prober = create();
    struct sup_probe_news news;
    size_t found = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t at = (size_t) sup_test_below(&chance, PROBES);
        sup_prober_close(prober, probes[at]);
        struct sup_probe_order order = order_of(SUP_READY_TCP, round % 2 == 0 ? good : bad);
        order.repeats = round % 3 == 0;
        order.asks = round % 7 == 0;
        order.every_ns = MS;
        order.first_ns += (int64_t) sup_test_below(&chance, 3) * MS;
        probes[at] = sup_prober_open(prober, &order);
        MUST(probes[at] != NULL);
        while (sup_prober_take(prober, &news)) found += news.found;
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        while (poll(&waiting, 1, 0) == 1) close(accept(fd, NULL, NULL));
    }
    while (found == 0) found += await_news(prober).found;
    sup_prober_destroy(prober);
    close(fd);
}

TEST_MAIN(TEST(what_listens_is_found), TEST(who_asks_for_it_is_told_each_failure),
          TEST(who_does_not_answer_is_given_up), TEST(answers_are_judged), TEST(others_are_asked),
          TEST(a_storm_of_orders))
