#include "lab/net/shaper_ring.h"

#include "lab/net/shaper.h"

#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* The kernel puts a header and an address before each frame. A power of two, so that slots fill
 * their blocks and follow each other without gaps. */
#define SLOT_BYTES  4096u
#define SLOTS       4096u
#define BLOCK_BYTES (64u << 10)
#define ADDRESS_AT  ((size_t)TPACKET_ALIGN((int)sizeof(struct tpacket2_hdr)))
#define RING_BYTES  ((size_t)SLOT_BYTES * SLOTS)

_Static_assert(SLOT_BYTES >= SHAPER_FRAME_MAX + 128, "a slot takes the longest frame");
_Static_assert(RING_BYTES % BLOCK_BYTES == 0 && BLOCK_BYTES % SLOT_BYTES == 0, "no gaps");

static struct tpacket2_hdr *slot(const struct shaper_ring *r, size_t i)
{
    return (struct tpacket2_hdr *)(void *)(r->mem + i % SLOTS * SLOT_BYTES);
}

int shaper_ring_open(struct shaper_ring *r, int sock, struct lab_error *err)
{
    /* One frame in each slot: those of version 3 wait for a block to fill. */
    static const int version = TPACKET_V2, stamps = SOF_TIMESTAMPING_SOFTWARE;
    static const struct tpacket_req req = {.tp_block_size = BLOCK_BYTES,
                                           .tp_block_nr = RING_BYTES / BLOCK_BYTES,
                                           .tp_frame_size = SLOT_BYTES,
                                           .tp_frame_nr = SLOTS};
    void *mem;

    if (setsockopt(sock, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0 ||
        setsockopt(sock, SOL_PACKET, PACKET_TIMESTAMP, &stamps, sizeof(stamps)) != 0 ||
        setsockopt(sock, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) != 0) {
        return lab_fail_errno(err, LAB_CANNOT,
                              "the kernel gives the shaper no ring of %zu MiB to receive through",
                              RING_BYTES >> 20);
    }
    mem = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, sock, 0);
    if (mem == MAP_FAILED) {
        return lab_fail_errno(err, LAB_CANNOT, "cannot map the ring that the shaper receives in");
    }
    *r = (struct shaper_ring){.mem = mem};
    return 0;
}

size_t shaper_ring_ready(const struct shaper_ring *r, size_t most)
{
    size_t n = 0;

    /* Acquire: what the slot holds was written before its status. */
    while (n < most && n < SLOTS &&
           (__atomic_load_n(&slot(r, r->next + n)->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) !=
               0) {
        n++;
    }
    return n;
}

void shaper_ring_front(const struct shaper_ring *r, struct shaper_ring_frame *out)
{
    const struct tpacket2_hdr *h = slot(r, r->next);
    const uint8_t *bytes = (const uint8_t *)h;
    const struct sockaddr_ll *from = (const void *)(bytes + ADDRESS_AT);

    *out = (struct shaper_ring_frame){
        .data = bytes + h->tp_mac,
        .len = h->tp_snaplen,
        .if_in = from->sll_ifindex,
        .stamp = (ph_ns)h->tp_sec * PH_SEC + (ph_ns)h->tp_nsec,
        .cut = h->tp_snaplen < h->tp_len,
    };
}

void shaper_ring_pop(struct shaper_ring *r)
{
    __atomic_store_n(&slot(r, r->next)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    r->next = (r->next + 1) % SLOTS;
}
