/* What an owner that follows its peers' addresses asks of a connection. */
#include "quic/conn.h"

void *ph_quic_conn_user(const struct ph_quic_conn *c)
{
    return c->user;
}

uint64_t ph_quic_conn_taken(const struct ph_quic_conn *c)
{
    ngtcp2_conn_info info;

    ngtcp2_conn_get_conn_info(c->ng, &info);
    return info.pkt_recv;
}
