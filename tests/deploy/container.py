"""deploy/container: hadolint, the list of packages against what the programs are linked with, and the
last stage's files made here and run: read-only, as the image's user, with the image's own words."""

import json
import os
import re
import stat
import subprocess

import boot
import processes
from suite import Skip, contains, equal, expect

HERE = os.path.join(boot.ROOT, "deploy", "container")


def read(name):
    with open(os.path.join(HERE, name)) as f:
        return f.read()


def lint(w, text):
    path = w.space.file("lint/Containerfile", text)
    return w.space.run(["hadolint", "--failure-threshold", "style", path])


def test_containerfile_lints(w):
    done = lint(w, read("Containerfile"))
    equal((done.returncode, done.stdout), (0, ""), "hadolint")


def test_hadolint_finds_what_is_planted(w):
    for good, bad, said in (
            ("ARG DEBIAN=debian:bookworm-slim\n\nFROM ${DEBIAN} AS build",
             "FROM debian:latest AS build", "DL3007"),
            ("COPY . .", "ADD . .", "DL3020"),
            ("WORKDIR /src", "WORKDIR src", "DL3000"),
            ("RUN make build", "RUN cd /src && make build", "DL3003"),
            ("RUN make build", "RUN make build $1 | tee log", "SC2086"),
            ("--no-install-recommends ca-certificates", "ca-certificates", "DL3015"),
            ('CMD ["serve"]', "CMD serve", "DL3025")):
        expect(good in read("Containerfile"), good)
        done = lint(w, read("Containerfile").replace(good, bad, 1))
        expect(done.returncode != 0, f"{bad!r} is not found")
        contains(done.stdout, said)


def packages_of(*programs):
    """By ldd and dpkg, another way than rootfs.sh goes: whose files are loaded."""
    paths = set()
    for program in programs:
        loaded = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        paths |= set(re.findall(r"(/\S+) \(0x", loaded))
    found = set()
    for path in sorted(paths):
        real = os.path.realpath(path)
        for name in (real, real.removeprefix("/usr"), path):
            done = subprocess.run(["dpkg-query", "--search", name], capture_output=True, text=True)
            if done.returncode == 0:
                found.add(done.stdout.split(":")[0])
                break
        else:
            raise RuntimeError(f"no package has {path}")
    return found


def test_packages_are_those_that_are_linked(w):
    listed = read("runtime-packages.txt").split()
    equal(listed, sorted(set(listed)), "sorted, and each once")
    linked = packages_of(w.binary, w.verifier)
    expect({"libc6", "libssl3", "libstdc++6"} <= linked, f"ldd names {linked}")
    expect(packages_of(w.verifier) < linked, "other programs, other packages")
    # Certificates and OpenSSL's settings are data; coreutils has the chart's preStop hook.
    equal(set(listed), linked | {"ca-certificates", "coreutils", "openssl"})


def image(w):
    """The files of the last stage; made once."""
    if os.geteuid() != 0:
        raise Skip("making and entering the image's files needs root")
    root = os.path.join(w.space.path, "rootfs")
    if not os.path.exists(root):
        done = w.space.run([os.path.join(HERE, "rootfs.sh"), root, w.binary, w.verifier])
        equal(done.returncode, 0, done.stderr)
    return root


def files_of(root):
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            yield os.path.relpath(path, root), os.lstat(path)


def test_image_holds_nothing_to_use_against_it(w):
    root = image(w)
    programs = sorted(os.listdir(os.path.join(root, "usr/bin")))
    equal(programs, ["sleep", "stint", "stint-verify"])
    for path, status in files_of(root):
        if not stat.S_ISREG(status.st_mode):
            continue
        expect(not status.st_mode & (stat.S_ISUID | stat.S_ISGID), f"{path} is setuid")
        expect(not status.st_mode & 0o022, f"{path} can be written to by others")
        executable = status.st_mode & 0o111
        expect(not executable or path.startswith(("usr/bin/", "usr/lib/", "usr/lib64/")), path)
    size = sum(s.st_size for _, s in files_of(root)) >> 20
    expect(size < 128, f"{size} MiB")
    print(f"     {size} MiB in {sum(1 for _ in files_of(root))} files")


def test_image_says_what_it_is_made_of(w):
    """Scanners read dpkg's words from status.d, one file a package."""
    folder = os.path.join(image(w), "var/lib/dpkg/status.d")
    equal(sorted(os.listdir(folder)), read("runtime-packages.txt").split())
    for name in os.listdir(folder):
        with open(os.path.join(folder, name)) as f:
            words = f.read()
        expect(re.search(rf"(?m)^Package: {re.escape(name)}$", words), name)
        expect(re.search(r"(?m)^Version: \S+$", words), name)


def test_user_is_the_same_everywhere(w):
    user = re.search(r"(?m)^USER (\d+):(\d+)$", read("Containerfile"))
    equal(user[1], user[2])
    with open(os.path.join(image(w), "etc/passwd")) as f:
        equal(f.read().split(":")[2], user[1])
    with open(os.path.join(boot.ROOT, "deploy/helm/stint/templates/deployment.yaml")) as f:
        deployment = f.read()
    for key in ("runAsUser", "runAsGroup", "fsGroup"):
        equal(re.search(rf"{key}: (\d+)", deployment)[1], user[1], key)


# Enters the files as an engine would: read-only but for the volume, no /proc, nothing of the machine.
POD = """\
set -eu
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=700,uid=65532,gid=65532 tmpfs "$root/var/lib/stint"
ip link set lo up
in_it="env -i STINT_HOME=/var/lib/stint $(command -v chroot) --userspec=65532:65532 $root"
$in_it "$@" >&2 &
healthy=1
for _ in $(seq 100); do
  if $in_it $HEALTH; then healthy=0; break; fi
  sleep 0.1
done
echo "health $healthy"
$in_it /usr/bin/sleep 0 && echo "sleeps"
touch "$root/usr/x" 2>/dev/null || echo "read-only"
ls "$root/var/lib/stint" | tr '\\n' ' '
kill -TERM $!
status=0; wait $! || status=$?
echo "ended $status"
# Without a server the same check fails.
if $in_it $HEALTH; then echo "healthy all the same"; fi
"""


def test_image_runs_as_it_says(w):
    boot.may_unshare()
    entry, health, command = (json.loads(re.search(rf"(?m)^{word} (\[.*\])$", read("Containerfile"))[1])
                              for word in ("ENTRYPOINT", "HEALTHCHECK .* CMD", "CMD"))
    done = w.space.run(["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "bash", "-c",
                        POD, "pod", image(w), *entry, *command], env={"HEALTH": " ".join(health)})
    equal(done.returncode, 0, done.stderr)
    for part in ("health 0", "sleeps", "read-only", "operator.sock", "stint.db", "ended 0"):
        contains(done.stdout, part, done.stderr[-500:])
    expect("all the same" not in done.stdout, "the health check can fail")
    contains(done.stderr, '"stopped","clean":true')


def test_image_believes_public_authorities(w):
    """The bundle is where OpenSSL looks: with a certificate added to it, a server with that is believed."""
    root = image(w)
    trusted = os.path.join(root, "etc/ssl/certs/ca-certificates.crt")
    with open(trusted) as f:
        bundle = f.read()
    expect(bundle.count("BEGIN CERTIFICATE") > 50, "public authorities")
    key, certificate = (os.path.join(w.space.dir("authority"), n) for n in ("key", "crt"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    space, home = w.space, w.space.dir("tls-home")
    space.start([w.binary, "serve"], "tls.log", {
        "STINT_HOME": home, "STINT_TLS__CERT_FILE": certificate, "STINT_TLS__KEY_FILE": key,
        **{f"STINT_LISTEN__{n}": "127.0.0.1:0" for n in ("CONTROL", "GATEWAY", "OPERATIONS")}})
    ports = os.path.join(home, "ports.json")
    processes.wait_until("ports.json", lambda: os.path.exists(ports))
    with open(ports) as f:
        port = json.load(f)["control_port"]
    space.file("rootfs/etc/stint/id-token-test", "no-token\n")

    def asked():
        return space.run(["chroot", "--userspec=65532:65532", root, "/usr/bin/stint", "whoami", "--addr",
                          f"https://127.0.0.1:{port}"], env={
                              "STINT_HOME": "/var/lib/stint",
                              "STINT_ID_TOKEN_FILE": "/etc/stint/id-token-test"}).stderr
    contains(asked(), "tls handshake failed")
    with open(trusted, "a") as bundle_file, open(certificate) as ours:
        bundle_file.write(ours.read())
    expect("cannot reach" not in asked(), f"it is believed now: {asked()}")
