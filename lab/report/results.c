#include "lab/report/results.h"

#include "lab/report/junit.h"
#include "lab/report/summary.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX 100000

/* errno says why. */
static int unwritable(struct lab_error *err, const char *what, const char *path)
{
    return lab_fail(err, LAB_CANNOT, "cannot %s %s: %s; name another folder with --out", what, path,
                    strerror(errno));
}

static bool path_in(const struct results *r, const char *name, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s/%s", r->dir, name);
    return n > 0 && (size_t)n < cap;
}

static FILE *open_in(const struct results *r, const char *name, struct lab_error *err)
{
    char path[PATH_MAX];
    if (!path_in(r, name, path, sizeof(path))) {
        lab_fail(err, LAB_USAGE, "the name of the folder is too long");
        return NULL;
    }
    FILE *f = fopen(path, "we");
    if (f == NULL)
        unwritable(err, "write", path);
    return f;
}

static int close_file(const struct results *r, FILE *f, const char *name, struct lab_error *err)
{
    bool bad = ferror(f) != 0;
    if (fclose(f) != 0 || bad)
        return lab_fail_errno(err, LAB_CANNOT, "cannot write %s/%s", r->dir, name);
    return 0;
}

static int write_text(const struct results *r, const char *name, const char *text,
                      struct lab_error *err)
{
    if (text == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    FILE *f = open_in(r, name, err);
    if (f == NULL)
        return -1;
    (void)fprintf(f, "%s\n", text);
    return close_file(r, f, name, err);
}

/* mkdir -p. */
static int make_folders(const char *path, struct lab_error *err)
{
    char copy[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof(copy))
        return lab_fail(err, LAB_USAGE, "the name of the folder is empty or too long");
    memcpy(copy, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (copy[i] != '/' && copy[i] != '\0')
            continue;
        char kept = copy[i];
        copy[i] = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            return unwritable(err, "make the folder", copy);
        copy[i] = kept;
    }
    return 0;
}

/* results/NAME/1, 2, 3, ...: whoever makes the folder has the number. */
static int make_numbered(struct results *r, const char *name, struct lab_error *err)
{
    char parent[PATH_MAX / 2], target[PATH_MAX];
    (void)snprintf(parent, sizeof(parent), "results/%s", name);
    if (make_folders(parent, err) != 0)
        return -1;
    for (unsigned n = 1; n < RUNS_MAX; n++) {
        (void)snprintf(r->dir, sizeof(r->dir), "%s/%u", parent, n);
        if (mkdir(r->dir, 0777) != 0) {
            if (errno == EEXIST)
                continue;
            return unwritable(err, "make the folder", r->dir);
        }
        (void)snprintf(target, sizeof(target), "%s/%u", name, n);
        /* A convenience: where it cannot be, nothing is lost. */
        (void)unlink("results/latest");
        if (symlink(target, "results/latest") != 0)
            errno = 0;
        return 0;
    }
    return lab_fail(err, LAB_CANNOT, "%s has %d runs; clear it", parent, RUNS_MAX);
}

static int make_given(struct results *r, const char *dir, struct lab_error *err)
{
    char path[PATH_MAX];
    if (make_folders(dir, err) != 0)
        return -1;
    (void)snprintf(r->dir, sizeof(r->dir), "%s", dir);
    if (path_in(r, "run.json", path, sizeof(path)) && access(path, F_OK) == 0)
        return lab_fail(err, LAB_USAGE, "%s holds a run already; name another folder", dir);
    return 0;
}

static json_t *axes_json(const struct run *run)
{
    json_t *o = json_object();
    for (size_t i = 0; i < run->scenario->axes.count; i++) {
        const struct axis *axis = &run->scenario->axes.items[i];
        json_t *values = json_array();
        for (size_t k = 0; k < axis->count; k++)
            json_array_append_new(values, json_string(axis->values[k]));
        json_object_set_new(o, axis->name, values);
    }
    return o;
}

static json_t *scenario_json(const struct run *run)
{
    const struct scenario *s = run->scenario;
    char hash[17];
    json_t *o = json_object(), *stages = json_array();
    (void)snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)s->hash);
    json_object_set_new(o, "name", json_string(s->name));
    json_object_set_new(o, "file", json_string(s->path));
    json_object_set_new(o, "hash", json_string(hash));
    json_object_set_new(o, "topology", json_string(s->topology.name));
    json_object_set_new(o, "axes", axes_json(run));
    json_object_set_new(o, "pairs", json_string(s->unordered ? "unordered" : "ordered"));
    json_object_set_new(o, "cells", json_integer((json_int_t)run->matrix.count));
    json_object_set_new(o, "trials", json_integer(run->trials));
    for (int i = 0; i < PH_STAGE_COUNT; i++)
        if ((s->stages & (1u << i)) != 0)
            json_array_append_new(stages, json_string(ph_stage_name((enum ph_stage)i)));
    json_object_set_new(o, "stages", stages);
    json_object_set_new(o, "give_up_ms", json_integer((json_int_t)(s->give_up / PH_MS)));
    json_object_set_new(o, "media_ms", json_integer((json_int_t)(s->media / PH_MS)));
    json_object_set_new(o, "text", json_string(s->text));
    return o;
}

/* In a user namespace of its own the lab is root to itself alone. */
static bool is_root(void)
{
    unsigned long inside = 1, outside = 1, count = 0;
    FILE *f = fopen("/proc/self/uid_map", "re");
    if (f == NULL)
        return geteuid() == 0;
    char line[128] = "", *end = line;
    if (fgets(line, sizeof(line), f) != NULL) {
        inside = strtoul(line, &end, 10);
        outside = strtoul(end, &end, 10);
        count = strtoul(end, &end, 10);
    }
    (void)fclose(f);
    return geteuid() == 0 && inside == 0 && outside == 0 && count > 1;
}

static int write_run(const struct results *r, const struct run *run, bool over,
                     struct lab_error *err)
{
    struct utsname name;
    char seed[17];
    json_t *o = json_object(), *machine = json_object();
    (void)snprintf(seed, sizeof(seed), "%016llx", (unsigned long long)run->seed);
    json_object_set_new(o, "schema", json_integer(1));
    json_object_set_new(o, "scenario", scenario_json(run));
    json_object_set_new(o, "world", json_string(run->world));
    json_object_set_new(o, "seed", json_string(seed));
    json_object_set_new(o, "partial", json_boolean(run->partial));
    if (uname(&name) == 0) {
        json_object_set_new(machine, "system", json_string(name.sysname));
        json_object_set_new(machine, "kernel", json_string(name.release));
        json_object_set_new(machine, "architecture", json_string(name.machine));
    }
    json_object_set_new(machine, "cores", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(machine, "root", json_boolean(is_root()));
    json_object_set_new(o, "machine", machine);
    json_object_set_new(o, "started", json_string(r->started));
    if (over) {
        json_object_set_new(o, "duration_s", json_real(round((double)run->duration / 1e6) / 1e3));
        json_object_set_new(o, "interrupted", json_boolean(run->interrupted));
    }
    char *text = json_dumps(o, JSON_INDENT(1) | JSON_REAL_PRECISION(10));
    json_decref(o);
    int rc = write_text(r, "run.json", text, err);
    free(text);
    return rc;
}

int results_open(struct results *r, const struct run *run, const char *dir, struct lab_error *err)
{
    struct tm tm;
    time_t now = time(NULL);
    memset(r, 0, sizeof(*r));
    if (gmtime_r(&now, &tm) == NULL ||
        strftime(r->started, sizeof(r->started), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        r->started[0] = '\0';
    if ((dir != NULL ? make_given(r, dir, err) : make_numbered(r, run->scenario->name, err)) != 0)
        return -1;
    if (write_run(r, run, false, err) != 0)
        return -1;
    r->trials = open_in(r, "trials.jsonl", err);
    return r->trials != NULL ? 0 : -1;
}

int results_trial(struct results *r, const struct run *run, size_t cell, unsigned trial,
                  uint64_t seed, const struct trial_result *result, struct lab_error *err)
{
    char *line = record_json(run, cell, trial, seed, result);
    if (line == NULL)
        return lab_fail(err, LAB_CANNOT, "out of memory");
    bool bad = fprintf(r->trials, "%s\n", line) < 0 || fflush(r->trials) != 0;
    free(line);
    return bad ? lab_fail_errno(err, LAB_CANNOT, "cannot write %s/trials.jsonl", r->dir) : 0;
}

int results_finish(struct results *r, const struct run *run, const struct expect_result *expects,
                   const bool *cell_failed, struct lab_error *err)
{
    char *text = summary_json(run, expects);
    int rc = write_text(r, "summary.json", text, err);
    free(text);
    if (rc != 0 || write_run(r, run, true, err) != 0)
        return -1;
    FILE *f = open_in(r, "summary.md", err);
    if (f == NULL)
        return -1;
    (void)summary_markdown(run, expects, f);
    if (close_file(r, f, "summary.md", err) != 0)
        return -1;
    f = open_in(r, "junit.xml", err);
    if (f == NULL)
        return -1;
    (void)junit_write(run, expects, cell_failed, f);
    return close_file(r, f, "junit.xml", err);
}

void results_close(struct results *r)
{
    if (r->trials != NULL)
        (void)fclose(r->trials);
    r->trials = NULL;
}
