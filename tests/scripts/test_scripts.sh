#!/bin/bash
# Tests of what the other checks stand on: scripts/run-tests adds up what programs report,
# scripts/check-rooms finds what it is there to find, scripts/setup asks for what is missing and for
# nothing else.
# Programs are written here, in which $ is their own.
# shellcheck disable=SC2016
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
failed=0

fail() {
    printf 'FAIL %s\n' "$*"
    failed=1
}
# has NAME TEXT: the output of the last run has a line that contains it
has() { grep -qF -- "$2" "$here/out" || fail "$1: no '$2' in: $(cat "$here/out")"; }

# A program that prints what a cmocka program prints, and ends as it is told.
program() { # FOLDER/NAME STATUS LINE...
    local file=$here/$1 status=$2
    shift 2
    mkdir -p "$(dirname "$file")"
    {
        echo '#!/bin/bash'
        printf "echo '%s'\n" "$@"
        echo "exit $status"
    } >"$file"
    chmod +x "$file"
}
run() { # NAME EXPECTED-STATUS EXPECTED-LAST-LINE PROGRAM...
    local name=$1 want=$2 last=$3 status
    shift 3
    scripts/run-tests --timeout 1 --logs "$here/logs" "${@/#/$here/}" >"$here/out" 2>&1
    status=$?
    [ "$status" = "$want" ] || fail "$name: status $status, not $want"
    [ "$(tail -n 1 "$here/out")" = "$last" ] || fail "$name: last line '$(tail -n 1 "$here/out")', not '$last'"
}

program a/test_good 0 '[ RUN      ] one' '[       OK ] one' '[ RUN      ] two' '[       OK ] two'
program a/test_skip 0 '[ RUN      ] one' '[       OK ] one' '[ RUN      ] net' 'no namespaces here' \
    '[  SKIPPED ] net' '[  SKIPPED ] 1 test(s), listed below:' '[  SKIPPED ] net'
program a/test_bad 1 '[ RUN      ] one' '[  ERROR   ] --- 0x1 != 0x2' '[  FAILED  ] one' \
    '[ RUN      ] two' '[       OK ] two' '[  FAILED  ] 1 test(s), listed below:' '[  FAILED  ] one'
program a/test_crash 139 '[ RUN      ] one' '[       OK ] one' '[ RUN      ] two'
program a/test_leak 23 '[ RUN      ] one' '[       OK ] one' 'ERROR: LeakSanitizer: detected memory leaks'
program a/test_setup 1 '[  FAILED  ] GROUP SETUP' '[  ERROR   ] a'
program a/test_empty 0 'nothing'
program lab_a/test_kernel 0 '[ RUN      ] one' '[       OK ] one'
mkdir -p "$here/a"
# Reading from a pipe whose other end stays open: it never ends, and nothing sleeps.
printf '#!/bin/bash\necho "[ RUN      ] stuck"\nexec {fd}<> <(:)\nread -r -u "$fd"\n' >"$here/a/test_hang"
chmod +x "$here/a/test_hang"

run good 0 '2 passed, 0 failed, 0 skipped' a/test_good
run skip 0 '2 passed, 0 failed, 1 skipped' a/test_skip lab_a/test_kernel
has skip 'skip net: no namespaces here'
run bad 1 '3 passed, 1 failed, 0 skipped' a/test_good a/test_bad
has bad 'FAIL one'
has bad '0x1 != 0x2'
run crash 1 '1 passed, 1 failed, 0 skipped' a/test_crash
has crash 'FAIL two: the program ended in it, with status 139'
run leak 1 '1 passed, 1 failed, 0 skipped' a/test_leak
has leak 'LeakSanitizer'
run setup 1 '0 passed, 1 failed, 0 skipped' a/test_setup
run empty 1 '0 passed, 1 failed, 0 skipped' a/test_empty
run hang 1 '0 passed, 1 failed, 0 skipped' a/test_hang
has hang 'FAIL no end after 1 s, in stuck'
run missing 1 '0 passed, 1 failed, 0 skipped' a/test_absent
run nothing 1 '0 passed, 1 failed, 0 skipped'

# check-rooms: a tree with a fault in each file, and the line that says so.
tree=$here/tree
mkdir -p "$tree"/{src/{base,wire,quic,path,host,cli,call},lab/{nat,router,run,world}}
rooms() { # NAME STATUS TEXT...
    local name=$1 want=$2 status text
    shift 2
    scripts/check-rooms "$tree" >"$here/out" 2>&1
    status=$?
    [ "$status" = "$want" ] || fail "$name: status $status, not $want: $(cat "$here/out")"
    for text in "$@"; do has "$name" "$text"; done
}
cat >"$tree/src/call/a.c" <<'C'
#include "path/table.h"
#include "host/host.h"
/* socket() is for others; so is time(NULL). */
const char *text = "rand() and /* this */";
void f(struct host *h) { h->send(h); ph_send(h); }
C
printf '#include <sys/socket.h>\nint g(void) { return socket(1, 2, 3); }\n' >"$tree/src/host/a.c"
rooms clean 0
printf '#include <sys/socket.h>\nint g(void)\n{\n    return socket (1, 2, 3);\n}\n' >"$tree/src/path/a.c"
rooms io 1 'src/path/a.c:1: the core has no I/O' 'src/path/a.c:4: the core does no I/O: socket()'
printf '#include "path/table.h"\n#include "lab/yaml.h"\n' >"$tree/src/path/a.c"
printf '#include "quic/quic.h"\n' >"$tree/src/wire/a.h"
printf '#include "host/loop.h"\n' >"$tree/src/quic/a.h"
printf '#include "lab/run/trial.h"\n' >"$tree/lab/nat/a.c"
printf '#include "base/addr.h"\n#include "wire/pcp.h"\n' >"$tree/lab/router/a.c"
rooms down 1 'src/path/a.c:2: src knows nothing of lab' \
    'src/wire/a.h:1: includes point down only: src/wire may not include "quic/quic.h"' \
    'src/quic/a.h:1: of host the core knows host/host.h alone' \
    'lab/nat/a.c:1: includes point down only: lab/nat may not include "lab/run/trial.h"' \
    'lab/router/a.c:2: lab/router is held against src'
rm "$tree"/src/{path/a.c,wire/a.h,quic/a.h} "$tree"/lab/{nat,router}/a.c
{ yes 'int x;' | head -n 701; } >"$tree/src/base/long.c"
printf 'char *p = "%s";\n' '/ho''me/someone/x' >"$tree/lab/run/a.c"
printf 'void f(void)\n{\n    usleep(3);\n}\n' >"$tree/lab/world/a.c"
rooms rest 1 'src/base/long.c:701: more than 700 lines' 'lab/run/a.c:1: a path of one machine' \
    'lab/world/a.c:3: nothing sleeps here'

# setup: a machine of stand-ins, whose dpkg-query lacks what $LACKS names.
fake=$here/bin
mkdir -p "$fake"
for tool in bash dirname env cat; do ln -s "$(command -v $tool)" "$fake/$tool"; done
stand_in() { # NAME LINE...
    local name=$1
    shift
    { echo '#!/bin/bash' && printf '%s\n' "$@"; } >"$fake/$name"
    chmod +x "$fake/$name"
}
stand_in dpkg-query 'for word in "$@"; do case " $LACKS -W -f " in *" $word "*) ;; *) printf "ii %s " "$word" ;; esac; done' \
    'exit 1'
stand_in apt-get 'echo "apt-get $*" >>"$CALLS"' '[ "$1" != "$FAILS" ]'
stand_in apt-cache 'exit 0'
stand_in pkg-config 'exit 0'
stand_in id 'echo "$WHO"'
set_up() { # NAME STATUS SET LACKS WHO
    local name=$1 want=$2 status
    : >"$here/calls"
    PATH=$fake LACKS=$4 WHO=$5 CALLS=$here/calls FAILS=${FAILS:-} scripts/setup "$3" \
        >"$here/out" 2>&1 </dev/null
    status=$?
    [ "$status" = "$want" ] || fail "$name: status $status, not $want: $(cat "$here/out")"
    cat "$here/calls" >>"$here/out"
}
set_up complete 0 check '' 1000
[ ! -s "$here/out" ] || fail "complete: not silent: $(cat "$here/out")"
set_up lacking 0 run 'scdoc clang' 0
has lacking 'apt-get -qq -y install'
has lacking '--no-install-recommends scdoc'
grep -q clang "$here/out" && fail 'lacking: asks for what the set has not'
set_up either 0 check 'libclang-rt-dev' 0
[ ! -s "$here/out" ] || fail "either: asks although the other one is there: $(cat "$here/out")"
set_up no-sudo 3 run 'scdoc patch' 1000
has no-sudo 'apt-get update && apt-get install -y --no-install-recommends patch scdoc'
[ ! -s "$here/calls" ] || fail 'no-sudo: called apt-get'
stand_in sudo 'echo "sudo" >>"$CALLS"' '[ "$1" != -n ] || shift' 'exec "$@"'
set_up sudo 0 run 'scdoc' 1000
has sudo '--no-install-recommends scdoc'
[ "$(grep -c sudo "$here/calls")" = 2 ] || fail 'sudo: not used for both calls'
set_up nothing-for-sudo 0 run '' 1000
[ ! -s "$here/calls" ] || fail 'nothing-for-sudo: called something'
FAILS=-qq set_up broken 3 run 'scdoc' 0
has broken 'By hand, as root'
set_up unknown 2 everything '' 0

[ "$failed" = 0 ] && echo 'scripts: all as expected'
exit "$failed"
