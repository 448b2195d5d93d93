#include "quic/cid_map.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 16

struct ph_cid_entry {
    struct ph_cid_entry *next_in_bucket;
    struct ph_cid_entry *next_of_conn;
    struct ph_quic_conn *conn;
    uint64_t hash;
    uint8_t len;
    uint8_t cid[PH_CID_MAX];
};

static uint64_t little_endian(const uint8_t *p, size_t len)
{
    uint64_t v = 0;

    for (size_t i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint64_t rotate(uint64_t v, unsigned n)
{
    return v << n | v >> (64 - n);
}

static void sip_rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32) + v[3];
        v[2] += v[1];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

uint64_t ph_siphash(const uint64_t key[2], const uint8_t *data, size_t len)
{
    /* "somepseudorandomlygeneratedbytes", as the paper has it */
    uint64_t v[4] = {
        key[0] ^ 0x736f6d6570736575,
        key[1] ^ 0x646f72616e646f6d,
        key[0] ^ 0x6c7967656e657261,
        key[1] ^ 0x7465646279746573,
    };
    size_t whole = len - len % 8;

    for (size_t i = 0; i <= whole; i += 8) {
        uint64_t m = i < whole ? little_endian(data + i, 8)
                               : little_endian(data + i, len - whole) | (uint64_t)len << 56;
        v[3] ^= m;
        sip_rounds(v, 2);
        v[0] ^= m;
    }
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void ph_cid_map_init(struct ph_cid_map *map, const uint8_t key[16])
{
    *map = (struct ph_cid_map){0};
    map->key[0] = little_endian(key, 8);
    map->key[1] = little_endian(key + 8, 8);
}

void ph_cid_map_fini(struct ph_cid_map *map)
{
    for (size_t i = 0; i < map->size; i++) {
        while (map->buckets[i] != NULL) {
            struct ph_cid_entry *e = map->buckets[i];
            map->buckets[i] = e->next_in_bucket;
            free(e);
        }
    }
    free(map->buckets);
    *map = (struct ph_cid_map){0};
}

static struct ph_cid_entry **slot(const struct ph_cid_map *map, const uint8_t *cid, size_t len,
                                  uint64_t hash)
{
    struct ph_cid_entry **p = &map->buckets[hash & (map->size - 1)];

    while (*p != NULL &&
           !((*p)->hash == hash && (*p)->len == len && memcmp((*p)->cid, cid, len) == 0))
        p = &(*p)->next_in_bucket;
    return p;
}

struct ph_quic_conn *ph_cid_map_find(const struct ph_cid_map *map, const uint8_t *cid, size_t len)
{
    struct ph_cid_entry *e;

    if (map->size == 0 || len > PH_CID_MAX)
        return NULL;
    e = *slot(map, cid, len, ph_siphash(map->key, cid, len));
    return e != NULL ? e->conn : NULL;
}

static int grow(struct ph_cid_map *map)
{
    size_t size = map->size != 0 ? 2 * map->size : FIRST_SIZE;
    struct ph_cid_entry **buckets = calloc(size, sizeof(struct ph_cid_entry *));

    if (buckets == NULL)
        return PH_ERR_NOMEM;
    for (size_t i = 0; i < map->size; i++) {
        while (map->buckets[i] != NULL) {
            struct ph_cid_entry *e = map->buckets[i];
            struct ph_cid_entry **to = &buckets[e->hash & (size - 1)];
            map->buckets[i] = e->next_in_bucket;
            e->next_in_bucket = *to;
            *to = e;
        }
    }
    free(map->buckets);
    map->buckets = buckets;
    map->size = size;
    return PH_OK;
}

int ph_cid_map_add(struct ph_cid_map *map, const uint8_t *cid, size_t len,
                   struct ph_quic_conn *conn, struct ph_cid_entry **list)
{
    struct ph_cid_entry *e, **p;
    uint64_t hash;
    int rc;

    if (len > PH_CID_MAX)
        return PH_ERR_INVAL;
    if (map->count >= PH_CID_MAP_MAX)
        return PH_ERR_SPACE;
    if (map->count >= map->size) {
        rc = grow(map);
        if (rc != PH_OK)
            return rc;
    }
    hash = ph_siphash(map->key, cid, len);
    p = slot(map, cid, len, hash);
    if (*p != NULL)
        return PH_ERR_INVAL;
    e = calloc(1, sizeof(*e));
    if (e == NULL)
        return PH_ERR_NOMEM;
    e->conn = conn;
    e->hash = hash;
    e->len = (uint8_t)len;
    memcpy(e->cid, cid, len);
    e->next_of_conn = *list;
    *list = e;
    *p = e;
    map->count++;
    return PH_OK;
}

static void take_out(struct ph_cid_map *map, struct ph_cid_entry *e)
{
    struct ph_cid_entry **p = slot(map, e->cid, e->len, e->hash);

    *p = e->next_in_bucket;
    map->count--;
    free(e);
}

void ph_cid_map_remove(struct ph_cid_map *map, const uint8_t *cid, size_t len,
                       struct ph_cid_entry **list)
{
    for (struct ph_cid_entry **p = list; *p != NULL; p = &(*p)->next_of_conn) {
        struct ph_cid_entry *e = *p;
        if (e->len == len && memcmp(e->cid, cid, len) == 0) {
            *p = e->next_of_conn;
            take_out(map, e);
            return;
        }
    }
}

void ph_cid_map_remove_all(struct ph_cid_map *map, struct ph_cid_entry **list)
{
    while (*list != NULL) {
        struct ph_cid_entry *e = *list;
        *list = e->next_of_conn;
        take_out(map, e);
    }
}
