/* natlab nat check: each profile in a world of its own, with two hosts inside and an outside host
 * of five addresses, behind the hops of an internet. */
#include "lab/nat/check.h"

#include "lab/cli/nat.h"
#include "lab/world/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What a checking process hands back over its pipe. */
struct outcome {
    char name[NAT_NAME_MAX];
    bool probed; /* else err says why not */
    double milliseconds;
    struct nat_check_result result;
    struct lab_error err;
};

static double now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void put(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text);
}

static struct topology bench_topology(void)
{
    struct topology t = {.network_count = 1, .nat_count = 1, .host_count = 3};
    put(t.name, sizeof(t.name), "nat-check");
    put(t.networks[0].name, sizeof(t.networks[0].name), "internet");
    t.networks[0].hops = 3;
    put(t.nats[0].name, sizeof(t.nats[0].name), "nat");
    put(t.nats[0].profile, sizeof(t.nats[0].profile), "port-preserving");
    put(t.nats[0].outside, sizeof(t.nats[0].outside), "internet");
    for (int i = 0; i < 2; i++) {
        put(t.hosts[i].name, sizeof(t.hosts[i].name), i == 0 ? "one" : "two");
        put(t.hosts[i].inside, sizeof(t.hosts[i].inside), "nat");
        t.hosts[i].runs = TOPO_RUNS_PEER;
        t.hosts[i].addresses = 1;
    }
    put(t.hosts[2].name, sizeof(t.hosts[2].name), "outside");
    put(t.hosts[2].on, sizeof(t.hosts[2].on), "internet");
    t.hosts[2].runs = TOPO_RUNS_STUN;
    t.hosts[2].addresses = 5;
    return t;
}

static int find_site(const struct kernel_world *w, struct nat_check_site *s, struct lab_error *err)
{
    const struct layout *l = kernel_world_layout(w);
    size_t one = layout_find(l, "one");
    size_t two = layout_find(l, "two");
    size_t outside = layout_find(l, "outside");
    size_t nat = layout_find(l, "nat");
    if (one == SIZE_MAX || two == SIZE_MAX || outside == SIZE_MAX || nat == SIZE_MAX)
        return lab_fail(err, LAB_BROKEN, "the world to check a NAT in has not all its nodes");
    memset(s, 0, sizeof(*s));
    s->inside_fd = kernel_world_netns(w, one);
    s->inside = l->nodes[one].addrs[0];
    s->inside2_fd = kernel_world_netns(w, two);
    s->inside2 = l->nodes[two].addrs[0];
    s->outside_fd = kernel_world_netns(w, outside);
    for (size_t i = 0; i < l->nodes[outside].addr_count && i < NAT_CHECK_OUTSIDE_MAX; i++)
        s->outside[s->outside_count++] = l->nodes[outside].addrs[i];
    s->nat_fd = kernel_world_netns(w, nat);
    return 0;
}

static int check_in_world(const struct nat_profile *p, bool timeout, struct outcome *out)
{
    struct topology topology = bench_topology();
    struct kernel_lab *lab = NULL;
    struct kernel_world *world = NULL;
    struct nat_check_site site;
    struct world_spec *spec = calloc(1, sizeof(*spec));
    struct layout *layout = calloc(1, sizeof(*layout));
    int rc = -1;
    if (spec == NULL || layout == NULL) {
        (void)lab_fail(&out->err, LAB_CANNOT, "out of memory");
        goto cleanup;
    }
    if (world_spec_init(spec, &topology, &out->err) != 0)
        goto cleanup;
    spec->profiles[0] = *p;
    spec->seed = 1;
    if (layout_compute(spec, layout, &out->err) != 0 || kernel_lab_open(&lab, &out->err) != 0 ||
        kernel_world_build(lab, layout, &world, &out->err) != 0 ||
        find_site(world, &site, &out->err) != 0)
        goto cleanup;
    double before = now_ms();
    rc = nat_check(p, &site, timeout ? NAT_CHECK_TIMEOUT : 0, &out->result, &out->err);
    out->milliseconds = now_ms() - before;
cleanup:
    kernel_world_free(world);
    if (lab != NULL)
        kernel_lab_close(lab);
    free(layout);
    free(spec);
    return rc;
}

/* A process for each, so that a timeout is waited for once. */
static int start(const struct nat_profile *p, bool timeout, pid_t *pid, struct lab_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return lab_fail_errno(err, LAB_CANNOT, "pipe");
    (void)fflush(NULL);
    *pid = fork();
    if (*pid == 0) {
        struct outcome o = {.probed = false};
        (void)close(ends[0]);
        put(o.name, sizeof(o.name), p->name);
        o.probed = check_in_world(p, timeout, &o) == 0;
        const char *at = (const char *)&o;
        size_t left = sizeof(o);
        while (left > 0) {
            ssize_t n = write(ends[1], at, left);
            if (n <= 0 && errno != EINTR)
                _exit(1);
            if (n > 0) {
                at += n;
                left -= (size_t)n;
            }
        }
        _exit(0);
    }
    (void)close(ends[1]);
    if (*pid < 0) {
        (void)lab_fail_errno(err, LAB_CANNOT, "fork");
        (void)close(ends[0]);
        return -1;
    }
    return ends[0];
}

static void collect(int fd, pid_t pid, struct outcome *out)
{
    char *at = (char *)out;
    size_t left = sizeof(*out);
    while (left > 0) {
        ssize_t n = read(fd, at, left);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        if (n > 0) {
            at += n;
            left -= (size_t)n;
        }
    }
    (void)close(fd);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    if (left > 0) {
        memset(out, 0, sizeof(*out));
        (void)lab_fail(&out->err, LAB_BROKEN, "the checking process died");
    }
}

static void print_outcome(const struct outcome *o, FILE *out)
{
    if (!o->probed)
        (void)fprintf(out, "%-20s not probed: %s\n", o->name, o->err.text);
    else if (o->result.ok)
        (void)fprintf(out, "%-20s ok    %6.1f ms  %s\n", o->name, o->milliseconds,
                      o->result.observed);
    else
        (void)fprintf(out, "%-20s WRONG %6.1f ms  %s\n%-20s       seen: %s\n", o->name,
                      o->milliseconds, o->result.mismatch, "", o->result.observed);
    (void)fflush(out);
}

static json_t *outcome_json(const struct outcome *o)
{
    if (!o->probed)
        return json_pack("{s:s, s:b, s:s}", "profile", o->name, "probed", 0, "error", o->err.text);
    return json_pack("{s:s, s:b, s:b, s:f, s:s, s:s, s:s, s:s, s:s}", "profile", o->name, "probed",
                     1, "ok", o->result.ok, "ms", o->milliseconds, "mapping",
                     nat_mapping_name(o->result.mapping), "filtering",
                     nat_filtering_name(o->result.filtering), "allocation",
                     nat_allocation_name(o->result.allocation), "observed", o->result.observed,
                     "mismatch", o->result.mismatch);
}

static int choose_profiles(const struct nat_options *o, struct nat_profile **out, size_t *count,
                           struct lab_error *err)
{
    char **shipped = NULL;
    size_t shipped_count = 0;
    int rc = -1;
    if (o->name_count == 0 && nat_profile_list(&shipped, &shipped_count, err) != 0)
        return -1;
    *count = o->name_count > 0 ? o->name_count : shipped_count;
    *out = calloc(*count + 1, sizeof(**out));
    if (*out == NULL) {
        (void)lab_fail(err, LAB_CANNOT, "out of memory");
        goto cleanup;
    }
    rc = 0;
    for (size_t i = 0; i < *count && rc == 0; i++)
        rc = nat_profile_chosen(o->name_count > 0 ? o->names[i] : shipped[i], o, &(*out)[i], err);
cleanup:
    for (size_t i = 0; i < shipped_count; i++)
        free(shipped[i]);
    free(shipped);
    return rc;
}

/* 3 before 5 before 1, as everywhere. */
static enum lab_exit worse(enum lab_exit a, const struct outcome *o)
{
    enum lab_exit b = LAB_GOOD;
    if (!o->probed)
        b = o->err.code;
    else if (!o->result.ok)
        b = LAB_FAILED;
    if (a == LAB_USAGE || b == LAB_USAGE)
        return LAB_USAGE;
    if (a == LAB_CANNOT || b == LAB_CANNOT)
        return LAB_CANNOT;
    return a > b ? a : b;
}

enum lab_exit nat_check_all(const struct nat_options *o, FILE *out)
{
    struct lab_error err = {.code = LAB_GOOD};
    struct nat_profile *profiles = NULL;
    struct outcome *outcomes = NULL;
    int *fds = NULL;
    pid_t *pids = NULL;
    size_t count = 0;
    size_t started = 0;
    enum lab_exit code = LAB_GOOD;
    json_t *all = json_array();
    if (choose_profiles(o, &profiles, &count, &err) != 0 || kernel_privileges(&err) != 0)
        goto cleanup;
    outcomes = calloc(count + 1, sizeof(*outcomes));
    fds = calloc(count + 1, sizeof(*fds));
    pids = calloc(count + 1, sizeof(*pids));
    if (outcomes == NULL || fds == NULL || pids == NULL) {
        (void)lab_fail(&err, LAB_CANNOT, "out of memory");
        goto cleanup;
    }
    for (size_t i = 0; i < count; i++) {
        /* Timeouts pass side by side; else one after the other, for steady times. */
        while (started < count && (o->timeout || started == i)) {
            fds[started] = start(&profiles[started], o->timeout, &pids[started], &err);
            if (fds[started] < 0)
                break;
            started++;
        }
        if (i >= started)
            break;
        collect(fds[i], pids[i], &outcomes[i]);
        if (outcomes[i].name[0] == '\0')
            put(outcomes[i].name, sizeof(outcomes[i].name), profiles[i].name);
        code = worse(code, &outcomes[i]);
        if (o->json)
            (void)json_array_append_new(all, outcome_json(&outcomes[i]));
        else
            print_outcome(&outcomes[i], out);
    }
    if (o->json) {
        (void)json_dumpf(all, out, JSON_INDENT(2));
        (void)fputc('\n', out);
    }
cleanup:
    json_decref(all);
    free(pids);
    free(fds);
    free(outcomes);
    free(profiles);
    if (err.code != LAB_GOOD) {
        (void)fprintf(stderr, "natlab nat check: %s\n", err.text);
        return err.code;
    }
    return code;
}
