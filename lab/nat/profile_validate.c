/* What cannot be emulated, and why. */
#include "lab/nat/profile_validate.h"

#include "lab/router/fault.h"
#include "lab/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMEOUT_MAX_S 86400u
/* One element of a map for each port: more makes a world slow to build (lab/README.md). */
#define HASH_PORTS_MAX  4096
#define SEQUENCE_MIN    64
#define POOL_MAX        16
#define MAPPINGS_MIN    64
#define FAULT_NAMES_MAX 128

__attribute__((format(printf, 3, 4))) static bool refuse(struct nat_refusal *r, const char *field,
                                                         const char *fmt, ...)
{
    va_list ap;
    r->field = field;
    va_start(ap, fmt);
    (void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
    va_end(ap);
    return false;
}

static bool sequence_fits(const struct nat_profile *p, struct nat_refusal *r)
{
    int lo = p->allocation.range_lo;
    int hi = p->allocation.range_hi;
    int step = p->allocation.step;
    int start = p->allocation.start;
    if (step == 0 || step < -256 || step > 256)
        return refuse(r, "allocation.step",
                      "allocation.step is %d: a sequence steps by 1 to 256 or -1 to -256", step);
    if (start != 0 && (start < lo || start > hi))
        return refuse(r, "allocation.start", "allocation.start %d lies outside the range %d-%d",
                      start, lo, hi);
    if (start == 0)
        start = step > 0 ? lo : hi;
    int room = (step > 0 ? hi - start : start - lo) / abs(step) + 1;
    if (room < SEQUENCE_MIN)
        return refuse(r, "allocation.start",
                      "from port %d by %d only %d ports are left in %d-%d: a sequence needs %d",
                      start, step, room, lo, hi, SEQUENCE_MIN);
    return true;
}

static bool allocation_fits(const struct nat_profile *p, struct nat_refusal *r)
{
    unsigned lo = p->allocation.range_lo;
    unsigned hi = p->allocation.range_hi;
    if (lo < 1024 || hi < lo)
        return refuse(r, "allocation.range",
                      "allocation.range is %u-%u: it must lie in 1024-65535, the lower port first",
                      lo, hi);
    unsigned size = hi - lo + 1;
    if (size < SEQUENCE_MIN)
        return refuse(r, "allocation.range", "allocation.range %u-%u has %u ports: at least %d", lo,
                      hi, size, SEQUENCE_MIN);
    if (p->allocation.exclusive && p->mapping == NAT_MAPPING_EIM)
        return refuse(r, "allocation.exclusive",
                      "allocation.exclusive is about one port for several destinations: it needs "
                      "mapping address-dependent or address-and-port-dependent");
    switch (p->allocation.type) {
    case NAT_ALLOC_PRESERVING:
        if (p->mapping == NAT_MAPPING_ADM || p->mapping == NAT_MAPPING_APDM)
            return refuse(r, "allocation.type",
                          "a NAT that keeps the source port maps every destination to the same "
                          "port: allocation preserving needs mapping endpoint-independent");
        return true;
    case NAT_ALLOC_SEQUENTIAL:
        return sequence_fits(p, r);
    case NAT_ALLOC_RANDOM:
        return true;
    case NAT_ALLOC_HASH:
        if (size > HASH_PORTS_MAX)
            return refuse(r, "allocation.range",
                          "allocation.range %u-%u has %u ports: allocation hash takes at most %d "
                          "(range: 32768-34815 for example)",
                          lo, hi, size, HASH_PORTS_MAX);
        return true;
    case NAT_ALLOC_BLOCK:
        /* nat_site has room for eight subscribers, each with its own block. */
        if (p->allocation.block < 64 || (unsigned)p->allocation.block * 8 > size)
            return refuse(r, "allocation.block",
                          "allocation.block is %u: at least 64, and eight of them must fit into "
                          "the range %u-%u",
                          p->allocation.block, lo, hi);
        if (p->pool.arbitrary && p->pool.addresses > 1)
            return refuse(r, "pool.pairing",
                          "a block of ports lies at one address: pool.pairing must be paired");
        return true;
    }
    return true;
}

static bool profile_fits(const struct nat_profile *p, struct nat_refusal *r)
{
    if (p->mapping == NAT_MAPPING_NONE) {
        if (p->hairpin)
            return refuse(r, "hairpin", "hairpin means nothing without a mapping");
        if (p->pool.addresses > 1)
            return refuse(r, "pool.addresses", "a pool means nothing without a mapping");
        if (p->inside[0] != '\0')
            return refuse(r, "inside",
                          "a home NAT inside a router that maps nothing would have no public "
                          "address: give this one a mapping");
    } else if (!allocation_fits(p, r)) {
        return false;
    }
    if (p->timeout.udp_s < 1 || p->timeout.udp_s > TIMEOUT_MAX_S)
        return refuse(r, "timeout.udp", "timeout.udp is %u s: 1 s to 24 h", p->timeout.udp_s);
    if (p->timeout.udp_stream_s < p->timeout.udp_s || p->timeout.udp_stream_s > TIMEOUT_MAX_S)
        return refuse(r, "timeout.udp_stream",
                      "timeout.udp_stream is %u s: at least timeout.udp (%u s), at most 24 h",
                      p->timeout.udp_stream_s, p->timeout.udp_s);
    if (p->limits.mappings > 0 && p->limits.mappings < MAPPINGS_MIN)
        return refuse(
            r, "limits.mappings",
            "limits.mappings is %u: at least %d (or 0 for none); the proof of the NAT and "
            "a call need that many",
            p->limits.mappings, MAPPINGS_MIN);
    if (p->limits.mappings > 65535)
        return refuse(r, "limits.mappings", "limits.mappings is %u: at most 65535",
                      p->limits.mappings);
    if (p->limits.new_per_second > 100000)
        return refuse(r, "limits.new_per_second", "limits.new_per_second is %u: at most 100000",
                      p->limits.new_per_second);
    if (p->pool.addresses < 1 || p->pool.addresses > POOL_MAX)
        return refuse(r, "pool.addresses", "pool.addresses is %u: 1 to %d", p->pool.addresses,
                      POOL_MAX);
    if (p->background.flows_per_second > 0 && p->background.hosts == 0)
        return refuse(
            r, "background.hosts",
            "background.flows_per_second is %u but background.hosts is 0: who opens them?",
            p->background.flows_per_second);
    return true;
}

static bool unknown_fault(const char *name, struct nat_refusal *r)
{
    const char *names[FAULT_NAMES_MAX];
    size_t count;
    const struct fault *all = fault_list(&count);
    for (size_t i = 0; i < count && i < FAULT_NAMES_MAX; i++)
        names[i] = all[i].name;
    const char *near = yaml_nearest(name, names, count < FAULT_NAMES_MAX ? count : FAULT_NAMES_MAX);
    if (near != NULL)
        return refuse(r, "port_mapping.faults",
                      "port_mapping.faults has \"%s\": no such fault, did you mean \"%s\"?", name,
                      near);
    return refuse(r, "port_mapping.faults",
                  "port_mapping.faults has \"%s\": no such fault (man natlab has the table)", name);
}

static bool port_mapping_fits(const struct nat_profile *p, struct nat_refusal *r)
{
    unsigned spoken = nat_profile_protocols(p);
    for (size_t i = 0; i < p->port_mapping.fault_count; i++) {
        const struct fault *f = fault_find(p->port_mapping.faults[i]);
        if (f == NULL)
            return unknown_fault(p->port_mapping.faults[i], r);
        if (spoken == 0)
            return refuse(
                r, "port_mapping.faults",
                "port_mapping.faults has \"%s\", but the router speaks no protocol: one of "
                "nat_pmp, pcp and upnp must be true",
                f->name);
        if ((spoken & f->protocols) == 0)
            return refuse(r, "port_mapping.faults",
                          "port_mapping.faults has \"%s\", which shows in %s%s%s alone, which the "
                          "router does not speak: let it be true",
                          f->name, (f->protocols & FAULT_PCP) != 0 ? "pcp" : "",
                          (f->protocols & FAULT_NAT_PMP) == 0 ? ""
                          : (f->protocols & FAULT_PCP) != 0   ? " or nat_pmp"
                                                              : "nat_pmp",
                          (f->protocols & FAULT_UPNP) != 0 ? "upnp" : "");
    }
    if (spoken != 0 && p->mapping == NAT_MAPPING_NONE)
        return refuse(r,
                      p->port_mapping.nat_pmp ? "port_mapping.nat_pmp"
                      : p->port_mapping.pcp   ? "port_mapping.pcp"
                                              : "port_mapping.upnp",
                      "the router is to map ports, but mapping none translates nothing: give it a "
                      "mapping, or leave port_mapping out");
    return true;
}

bool nat_profile_possible(const struct nat_profile *p, struct nat_refusal *r)
{
    return profile_fits(p, r) && port_mapping_fits(p, r);
}

int nat_profile_validate(const struct nat_profile *p, struct lab_error *err)
{
    struct nat_refusal r;
    if (nat_profile_possible(p, &r))
        return 0;
    return lab_fail(err, LAB_USAGE, "profile %s: %s", p->name[0] != '\0' ? p->name : "?", r.text);
}
