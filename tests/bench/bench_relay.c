/* What it costs a relay to forward a packet: ours beside coturn (TURN allocations with channels),
 * on the same processor, by the same load, in the same run. A packet is 160 bytes of payload, as
 * media are. CPU is user and system time of the relay's process; what the kernel does on behalf of
 * the packets that it sends is in it, up to the peers' sockets, for both alike. */
#include "tests/bench/relay_load.h"

#include "relay/state.h"
#include "tests/program.h"
#include "wire/relay.h"
#include "wire/stun.h"

#include <poll.h>
#include <stdlib.h>

/* The least of some rounds, one subject's and the other's in turn: what else the machine does makes
 * a packet dearer, never cheaper. */
#define ROUNDS  3
#define SECONDS 1
#define WARM_UP (300 * PH_MS)

struct subject {
    const char *name;
    double framing; /* bytes before the payload in what it sends, on average */
    pid_t (*start)(struct load *l, size_t calls, int *out_fd);
};

static char folder[] = "/tmp/bench-relay-XXXXXX";

static void file_in(char out[64], const char *name)
{
    snprintf(out, 64, "%s/%s", folder, name);
}

static void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
        bench_die(path);
    }
    close(fd);
}

static void await_output(int fd, const char *text)
{
    char out[65536];
    size_t len = 0;

    out[0] = '\0';
    while (!strstr(out, text)) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        ssize_t n = poll(&pfd, 1, 10000) == 1 ? read(fd, out + len, sizeof(out) - 1 - len) : -1;

        if (n <= 0) {
            bench_die(len > 0 ? out : "the relay does not start");
        }
        len += (size_t)n;
        out[len] = '\0';
    }
}

/* Its calls are those that a process before it has left. */
static pid_t start_pinhole(struct load *l, size_t calls, int *out_fd)
{
    struct ph_state_head head = {.written_s = (uint64_t)time(NULL),
                                 .listen = {load_addr(LOAD_RELAY_IP, LOAD_PORT)},
                                 .listen_count = 1,
                                 .calls = (uint32_t)calls};
    uint8_t seed[PH_SEED_LEN] = {7};
    char seed_text[2 * PH_SEED_LEN + 2] = "07";
    char seed_file[64], state_file[64];
    size_t size = ph_state_size((uint32_t)calls), len;
    uint8_t *bytes = malloc(size);
    struct ph_writer w = ph_writer_init(bytes, size);
    struct ph_identity *id;
    pid_t pid;

    if (!bytes || ph_identity_new(seed, &id)) {
        bench_die("no memory");
    }
    memcpy(head.relay, ph_identity_fingerprint(id), sizeof(head.relay));
    ph_state_write_head(&w, &head);
    for (size_t i = 0; i < calls; i++) {
        struct ph_session_facts call = {.mode = PH_ANSWER_FULL};

        memcpy(call.call_id, &i, sizeof(i));
        for (size_t k = 0; k < 2; k++) {
            struct load_flow *f = &l->flow[2 * i + k];
            uint8_t header[PH_RELAY_FRAME_OVERHEAD];

            memcpy(call.leg[k].owner, &(size_t){2 * i + k + 1}, sizeof(size_t));
            call.leg[k].tag = (uint64_t)(2 * i + k + 1) * 0x9e3779b97f4a7c15u;
            call.leg[k].addr = load_addr(LOAD_PEERS_IP, f->port);
            ph_relay_frame_header(header, call.leg[k].tag);
            load_frame(f, LOAD_PORT, header, sizeof(header), PH_RELAY_FRAME_OVERHEAD);
        }
        ph_state_write_call(&w, &call);
    }
    len = ph_writer_len(&w);
    ph_state_mac(id, bytes, len, bytes + len);
    file_in(state_file, "state");
    file_in(seed_file, "seed");
    write_file(state_file, bytes, len + PH_STATE_MAC_LEN);
    memset(seed_text + 2, '0', sizeof(seed_text) - 4);
    seed_text[2 * PH_SEED_LEN] = '\n';
    write_file(seed_file, seed_text, 2 * PH_SEED_LEN + 1);
    free(bytes);
    ph_identity_free(id);
    pid = load_start(l,
                     (const char *[]){program_pinhole(), "relay", "--listen", LOAD_RELAY_IP ":3478",
                                      "--seed-file", seed_file, "--state", state_file, "--max-rate",
                                      "10000000", NULL},
                     out_fd);
    await_output(*out_fd, "goes on with");
    return pid;
}

/* A TURN request from a peer's own socket, and the answer to it. */
static void ask(const struct load_flow *f, struct ph_writer *w, struct ph_reader *answer,
                uint8_t *in, size_t cap)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(LOAD_PORT),
                             .sin_addr.s_addr = inet_addr(LOAD_RELAY_IP)};
    struct pollfd pfd = {.fd = f->fd, .events = POLLIN};
    size_t len = ph_writer_len(w);
    ssize_t n = -1;

    load_put16(w->start + 2, (unsigned)(len - 20));
    for (int attempt = 0; attempt < 50 && n < 20; attempt++) {
        (void)sendto(f->fd, w->start, len, 0, (struct sockaddr *)&to, sizeof(to));
        n = poll(&pfd, 1, 200) == 1 ? recv(f->fd, in, cap, 0) : -1;
    }
    /* A success response: class 0b10. */
    if (n < 20 || in[0] != 1 || in[1] != (w->start[1] & 0x0f)) {
        bench_die("coturn does not do as it is asked");
    }
    *answer = ph_reader_init(in + 20, (size_t)n - 20);
}

static struct ph_writer request(uint8_t *out, size_t cap, unsigned type, size_t number)
{
    struct ph_writer w = ph_writer_init(out, cap);

    ph_write_u16(&w, (uint16_t)type);
    ph_write_u16(&w, 0);
    ph_write_u32(&w, 0x2112a442);
    ph_write_u32(&w, type);
    ph_write_u64(&w, number);
    return w;
}

/* RFC 8656: an allocation, and a channel to the other end. Returns the port that it lends. */
static uint16_t allocate(const struct load_flow *a, const struct load_flow *b, size_t number,
                         uint16_t channel)
{
    uint8_t out[128], in[1024];
    struct ph_writer w = request(out, sizeof(out), 0x0003, number);
    struct ph_reader answer;
    uint16_t port = 0;

    ph_write_u16(&w, 0x0019); /* REQUESTED-TRANSPORT: UDP */
    ph_write_u16(&w, 4);
    ph_write_u32(&w, 17u << 24);
    ask(a, &w, &answer, in, sizeof(in));
    while (ph_reader_left(&answer) >= 4) {
        unsigned type = ph_read_u16(&answer), len = ph_read_u16(&answer);
        const uint8_t *value = ph_read_bytes(&answer, (len + 3) & ~3u);

        if (type == 0x0016 && value && len >= 8) { /* XOR-RELAYED-ADDRESS */
            port = (uint16_t)((value[2] << 8 | value[3]) ^ 0x2112);
        }
    }
    w = request(out, sizeof(out), 0x0009, number);
    ph_write_u16(&w, 0x000c); /* CHANNEL-NUMBER */
    ph_write_u16(&w, 4);
    ph_write_u16(&w, channel);
    ph_write_u16(&w, 0);
    ph_write_u16(&w, 0x0012); /* XOR-PEER-ADDRESS */
    ph_write_u16(&w, 8);
    ph_write_u16(&w, 1);
    ph_write_u16(&w, b->port ^ 0x2112);
    ph_write_u32(&w, ntohl(inet_addr(LOAD_PEERS_IP)) ^ 0x2112a442);
    ask(a, &w, &answer, in, sizeof(in));
    return port;
}

/* A call is an allocation of one peer, who sends channel data; the other sends to what it lends. */
static pid_t start_coturn(struct load *l, size_t calls, int *out_fd)
{
    char db[64], pid_file[64];
    pid_t pid;

    file_in(db, "db");
    file_in(pid_file, "pid");
    pid = load_start(
        l,
        (const char *[]){
            "turnserver",      "-n",       "-z",   "-L",        LOAD_RELAY_IP, "-E",
            LOAD_RELAY_IP,     "-p",       "3478", "--no-tls",  "--no-dtls",   "--no-tcp",
            "--no-tcp-relay",  "--no-cli", "-m",   "1",         "--log-file",  "/dev/null",
            "--no-stdout-log", "--userdb", db,     "--pidfile", pid_file,      NULL},
        out_fd);
    for (size_t i = 0; i < calls; i++) {
        struct load_flow *a = &l->flow[2 * i], *b = &l->flow[2 * i + 1];
        uint16_t channel = (uint16_t)(0x4000 + i);
        uint8_t header[4];
        uint16_t port = allocate(a, b, i, channel);

        load_put16(header, channel);
        load_put16(header + 2, LOAD_PAYLOAD);
        load_frame(a, LOAD_PORT, header, sizeof(header), sizeof(header));
        load_frame(b, port, NULL, 0, 0);
    }
    return pid;
}

static struct load load;

/* per_second 0: as fast as it goes. */
static struct load_result run(const struct subject *s, size_t calls, unsigned per_second,
                              unsigned flood)
{
    struct load_result r = {0}, warm = {0};
    struct load_flow stranger = {.port = 9999};
    uint8_t header[PH_RELAY_FRAME_OVERHEAD];
    int out_fd;
    pid_t pid;
    double cpu;
    struct load_wire wire;
    ph_ns start;

    load_calls(&load, calls, per_second > 0);
    pid = s->start(&load, calls, &out_fd);
    ph_relay_frame_header(header, 0x0123456789abcdef);
    load_frame(&stranger, LOAD_PORT, header, sizeof(header), 0);
    if (per_second) {
        load_pace(&load, load_now() + WARM_UP, per_second, flood, &stranger, &warm);
    } else {
        load_blast(&load, load_now() + WARM_UP, &warm);
    }
    load_delay_count = 0;
    cpu = load_cpu_of(pid);
    wire = load_wire();
    start = load_now();
    if (per_second) {
        load_pace(&load, start + SECONDS * PH_SEC, per_second, flood, &stranger, &r);
    } else {
        load_blast(&load, start + SECONDS * PH_SEC, &r);
    }
    r.seconds = (double)(load_now() - start) / (double)PH_SEC;
    r.cpu = load_cpu_of(pid) - cpu;
    r.forwarded = load_datagrams(wire, load_wire(), LOAD_PAYLOAD + s->framing);
    load_percentiles(&r);
    load_stop(pid, out_fd);
    return r;
}

static void print(const char *what, const char *who, const struct load_result *r)
{
    printf("%-30s %-8s %9.0f packets/s  %5.2f us each  %5.1f%% CPU", what, who,
           (double)r->forwarded / r->seconds, r->cpu / (double)r->forwarded * 1e6,
           100 * r->cpu / r->seconds);
    if (r->heard > 0) {
        printf("  delay p50 %6.3f p99 %6.3f ms  lost %.3f%%", ph_ns_to_ms(r->p50),
               ph_ns_to_ms(r->p99),
               r->sent > r->heard ? 100.0 * (double)(r->sent - r->heard) / (double)r->sent : 0.0);
    }
    printf("\n");
    fflush(stdout);
}

int main(void)
{
    static const struct {
        const char *what;
        size_t calls;
        unsigned per_second, flood;
        bool apart;
    } rows[] = {
        {"saturated, 1000 calls", 1000, 0, 0, false},
        {"the same, peers' kernel apart", 1000, 0, 0, true},
        {"saturated, 8 calls", 8, 0, 0, false},
        {"20,000/s, 200 calls", 200, 20000, 0, false},
        {"20,000/s and 100,000/s flood", 200, 20000, 100000, false},
        {"100,000/s, 1000 calls", 1000, 100000, 0, false},
    };
    static const struct subject subjects[] = {{"pinhole", PH_RELAY_FRAME_OVERHEAD, start_pinhole},
                                              {"coturn", 2, start_coturn}};
    char cleanup[128];

    if (access(program_pinhole(), X_OK) != 0) {
        printf("skipped: there is no %s\n", program_pinhole());
        return 0;
    }
    if (!mkdtemp(folder)) {
        bench_die(folder);
    }
    if (!load_open(&load)) {
        rmdir(folder);
        return 0;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct load_result best[2];
        double each[2];

        if (!load_steer(&load, rows[i].apart) && rows[i].apart) {
            printf("%-30s skipped: this machine does not steer packets\n", rows[i].what);
            continue;
        }
        for (size_t round = 0; round < 2 * ROUNDS; round++) {
            size_t k = round % 2;
            struct load_result r =
                run(&subjects[k], rows[i].calls, rows[i].per_second, rows[i].flood);

            if (round < 2 || r.cpu / (double)r.forwarded < each[k]) {
                best[k] = r;
                each[k] = r.cpu / (double)r.forwarded;
            }
        }
        print(rows[i].what, subjects[0].name, &best[0]);
        print(rows[i].what, subjects[1].name, &best[1]);
        printf("%-30s pinhole's CPU for a packet is %.2f x coturn's\n", "", each[0] / each[1]);
    }
    snprintf(cleanup, sizeof(cleanup), "rm -r '%s'", folder);
    return system(cleanup) == 0 ? 0 : 1;
}
