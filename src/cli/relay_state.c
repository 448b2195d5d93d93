#include "cli/relay_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* More calls than any relay has. */
#define FILE_MAX (64u << 20)

static uint64_t wall_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec;
}

/* The whole file; NULL with errno. */
static uint8_t *read_all(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = NULL;
    struct stat st;
    size_t at = 0;
    ssize_t n = 1;

    if (fd < 0) {
        return NULL;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
        errno = EINVAL;
    } else {
        bytes = malloc((size_t)st.st_size + 1);
    }
    while (bytes && n > 0 && at < (size_t)st.st_size) {
        n = read(fd, bytes + at, (size_t)st.st_size - at);
        at += n > 0 ? (size_t)n : 0;
    }
    if (bytes && n < 0) {
        free(bytes);
        bytes = NULL;
    }
    close(fd);
    *len = at;
    return bytes;
}

static const char *why(int err)
{
    switch (err) {
    case PH_ERR_AUTH:
        return "it is of a relay with another seed or other addresses";
    case PH_ERR_TIMEOUT:
        return "it is too old: its calls are over";
    case PH_ERR_FORMAT:
        return "it is damaged, or no state of a relay";
    default:
        return ph_strerror(err);
    }
}

int relay_state_load(struct ph_relay *relay, const char *path)
{
    size_t len = 0;
    uint8_t *bytes = read_all(path, &len);
    int count;

    if (!bytes) {
        if (errno != ENOENT) {
            fprintf(stderr, "%s: cannot read this state: %s; the relay starts without calls\n",
                    path, strerror(errno));
        }
        return 0;
    }
    count = ph_relay_import(relay, wall_seconds(), bytes, len);
    free(bytes);
    if (count < 0) {
        fprintf(stderr, "%s: this state is not taken: %s; the relay starts without calls\n", path,
                why(count));
        return 0;
    }
    unlink(path);
    return count;
}

static bool write_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0;
}

bool relay_state_save(const struct ph_relay *relay, const char *path)
{
    size_t room = strlen(path) + sizeof(".new");
    char *fresh = malloc(room);
    uint8_t *bytes = NULL;
    size_t len;
    int fd = -1;
    bool good = false;

    if (!fresh || ph_relay_export(relay, wall_seconds(), &bytes, &len)) {
        errno = ENOMEM;
        goto cleanup;
    }
    snprintf(fresh, room, "%s.new", path);
    unlink(fresh);
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    good = fd >= 0 && write_all(fd, bytes, len) && rename(fresh, path) == 0;
cleanup:
    if (!good) {
        fprintf(stderr, "%s: cannot write the state: %s; name a file in a folder of your own\n",
                path, strerror(errno));
        if (fd >= 0) {
            unlink(fresh);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    free(bytes);
    free(fresh);
    return good;
}
