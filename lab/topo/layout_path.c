/* Questions about a layout: names, ways, delays; and which wire has which link's parameters. */
#include "lab/topo/layout_build.h"

#include <stdio.h>
#include <string.h>

size_t layout_find(const struct layout *l, const char *name)
{
    char nat[TOPO_NAME_MAX + 8];

    snprintf(nat, sizeof(nat), "%s.nat", name);
    for (size_t i = 0; i < l->node_count; i++) {
        if (strcmp(l->nodes[i].name, name) == 0) {
            return i;
        }
    }
    for (size_t i = 0; i < l->node_count; i++) {
        if (strcmp(l->nodes[i].name, nat) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

size_t layout_find_host(const struct layout *l, enum topo_runs runs, size_t from)
{
    for (size_t i = from; i < l->node_count; i++) {
        if (l->nodes[i].kind == LAYOUT_HOST && l->nodes[i].runs == runs) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool layout_find_peers(const struct layout *l, size_t peers[2])
{
    peers[0] = layout_find_host(l, TOPO_RUNS_PEER, 0);
    if (peers[0] == SIZE_MAX) {
        return false;
    }
    peers[1] = layout_find_host(l, TOPO_RUNS_PEER, peers[0] + 1);
    return peers[1] != SIZE_MAX;
}

/* A layout is a tree for each network, so the first way found is the only one. */
uint64_t layout_delay_ns(const struct layout *l, size_t from, size_t to)
{
    uint64_t delay[LAYOUT_NODES_MAX];
    size_t queue[LAYOUT_NODES_MAX], head = 0, tail = 0;

    for (size_t i = 0; i < LAYOUT_NODES_MAX; i++) {
        delay[i] = UINT64_MAX;
    }
    delay[from] = 0;
    queue[tail++] = from;
    while (head < tail) {
        size_t at = queue[head++];

        for (size_t i = 0; i < l->link_count; i++) {
            const struct layout_link *w = &l->links[i];
            size_t side = w->node[0] == at ? 0 : 1;
            size_t next = w->node[1 - side];

            if (w->node[side] == at && delay[next] == UINT64_MAX) {
                delay[next] =
                    delay[at] + (side == 0 ? w->params.up.delay_ns : w->params.down.delay_ns);
                queue[tail++] = next;
            }
        }
    }
    return delay[to];
}

unsigned layout_nats_above(const struct layout *l, size_t host)
{
    unsigned n = 0;

    for (size_t at = l->nodes[host].upstream; at != SIZE_MAX; at = l->nodes[at].upstream) {
        n += l->nodes[at].kind == LAYOUT_NAT ? 1 : 0;
    }
    return n;
}

/* Whether a link's `between` means this node. */
static bool means(const struct topology *t, const struct layout_node *n, const char *word)
{
    size_t len = strlen(word);

    if (strcmp(word, "nats") == 0) {
        return n->kind == LAYOUT_NAT;
    }
    if (strcmp(word, "hosts") == 0) {
        return n->kind == LAYOUT_HOST;
    }
    for (size_t i = 0; i < t->network_count; i++) {
        if (strcmp(t->networks[i].name, word) == 0) {
            return n->kind == LAYOUT_ROUTER && strncmp(n->name, word, len) == 0 &&
                   n->name[len] == '.';
        }
    }
    if (n->kind == LAYOUT_HOST) {
        return strcmp(n->name, word) == 0;
    }
    return n->kind == LAYOUT_NAT && !n->home && strcmp(t->nats[n->nat].name, word) == 0;
}

static struct link_params swapped(const struct link_params *p)
{
    return (struct link_params){.up = p->down, .down = p->up};
}

int layout_apply_links(const struct topology *t, struct layout *l, struct lab_error *err)
{
    for (size_t i = 0; i < t->link_count; i++) {
        const struct topo_link *decl = &t->links[i];
        bool found = false;

        for (size_t k = 0; k < l->link_count; k++) {
            struct layout_link *w = &l->links[k];
            const struct layout_node *lower = &l->nodes[w->node[0]], *upper = &l->nodes[w->node[1]];
            bool upward = means(t, lower, decl->between[0]) && means(t, upper, decl->between[1]);
            bool downward = means(t, lower, decl->between[1]) && means(t, upper, decl->between[0]);

            if (upward || downward) {
                found = true;
                snprintf(w->name, sizeof(w->name), "%s", decl->name);
                w->params = upward ? decl->params : swapped(&decl->params);
            }
        }
        if (!found) {
            return lab_fail(err, LAB_USAGE,
                            "topology %s: link \"%s\": no wire joins \"%s\" and \"%s\"", t->name,
                            decl->name, decl->between[0], decl->between[1]);
        }
    }
    for (size_t k = 0; k < l->link_count; k++) {
        l->links[k].shaped = !link_params_zero(&l->links[k].params);
    }
    return 0;
}
