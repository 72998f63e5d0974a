#!/usr/bin/env bash
# rootfs.sh TARGET PROGRAM…: the smallest tree in which these programs run: themselves, the libraries that
# ldd names, `sleep` for a preStop hook, the certificates of public authorities, and one user without a
# shell. No shell, no package manager, nothing setuid. What each file is a part of stands in
# var/lib/dpkg/status.d, where scanners look for it, with its copyright beside.
#
# Run as root, in a stage of the Containerfile or on any Debian 12 that has runtime-packages.txt.
set -euo pipefail
target=$1
shift
programs=("$@" /usr/bin/sleep)
user=65532
[ ! -e "$target" ] || { echo "rootfs.sh: $target is there already" >&2; exit 1; }

umask 022
mkdir -p "$target"/{etc/ssl/certs,etc/stint,run/stint,tmp,usr/bin,usr/lib/ssl,usr/lib64,var/lib/dpkg/status.d,var/lib/stint}
ln -s usr/lib "$target/lib"
ln -s usr/lib64 "$target/lib64"
ln -s usr/bin "$target/bin"

for program in "${programs[@]}"; do
  install -m 755 "$program" "$target/usr/bin/"
done

# Libraries by the name that the loader asks for, and the loader by its own.
libraries=$(for program in "${programs[@]}"; do ldd "$program"; done |
  awk '/not found/ {exit 1} $2 == "=>" {print $3} $1 ~ /^\// {print $1}' | sort -u)
for library in $libraries; do
  mkdir -p "$target$(dirname "$library")"
  install -m 755 "$(readlink -f "$library")" "$target$library"
done

files=(/etc/ssl/openssl.cnf)
install -m 644 /etc/ssl/certs/ca-certificates.crt "$target/etc/ssl/certs/"
install -m 644 "${files[@]}" "$target/etc/ssl/"
ln -s /etc/ssl/certs/ca-certificates.crt "$target/usr/lib/ssl/cert.pem"
ln -s /etc/ssl/certs "$target/usr/lib/ssl/certs"
ln -s /etc/ssl/openssl.cnf "$target/usr/lib/ssl/openssl.cnf"

echo "stint:x:$user:$user:Stint:/var/lib/stint:/usr/sbin/nologin" >"$target/etc/passwd"
echo "stint:x:$user:" >"$target/etc/group"
echo 'hosts: files dns' >"$target/etc/nsswitch.conf"
chmod 1777 "$target/tmp"
chown $user:$user "$target/var/lib/stint" "$target/run/stint"
chmod 700 "$target/var/lib/stint" "$target/run/stint"

# dpkg may know a file by its path before or after /usr was merged.
package_of() {
  local path
  for path in "$(readlink -f "$1")" "$1"; do
    dpkg-query -S "$path" 2>/dev/null || dpkg-query -S "${path#/usr}" 2>/dev/null || continue
    return
  done
  echo "rootfs.sh: no package has $1" >&2
  return 1
}
packages=$({ echo ca-certificates:; for file in $libraries "${files[@]}" /usr/bin/sleep; do package_of "$file"; done; } |
  cut -d: -f1 | sort -u)
for package in $packages; do
  dpkg-query --status "$package" >"$target/var/lib/dpkg/status.d/$package"
  mkdir -p "$target/usr/share/doc/$package"
  install -m 644 "/usr/share/doc/$package/copyright" "$target/usr/share/doc/$package/"
done
