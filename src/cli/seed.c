#include "cli/seed.h"

#include "base/mac.h"
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_LEN (2 * PH_SEED_LEN)

static int draw(uint8_t seed[PH_SEED_LEN])
{
    if (getrandom(seed, PH_SEED_LEN, 0) != PH_SEED_LEN) {
        fprintf(stderr, "pinhole: no random bytes: %s\n", strerror(errno));
        return CLI_CANNOT;
    }
    return CLI_GOOD;
}

static int make(const char *path, uint8_t seed[PH_SEED_LEN])
{
    char text[TEXT_LEN + 2];
    int code = draw(seed);
    int fd;

    if (code) {
        return code;
    }
    ph_hex(seed, PH_SEED_LEN, text);
    text[TEXT_LEN] = '\n';
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, TEXT_LEN + 1) != TEXT_LEN + 1 || fsync(fd) < 0) {
        fprintf(stderr, "%s: cannot make this seed file: %s; name one in a folder of your own\n",
                path, strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(path);
        }
        return CLI_CANNOT;
    }
    close(fd);
    return CLI_GOOD;
}

static int parse(const char *path, char *text, size_t len, uint8_t seed[PH_SEED_LEN])
{
    if (len == TEXT_LEN + 1 && text[TEXT_LEN] == '\n') {
        len--;
    }
    text[len] = '\0';
    if (len != TEXT_LEN || !ph_unhex(text, seed, PH_SEED_LEN)) {
        fprintf(stderr,
                "%s:1:1: not a seed file: %d hex digits should stand in its one line; move it away "
                "and a new one is made\n",
                path, TEXT_LEN);
        return CLI_USAGE;
    }
    return CLI_GOOD;
}

int seed_load(const char *path, uint8_t seed[PH_SEED_LEN])
{
    char text[TEXT_LEN + 3];
    struct stat st;
    ssize_t len;
    int fd;

    if (!path) {
        return draw(seed);
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT) {
            return make(path, seed);
        }
        fprintf(stderr, "%s: cannot read this seed file: %s\n", path, strerror(errno));
        return CLI_USAGE;
    }
    if (fstat(fd, &st) == 0 && (st.st_mode & 077)) {
        fprintf(stderr, "%s: warning: others may read it and pass for you; chmod 600 mends it\n",
                path);
    }
    len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len < 0) {
        fprintf(stderr, "%s: cannot read this seed file: %s\n", path, strerror(errno));
        return CLI_USAGE;
    }
    return parse(path, text, (size_t)len, seed);
}
