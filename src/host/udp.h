/* UDP sockets in batches: recvmmsg and sendmmsg over memory that is there from the start. */
#ifndef PH_HOST_UDP_H
#define PH_HOST_UDP_H

#include "host/host.h"

#define PH_UDP_BATCH PH_DATAGRAMS_MAX

struct ph_udp_io;

int ph_udp_io_new(struct ph_udp_io **out);
void ph_udp_io_free(struct ph_udp_io *io);

/* Opens a non-blocking socket and gives the address that it got. PH_ERR_SYS, PH_ERR_INVAL. */
int ph_udp_open(const struct ph_addr *local, size_t rcvbuf_bytes, int *fd, struct ph_addr *bound);
/* At most PH_UDP_BATCH datagrams, which live until the next call. Ones longer than PH_DATAGRAM_MAX
 * are dropped. */
size_t ph_udp_receive(struct ph_udp_io *io, int fd, const struct ph_datagram **out);
/* Datagrams of another family than `family` are skipped. join: see ph_loop_host_config. */
void ph_udp_send(struct ph_udp_io *io, int fd, uint8_t family, bool join,
                 const struct ph_datagram *out, size_t n);

#endif
