/* The mapper between an endpoint that changes its mind, a router that changes its manners, and
 * datagrams and HTTP answers of any bytes. Whatever comes, it is never busy with nothing, gives up
 * in time, and leaves neither request nor socket open (tests/portmap/fake_host.h looks). */
#include "tests/portmap/fake_igd.h"

#define OPS 48

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *p;
    size_t left;
};

static uint8_t take(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}

static struct input take_bytes(struct input *in)
{
    size_t n = take(in);
    struct input out = {in->p, n < in->left ? n : in->left};
    in->p += out.left;
    in->left -= out.left;
    return out;
}

static void turn_router(struct igd *g, uint8_t how, uint8_t value)
{
    static const int errors[] = {0, 402, 501, 606, 714, 718, 724, 725, 401, -1};
    int error = errors[value % 10];
    switch (how % 12) {
    case 0:
        g->router.pcp = value & 1;
        g->router.natpmp = value & 2;
        g->router.natpmp_refuses_pcp = value & 4;
        break;
    case 1:
        g->on = value & 1;
        g->silent = value & 2;
        g->version = 1 + (value & 4) / 4;
        break;
    case 2:
        g->finite_error = error;
        break;
    case 3:
        g->permanent_error = error;
        break;
    case 4:
        g->any_error = error;
        break;
    case 5:
        g->add_error = error < 0 ? 0 : error;
        break;
    case 6:
        g->http_port = (uint16_t)(IGD_HTTP_PORT + value % 2);
        break;
    case 7:
        g->router.pcp_result = value % 16;
        break;
    case 8:
        g->router.natpmp_result = value % 8;
        break;
    case 9:
        memset(g->router.table, 0, sizeof(g->router.table));
        break;
    case 10:
        g->router.address.ip[3] = value;
        break;
    default:
        g->http_delay = value * 10 * PH_MS;
        g->router.rtt = value * PH_MS;
        break;
    }
}

static void answer_http(struct fake_host *f, uint8_t status, const struct input *body)
{
    for (size_t i = 0; i < f->http_count; i++) {
        if (f->http[i].open) {
            fake_deliver_http(f, (ph_http)(i + 1), status & 1 ? PH_ERR_PROTO : PH_OK,
                              status & 2 ? 500 : 200, body->p, body->left);
            return;
        }
    }
}

/* The answer to the last PCP request, with some of its bytes changed. */
static void answer_pcp(struct fake_host *f, const struct input *change)
{
    struct ph_addr gateway = fake_port(FAKE_GATEWAY, 5351);
    uint8_t a[60] = {0};
    for (size_t i = f->sent_count; i > 0; i--) {
        if (f->sent[i - 1].len == 60 && f->sent[i - 1].to.port == 5351) {
            memcpy(a, f->sent[i - 1].data, sizeof(a));
            break;
        }
    }
    a[1] |= 0x80;
    memset(a + 8, 0, 16);
    for (size_t i = 0; i + 1 < change->left; i += 2)
        a[change->p[i] % 60] = change->p[i + 1];
    fake_deliver(f, 1, &gateway, a, sizeof(a));
}

static void one(struct fake_host *f, struct input *in)
{
    struct ph_addr gateway = fake_port(FAKE_GATEWAY, 5351), anybody = fake_port(FAKE_LOCAL, 1900);
    struct input bytes;
    uint8_t op = take(in), value;
    switch (op % 12) {
    case 0:
        ph_mapper_acquire(f->mapper, f->now);
        break;
    case 1:
        ph_mapper_release(f->mapper, f->now);
        break;
    case 2:
        ph_mapper_discover(f->mapper, f->now);
        break;
    case 3:
        f->gateways[0].local.ip[3] = take(in);
        ph_mapper_on_network(f->mapper, f->now);
        break;
    case 4:
        bytes = take_bytes(in);
        fake_deliver(f, 1, &gateway, bytes.p, bytes.left);
        break;
    case 5:
        bytes = take_bytes(in);
        for (ph_sock s = 2; s < FAKE_SOCKS; s++) {
            if (ph_addr_is_set(&f->socks[s]))
                fake_deliver(f, s, &anybody, bytes.p, bytes.left);
        }
        break;
    case 6:
        value = take(in);
        bytes = take_bytes(in);
        answer_http(f, value, &bytes);
        break;
    case 7:
        bytes = take_bytes(in);
        answer_pcp(f, &bytes);
        break;
    case 8:
        value = take(in);
        turn_router(f->router, value, take(in));
        break;
    case 9:
        fake_run(f, take(in) * 250 * PH_MS);
        break;
    default:
        fake_run(f, take(in) * PH_MS);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct fake_host *f = fake_new();
    struct igd g;
    igd_init(f, &g);
    fake_mapper(f, 0);
    for (unsigned i = 0; i < OPS && in.left > 0; i++) {
        if (f->event_count > FAKE_EVENTS / 2) /* the fake has a place for so many */
            fake_run(f, 3 * PH_SEC);
        one(f, &in);
        if (f->sent_count > FAKE_SENT / 2)
            f->sent_count = 0;
    }
    ph_mapper_release(f->mapper, f->now);
    fake_until(f, PH_MAPPER_IDLE, PH_PORTMAP_RELEASE_MAX);
    fake_free(f);
    return 0;
}
