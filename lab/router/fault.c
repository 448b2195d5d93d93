/* The table of faults. What each does stands in the scripted router (scripted*.c). */
#include "lab/router/fault.h"

#include <stdlib.h>
#include <string.h>

#define PCP     FAULT_PCP
#define NAT_PMP FAULT_NAT_PMP
#define UPNP    FAULT_UPNP
#define EITHER  (FAULT_PCP | FAULT_NAT_PMP)
#define ALL     (FAULT_PCP | FAULT_NAT_PMP | FAULT_UPNP)

/* Sorted by name. */
static const struct fault faults[] = {
    {"address-mismatch",
     "PCP answers ADDRESS_MISMATCH (12): another NAT stands between client and server.",
     "miniupnp#647", PCP, FAULT_NONE, NULL},
    {"chunked", "HTTP answers come in chunks, without a length.", "RFC 9112 section 7.1", UPNP,
     FAULT_MAPPED, "upnp"},
    {"conflict",
     "AddPortMapping answers 718 ConflictInMappingEntry for the port that is wished first, and "
     "there is no entry to be seen.",
     "syncthing#9324", UPNP, FAULT_MAPPED, "upnp"},
    {"conflict-mechanism",
     "AddPortMapping answers 729 ConflictWithOtherMechanisms for the port that is wished first.",
     "nicotine-plus#3364", UPNP, FAULT_MAPPED, "upnp"},
    {"content-length-bare",
     "\"CONTENT-LENGTH:371\": a field name in capitals and no space behind the colon.",
     "RetroArch#13399", UPNP, FAULT_MAPPED, "upnp"},
    {"dnat-without-snat",
     "A mapping lets in, but what the client sends by itself leaves from another port.",
     "miniupnp#240", ALL, FAULT_MAPPED, NULL},
    {"entry-is-foreign",
     "AddPortMapping answers 718 for the port that is wished first, which another host of the LAN "
     "has.",
     "syncthing#9324", UPNP, FAULT_MAPPED, "upnp"},
    {"entry-is-ours",
     "AddPortMapping answers 718 because of an entry of the same client, left from an earlier run.",
     "nicotine-plus#3364", UPNP, FAULT_MAPPED, "upnp"},
    {"epoch-reset",
     "The server restarts soon after the first mapping: its table is empty, its epoch begins anew.",
     "RFC 6887 section 8.5", EITHER, FAULT_MAPPED, NULL},
    {"epoch-stuck",
     "The server restarts, its table is empty and its external address another one, but its epoch "
     "runs on.",
     "miniupnp#254", EITHER, FAULT_MAPPED, NULL},
    {"first-lost", "The first request of each kind is lost.", "RFC 6886 section 3.1", EITHER,
     FAULT_MAPPED, NULL},
    {"foreign-answers", "Before the server, another host of the LAN answers.", "libnatpmp#16",
     EITHER, FAULT_MAPPED, NULL},
    {"host-without-port-refused", "A request whose Host field lacks the port is refused with 400.",
     "libplum#46", UPNP, FAULT_MAPPED, "upnp"},
    {"huge-answers", "The description is a megabyte long, its services at the end.",
     "home-assistant#71138", UPNP, FAULT_NONE, NULL},
    {"igd2-any-port",
     "An IGD:2 that refuses every AddPortMapping with 718 and gives a port of its own by "
     "AddAnyPortMapping.",
     "miniupnp#528", UPNP, FAULT_MAPPED, "upnp"},
    {"igd2-transport-error",
     "An IGD:2 that closes the connection on AddAnyPortMapping without an answer.", "libplum#20",
     UPNP, FAULT_MAPPED, "upnp"},
    {"invalid-args-on-lease", "AddPortMapping with a finite lease answers 402 Invalid Args.",
     "tailscale#15223", UPNP, FAULT_MAPPED, "upnp"},
    {"location-elsewhere", "LOCATION is another address than the gateway's (CARP).",
     "tailscale#5502", UPNP, FAULT_MAPPED, "upnp"},
    {"lower-case-refused", "A protocol of \"udp\" in lower case is refused with 402.",
     "tailscale#7377", UPNP, FAULT_MAPPED, "upnp"},
    {"mismatched-tags", "The description closes elements that it did not open.",
     "home-assistant#71138", UPNP, FAULT_MAPPED, "upnp"},
    {"multicast-only", "SSDP is answered where it came by multicast alone.", "tailscale#3197", UPNP,
     FAULT_MAPPED, "upnp"},
    {"namespaces", "Every element of the description has a namespace prefix.", "RetroArch#13399",
     UPNP, FAULT_MAPPED, "upnp"},
    {"never-ending", "The description goes on for ever.", "home-assistant#71138", UPNP, FAULT_NONE,
     NULL},
    {"not-authorized", "Mapping is forbidden: result 2 of PCP and NAT-PMP, 606 of UPnP.",
     "RFC 6887 section 7.4", ALL, FAULT_NONE, NULL},
    {"odd-source-port", "SSDP is answered from another port than 1900.", "tailscale#6833", UPNP,
     FAULT_MAPPED, "upnp"},
    {"only-permanent",
     "AddPortMapping with a finite lease answers 725 OnlyPermanentLeasesSupported.",
     "tailscale#9343", UPNP, FAULT_MAPPED, "upnp"},
    {"other-port", "The external port is never the suggested one.", "RFC 6886 section 3.3", EITHER,
     FAULT_MAPPED, NULL},
    {"over-16k", "The description is longer than 16 KB, its services at the end.",
     "home-assistant#71138", UPNP, FAULT_MAPPED, "upnp"},
    {"padded-answers", "Answers are followed by hundreds of bytes that mean nothing.",
     "libnatpmp#14", EITHER, FAULT_MAPPED, NULL},
    {"pcp-silent", "A NAT-PMP server that does not answer PCP.", "bitcoin#31663", NAT_PMP,
     FAULT_MAPPED, "nat-pmp"},
    {"pcp-version-0", "A NAT-PMP server that answers PCP in version 0, UNSUPP_VERSION.",
     "libplum#19", NAT_PMP, FAULT_MAPPED, "nat-pmp"},
    {"port-zero-wildcard",
     "AddPortMapping with external port 0 maps every port, and the entry cannot be deleted.",
     "RFC 6970 section 5.7", UPNP, FAULT_MAPPED, "upnp"},
    {"ppp-connection", "The only service is a WANPPPConnection, as on DSL lines.",
     "UPnP WANPPPConnection:1", UPNP, FAULT_MAPPED, "upnp"},
    {"pretty-printed-refused",
     "A SOAP body with white space between its elements is refused with 500.", "libplum#46", UPNP,
     FAULT_MAPPED, "upnp"},
    {"private-external", "The external address is private: the router stands behind another NAT.",
     "miniupnp#732", ALL, FAULT_MAPPED, NULL},
    {"raw-ampersand", "The description has an '&' that is not escaped.", "RetroArch#13399", UPNP,
     FAULT_MAPPED, "upnp"},
    {"reboot-new-http-port",
     "The router reboots soon after the first mapping: its table is empty, its HTTP server at "
     "another port.",
     "go-libp2p#3224", UPNP, FAULT_MAPPED, "upnp"},
    {"refuses-all",
     "Every mapping is refused for lack of resources: 4 of NAT-PMP, 8 of PCP, 501 of UPnP.",
     "RFC 6887 section 7.4", ALL, FAULT_NONE, NULL},
    {"refuses-permanent", "AddPortMapping with lease 0 answers 402, and one above 604800 too.",
     "net-tools#52", UPNP, FAULT_MAPPED, "upnp"},
    {"renewal-refused", "AddPortMapping answers 718 where the client has this very entry already.",
     "nicotine-plus#3364", UPNP, FAULT_MAPPED, "upnp"},
    {"scpd-hangs", "The service's own description (SCPD) is never answered.",
     "home-assistant#71138", UPNP, FAULT_MAPPED, "upnp"},
    {"several-igds", "An access point and a toy claim to be Internet gateways, and answer first.",
     "syncthing#10885", UPNP, FAULT_MAPPED, "upnp"},
    {"shared-external",
     "The external address is out of 100.64.0.0/10: a carrier's NAT stands above.", "miniupnp#732",
     ALL, FAULT_MAPPED, NULL},
    {"short-lifetime", "Whatever is asked for, a mapping is given for 2 seconds.",
     "RFC 6886 section 3.3", EITHER, FAULT_MAPPED, NULL},
    {"slow-drip", "The description comes byte by byte, far too slowly.", "home-assistant#71138",
     UPNP, FAULT_NONE, NULL},
    {"ssdp-all-first-only",
     "A search for ssdp:all or for root devices is answered with another device alone.",
     "tailscale#3557", UPNP, FAULT_MAPPED, "upnp"},
    {"stale-answers", "Before the right answer come late ones to requests of somebody who is gone.",
     "libnatpmp#14", EITHER, FAULT_MAPPED, NULL},
    {"stray-bytes", "Bytes stand before and behind the description's XML.", "RetroArch#13399", UPNP,
     FAULT_MAPPED, "upnp"},
    {"truncated-answers", "Every answer ends too early.", "libnatpmp#14", ALL, FAULT_NONE, NULL},
    {"undeclared-prefix", "The description uses a namespace prefix that it never declares.",
     "RetroArch#13399", UPNP, FAULT_MAPPED, "upnp"},
    {"unicast-only", "SSDP is answered where it came to the router's own address alone.",
     "tailscale#3197", UPNP, FAULT_MAPPED, "upnp"},
    {"unquoted-soapaction-refused",
     "A SOAPAction field without quotes is refused with 401 Invalid Action.", "libplum#46", UPNP,
     FAULT_MAPPED, "upnp"},
    {"white-space-control-url", "The control URL has white space around it.", "RetroArch#13399",
     UPNP, FAULT_MAPPED, "upnp"},
    {"wrong-nonce", "PCP answers bear another nonce than the request.", "tailscale#21127", PCP,
     FAULT_NONE, NULL},
    {"zero-external", "The external address is 0.0.0.0.", "miniupnp#732", ALL, FAULT_MAPPED, NULL},
};

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static int by_name(const void *name, const void *fault)
{
    return strcmp(name, ((const struct fault *)fault)->name);
}

const struct fault *fault_find(const char *name)
{
    return bsearch(name, faults, FAULTS, sizeof(faults[0]), by_name);
}

const struct fault *fault_list(size_t *count)
{
    *count = FAULTS;
    return faults;
}
