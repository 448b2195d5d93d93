#include "cli/lookup.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct lookup {
    char name[LOOKUP_NAME_MAX + 1];
    bool over;
    bool left; /* nobody waits for it any more */
    int error;
    struct addrinfo *found;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_cond_t one_is_over;

static void init_once(void)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&one_is_over, &attr);
    pthread_condattr_destroy(&attr);
}

static void drop(struct lookup *l)
{
    if (l->found) {
        freeaddrinfo(l->found);
    }
    free(l);
}

static void *run(void *arg)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct lookup *l = arg;
    struct addrinfo *found = NULL;
    int error = getaddrinfo(l->name, NULL, &hints, &found);
    bool left;

    pthread_mutex_lock(&lock);
    l->over = true;
    l->error = error;
    l->found = error ? NULL : found;
    left = l->left;
    pthread_cond_broadcast(&one_is_over);
    pthread_mutex_unlock(&lock);
    if (left) {
        drop(l);
    }
    return NULL;
}

struct lookup *lookup_start(const char *name)
{
    struct lookup *l = calloc(1, sizeof(*l));
    size_t len = strlen(name);
    pthread_attr_t attr;
    pthread_t thread;
    int err;

    if (!l || len > LOOKUP_NAME_MAX) {
        free(l);
        return NULL;
    }
    memcpy(l->name, name, len + 1);
    pthread_once(&once, init_once);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    err = pthread_create(&thread, &attr, run, l);
    pthread_attr_destroy(&attr);
    if (err) {
        free(l);
        return NULL;
    }
    return l;
}

static bool all_over(struct lookup *const *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (all[i] && !all[i]->over) {
            return false;
        }
    }
    return true;
}

void lookup_wait(struct lookup *const *all, size_t n, long ms)
{
    struct timespec end;
    int rc = 0;

    pthread_once(&once, init_once);
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&lock);
    while (rc == 0 && !all_over(all, n)) {
        rc = pthread_cond_timedwait(&one_is_over, &lock, &end);
    }
    pthread_mutex_unlock(&lock);
}

int lookup_take(struct lookup *l, struct addrinfo **out)
{
    int error = EAI_INPROGRESS;
    bool over;

    *out = NULL;
    pthread_mutex_lock(&lock);
    over = l->over;
    if (over) {
        error = l->error;
        *out = l->found;
        l->found = NULL;
    } else {
        l->left = true;
    }
    pthread_mutex_unlock(&lock);
    if (over) {
        drop(l);
    }
    return error;
}
