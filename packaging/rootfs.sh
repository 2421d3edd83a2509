#!/bin/sh
# rootfs.sh DIR [PROGRAM...]: lays out in DIR what the bot's image holds beside
# the bot: git for HTTP, the programs named, the libraries all of them are linked
# with, certificates and an account that is not root. No shell, no package
# manager. It runs on Debian with git and ca-certificates.
set -eu
root=$1
shift

add() {
  mkdir -p "$root$(dirname "$1")"
  cp -L "$1" "$root$1"
}

for program in /usr/bin/git /usr/lib/git-core/git-remote-http /usr/lib/git-core/git-remote-https "$@"; do
  add "$program"
  for library in $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true); do
    [ -e "$root$library" ] || add "$library"
  done
done
add /etc/ssl/certs/ca-certificates.crt
echo 'root:x:0:0:root:/:/nonexistent
shipmate:x:65532:65532:shipmate:/data:/nonexistent' >"$root/etc/passwd"
echo 'root:x:0:
shipmate:x:65532:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
mkdir -p -m 1777 "$root/tmp"
mkdir -p -m 0700 "$root/data"
chown 65532:65532 "$root/data"
