/* Connection IDs (RFC 9000 section 5.1) to connections. Peers choose some of the keys, so that the
 * hash is keyed (SipHash-2-4) with a secret of the endpoint. */
#ifndef PH_QUIC_CID_MAP_H
#define PH_QUIC_CID_MAP_H

#include <stddef.h>
#include <stdint.h>

#define PH_CID_MAX     20 /* RFC 9000 section 17.2 */
#define PH_CID_MAP_MAX 262144

struct ph_quic_conn;
struct ph_cid_entry;

struct ph_cid_map {
    struct ph_cid_entry **buckets;
    size_t size; /* a power of two, or 0 */
    size_t count;
    uint64_t key[2];
};

void ph_cid_map_init(struct ph_cid_map *map, const uint8_t key[16]);
void ph_cid_map_fini(struct ph_cid_map *map);
struct ph_quic_conn *ph_cid_map_find(const struct ph_cid_map *map, const uint8_t *cid, size_t len);
/* PH_ERR_INVAL (longer than PH_CID_MAX, or there already), PH_ERR_SPACE, PH_ERR_NOMEM. `list` heads
 * the connection's own entries: all zero at first. */
int ph_cid_map_add(struct ph_cid_map *map, const uint8_t *cid, size_t len,
                   struct ph_quic_conn *conn, struct ph_cid_entry **list);
void ph_cid_map_remove(struct ph_cid_map *map, const uint8_t *cid, size_t len,
                       struct ph_cid_entry **list);
/* Removes all of one connection's. */
void ph_cid_map_remove_all(struct ph_cid_map *map, struct ph_cid_entry **list);
/* SipHash-2-4 (Aumasson and Bernstein, 2012). */
uint64_t ph_siphash(const uint64_t key[2], const uint8_t *data, size_t len);

#endif
