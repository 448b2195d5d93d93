/* How exact the shaper is: the time that frames took through it, less the link's delay. */
#include "tests/lab_shaper/wires.h"

#include <stdlib.h>
#include <sys/resource.h>

#define PER_SECOND 200
#define SECONDS    3
#define NOTES_MAX  (WIRES_MAX * PER_SECOND * SECONDS)

static ph_ns errors[NOTES_MAX];

static ph_ns wall(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (ph_ns)ts.tv_sec * PH_SEC + (ph_ns)ts.tv_nsec;
}

/* The kernel's stamp at side 1, by the monotonic clock; 0: nothing there. */
static ph_ns take(const struct wires *w, struct wires_note *note)
{
    uint8_t frame[1514];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct iovec iov = {.iov_base = frame, .iov_len = sizeof(frame)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    const struct cmsghdr *c;
    struct timespec ts;

    if (recvmsg(w->sock[1], &msg, MSG_DONTWAIT) < (ssize_t)(14 + sizeof(*note)) ||
        (c = CMSG_FIRSTHDR(&msg)) == NULL) {
        return 0;
    }
    memcpy(note, frame + 14, sizeof(*note));
    memcpy(&ts, CMSG_DATA(c), sizeof(ts));
    return wires_now() - (wall() - ((ph_ns)ts.tv_sec * PH_SEC + (ph_ns)ts.tv_nsec));
}

static int by_size(const void *a, const void *b)
{
    ph_ns x = *(const ph_ns *)a, y = *(const ph_ns *)b;

    return x < y ? -1 : x > y;
}

static double cpu_of_children(void)
{
    struct rusage u;

    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int measure(size_t links, ph_ns delay)
{
    struct link_params params = {.up = {.delay_ns = delay}};
    struct lab_error err = {0};
    size_t total = links * PER_SECOND * SECONDS, sent = 0, got = 0;
    uint64_t worst = 0, packets = 0;
    static const int one = 1;
    struct wires w;
    double cpu = cpu_of_children(), sum = 0;
    ph_ns start;

    if (wires_open(&w, links, &err) != 0 || wires_set(&w, params, 1, &err) != 0 ||
        shaper_world_reset(w.shaper, 1, 1, &err) != 0) {
        wires_close(&w);
        printf("bench_shaper: %s\n", err.text);
        return 1;
    }
    (void)setsockopt(w.sock[1], SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one));
    start = wires_now() + 10 * PH_MS;
    while (got < total && wires_now() < start + (SECONDS + 2) * PH_SEC) {
        struct pollfd p = {.fd = w.sock[1], .events = POLLIN};
        ph_ns due = start + sent * PH_SEC / (links * PER_SECOND), now = wires_now();
        struct timespec wait = {.tv_nsec = 50000000};
        struct wires_note note;
        ph_ns arrived;

        if (sent < total && now >= due) {
            (void)wires_send(&w, 0, sent % links, 0, (uint32_t)sent, 200, false);
            sent++;
        } else {
            if (sent < total && due - now < 50 * PH_MS) {
                wait.tv_nsec = (long)(due - now);
            }
            (void)ppoll(&p, 1, &wait, NULL);
        }
        while ((arrived = take(&w, &note)) != 0) {
            ph_ns took = arrived - note.sent;

            errors[got] = took > delay ? took - delay : 0;
            sum += (double)errors[got++];
        }
    }
    (void)shaper_world_stats(w.shaper, 1, &worst, &packets, NULL);
    wires_close(&w);
    qsort(errors, got, sizeof(errors[0]), by_size);
    if (got == 0) {
        printf("bench_shaper: nothing came through\n");
        return 1;
    }
    printf("%3zu links x %d/s, %2.0f ms: %zu of %zu, error mean %.3f ms, p50 %.3f, p99 %.3f, "
           "worst %.3f; the shaper's own worst %.3f; its CPU %.1f%%\n",
           links, PER_SECOND, ph_ns_to_ms(delay), got, total, sum / (double)got / 1e6,
           ph_ns_to_ms(errors[got / 2]), ph_ns_to_ms(errors[got * 99 / 100]),
           ph_ns_to_ms(errors[got - 1]), ph_ns_to_ms(worst),
           (cpu_of_children() - cpu) / SECONDS * 100);
    return 0;
}

int main(void)
{
    if (!wires_possible()) {
        return 4;
    }
    return measure(1, 20 * PH_MS) || measure(1, 80 * PH_MS) || measure(16, 20 * PH_MS) ||
           measure(16, 80 * PH_MS) || measure(100, 20 * PH_MS);
}
