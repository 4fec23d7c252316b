# What tests need from outside cargo. Sourced by tests/all, tests/long and benches/run.
# A test that needs NAME stands in a module `needs_NAME` and is `#[ignore = "needs …"]`, so that a plain
# `cargo test` leaves it out. Here stands, for each NAME, how to see that it is there and which packages bring it.
# A server (a database, a cluster) adds `start_NAME` and `stop_NAME`, which tests/all calls around the tests.

PATH="$PATH:/usr/sbin:/sbin" # where some tools lie that need no root
NEEDS="bio fuse mount postgres python reflink root science shells slurm strace"
GENOME=/usr/share/doc/bowtie2/examples/reference/lambda_virus.fa.gz

have_bio() { have bwa && have samtools && have wgsim && have bcftools && have python3 && [ -r "$GENOME" ]; }
packages_bio="bwa samtools bcftools bowtie2-examples python3"
# A mount of a program's own, in a namespace of one's own: it stands for a network file system.
have_fuse() { have bindfs && have_mount && [ -r /dev/fuse ] && [ -w /dev/fuse ]; }
packages_fuse="bindfs util-linux"
have_mount() { unshare --user --map-root-user --mount true 2>/dev/null; }
packages_mount="util-linux"
# The image is made of busybox. The setting of limits that podman itself does is not allowed everywhere.
have_podman() { have podman && have runc && [ -x /bin/busybox ] && have tar; }
packages_podman="podman runc busybox-static"
# The tests start their servers themselves.
have_postgres() { { have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; } && have openssl && have ps; }
packages_postgres="postgresql openssl procps"
have_python() { [ -x /usr/bin/python3 ]; }
packages_python="python3"
have_reflink() { [ "$(id -u)" = 0 ] && [ -e /dev/loop-control ] && have mkfs.btrfs; }
packages_reflink="btrfs-progs"
# Tests that become other users.
have_root() { [ "$(id -u)" = 0 ] && have setpriv; }
packages_root="util-linux"
have_science() { /usr/bin/python3 -c 'import matplotlib, sklearn' 2>/dev/null; }
packages_science="python3 python3-sklearn python3-matplotlib"
have_shells() { have bash && have ksh && have zsh; }
packages_shells="bash ksh zsh"
# One of the clusters has an accounting.
have_slurm() { have munged && have slurmctld && have slurmd && have sbatch && have slurmdbd && have mariadbd; }
packages_slurm="munge slurmctld slurmd slurm-client slurmdbd mariadb-server"
have_strace() { have strace && strace -f -o /dev/null true; }
packages_strace="strace"

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif have sudo && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

# Installs Debian packages, when there is apt and we may. Small images drop /usr/share/doc, where the genome lies.
install() {
    have apt-get && as_root true || return 1
    echo "installing: $*"
    local apt="env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0"
    local keep="-o Dpkg::Options::=--path-include=/usr/share/doc/bowtie2/*"
    as_root $apt update >/dev/null 2>&1 || true
    as_root $apt install --no-install-recommends --reinstall $keep "$@" >/dev/null
}

# Sets MISSING to the needs that are not met and cannot be.
meet_needs() {
    have cc || install gcc libc6-dev || { echo "there is no C compiler: apt-get install gcc libc6-dev"; exit 1; }
    MISSING=""
    local need packages
    for need in $NEEDS; do
        packages=packages_$need
        "have_$need" || install ${!packages} || true
        "have_$need" || { MISSING="$MISSING $need"; echo "left out: tests that need_$need: apt-get install ${!packages}"; }
    done
}
