/* STUN messages (RFC 8489): Binding requests, indications and responses, with the attributes of
 * connectivity checks (RFC 8445) and of behaviour discovery (RFC 5780).
 *
 *  0                   1                   2                   3
 *  |0 0|     type (14 bits)    |         length (16 bits)        |
 *  |                  magic cookie 0x2112A442                    |
 *  |                  transaction id (96 bits)                   |
 *  |  attributes: type (16), length (16), value padded to 4 ...  |
 */
#ifndef PH_WIRE_STUN_H
#define PH_WIRE_STUN_H

#include "base/addr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PH_STUN_MAGIC        0x2112A442u
#define PH_STUN_HEADER_LEN   20
#define PH_STUN_TID_LEN      12
#define PH_STUN_PORT         3478
#define PH_STUN_UNKNOWN_MAX  8
#define PH_STUN_USERNAME_MAX 513 /* RFC 8489 section 14.3: fewer than 509 bytes, some slack */

/* Message types: method Binding with its class (RFC 8489 section 5). */
enum ph_stun_type {
    PH_STUN_BINDING_REQUEST = 0x0001,
    PH_STUN_BINDING_INDICATION = 0x0011,
    PH_STUN_BINDING_SUCCESS = 0x0101,
    PH_STUN_BINDING_ERROR = 0x0111,
};

/* Attributes (RFC 8489 section 18.3, RFC 8445 section 16.1, RFC 5780 section 9.1). Those below
 * 0x8000 must be understood by who reads them. */
enum ph_stun_attr {
    PH_STUN_MAPPED_ADDRESS = 0x0001,
    PH_STUN_CHANGE_REQUEST = 0x0003,
    PH_STUN_SOURCE_ADDRESS = 0x0004,  /* RFC 3489 */
    PH_STUN_CHANGED_ADDRESS = 0x0005, /* RFC 3489 */
    PH_STUN_USERNAME = 0x0006,
    PH_STUN_MESSAGE_INTEGRITY = 0x0008,
    PH_STUN_ERROR_CODE = 0x0009,
    PH_STUN_UNKNOWN_ATTRIBUTES = 0x000a,
    PH_STUN_REALM = 0x0014,
    PH_STUN_NONCE = 0x0015,
    PH_STUN_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    PH_STUN_XOR_MAPPED_ADDRESS = 0x0020,
    PH_STUN_PRIORITY = 0x0024,
    PH_STUN_USE_CANDIDATE = 0x0025,
    PH_STUN_PADDING = 0x0026,
    PH_STUN_RESPONSE_PORT = 0x0027,
    PH_STUN_SOFTWARE = 0x8022,
    PH_STUN_FINGERPRINT = 0x8028,
    PH_STUN_ICE_CONTROLLED = 0x8029,
    PH_STUN_ICE_CONTROLLING = 0x802a,
    PH_STUN_RESPONSE_ORIGIN = 0x802b,
    PH_STUN_OTHER_ADDRESS = 0x802c,
    /* Our own, and nobody has to understand it. Empty in a request: asks for a voucher. In the
     * response: 8 bytes by which its asker can show to the relay that answered, on the connection
     * that it has with it, that packets to the mapped address reach it. */
    PH_STUN_VOUCHER = 0xc0f1,
};

/* CHANGE-REQUEST flags (RFC 5780 section 7.2). */
#define PH_STUN_CHANGE_IP   0x4u
#define PH_STUN_CHANGE_PORT 0x2u

/* A parsed message. Pointers go into the parsed buffer. Absent addresses have family NONE. */
struct ph_stun {
    uint16_t type;
    uint8_t tid[PH_STUN_TID_LEN];
    struct ph_addr mapped;   /* XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS where only that is there */
    struct ph_addr other;    /* OTHER-ADDRESS, or CHANGED-ADDRESS of RFC 3489 servers */
    struct ph_addr origin;   /* RESPONSE-ORIGIN */
    const uint8_t *username; /* NULL: absent */
    size_t username_len;
    const uint8_t *software;
    size_t software_len;
    const uint8_t *realm;
    size_t realm_len;
    const uint8_t *nonce;
    size_t nonce_len;
    uint32_t change_request; /* flags above; 0: absent */
    uint16_t response_port;  /* RFC 5780 section 7.5; 0: absent */
    uint32_t priority;       /* RFC 8445; 0: absent */
    uint64_t tie_breaker;    /* of ICE-CONTROLLING or ICE-CONTROLLED */
    bool controlling;
    bool controlled;
    bool use_candidate;
    bool asks_voucher;          /* there is a VOUCHER, and it is empty */
    uint64_t voucher;           /* 0: absent */
    uint16_t error_code;        /* 300..699; 0: absent */
    size_t integrity_offset;    /* of the MESSAGE-INTEGRITY attribute; 0: absent */
    size_t integrity256_offset; /* of MESSAGE-INTEGRITY-SHA256; 0: absent */
    bool fingerprint;           /* present, and right (a wrong one is PH_ERR_FORMAT) */
    /* Comprehension-required attributes that this codec does not know (RFC 8489 section 6.3.1). */
    uint16_t unknown[PH_STUN_UNKNOWN_MAX];
    size_t unknown_count;
};

/* True when the first bytes are those of a STUN message (RFC 8489 section 6.3, RFC 7983). Cheap. */
bool ph_stun_looks_like(const uint8_t *data, size_t len);

/* PH_ERR_SHORT: the header's length is beyond len. PH_ERR_FORMAT: anything else that is no STUN
 * message, bytes behind its end included. Of an attribute that is repeated the first counts. Those
 * after MESSAGE-INTEGRITY other than the SHA256 one and
 * FINGERPRINT are ignored (RFC 8489 section 14.5). */
int ph_stun_parse(const uint8_t *data, size_t len, struct ph_stun *out);

/* Checks MESSAGE-INTEGRITY-SHA256 where it is there, MESSAGE-INTEGRITY otherwise, over the message
 * that `msg` was parsed from. False also when there is neither. */
bool ph_stun_verify(const uint8_t *data, size_t len, const struct ph_stun *msg, const void *key,
                    size_t key_len);

/* Building: begin, attributes, end. The writer's buffer holds the message from its start; errors
 * are sticky in the writer; ph_stun_end gives the length. */
void ph_stun_begin(struct ph_writer *w, uint16_t type, const uint8_t tid[PH_STUN_TID_LEN]);
/* An attribute of plain bytes: SOFTWARE, REALM, NONCE, or one that this codec does not know. */
void ph_stun_put_attr(struct ph_writer *w, uint16_t type, const void *value, size_t len);
void ph_stun_put_mapped(struct ph_writer *w, const struct ph_addr *a); /* XOR-MAPPED-ADDRESS */
void ph_stun_put_other(struct ph_writer *w, const struct ph_addr *a);  /* OTHER-ADDRESS */
void ph_stun_put_origin(struct ph_writer *w, const struct ph_addr *a); /* RESPONSE-ORIGIN */
void ph_stun_put_username(struct ph_writer *w, const void *name, size_t len);
void ph_stun_put_change_request(struct ph_writer *w, uint32_t flags);
void ph_stun_put_response_port(struct ph_writer *w, uint16_t port); /* never 0 */
void ph_stun_put_priority(struct ph_writer *w, uint32_t priority);
void ph_stun_put_role(struct ph_writer *w, bool controlling, uint64_t tie_breaker);
void ph_stun_put_voucher(struct ph_writer *w, uint64_t voucher); /* 0: asks for one */
void ph_stun_put_use_candidate(struct ph_writer *w);
void ph_stun_put_padding(struct ph_writer *w, size_t len); /* RFC 5780 PADDING */
void ph_stun_put_error(struct ph_writer *w, uint16_t code, const char *reason);
void ph_stun_put_unknown(struct ph_writer *w, const uint16_t *types, size_t n);
/* MESSAGE-INTEGRITY (HMAC-SHA1) over what is there so far. */
void ph_stun_put_integrity(struct ph_writer *w, const void *key, size_t key_len);
/* MESSAGE-INTEGRITY-SHA256, untruncated. */
void ph_stun_put_integrity256(struct ph_writer *w, const void *key, size_t key_len);
/* Adds FINGERPRINT when asked and sets the length. Returns the message's length or PH_ERR_SPACE. */
int ph_stun_end(struct ph_writer *w, bool fingerprint);

#endif
