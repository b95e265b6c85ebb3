#!/usr/bin/env bash
# test_deb.sh DEBIAN PACKAGE NEXT: what PACKAGE does to a Debian, and that it serves there; then an upgrade to NEXT, removal and purge.
# DEBIAN (a debootstrap folder) is only read: all changes go into a layer over it, which is gone afterwards. As root.
set -euo pipefail
lower=$1 package=$(realpath "$2") next=$(realpath "$3")
work=$(mktemp -d /tmp/corolla-deb-XXXXXX)
root=$work/root

end() {
  local code=$?
  if [ -n "${fleet:-}" ]; then
    tail -n 20 "$work/status.json" "$work/fleet.log" >&2
    kill -9 "$fleet" 2>/dev/null || true
  fi
  for at in dev proc ''; do
    if mountpoint -q "$root/$at"; then umount "$root/$at" 2>/dev/null || umount -l "$root/$at"; fi
  done
  # The layer lies in memory of its own: nothing else is deleted than what was made here.
  mountpoint -q "$work" && umount -l "$work"
  rmdir "$work" 2>/dev/null || true
  [ $code = 0 ] || echo "FAILED in: $what" >&2
  exit $code
}
trap end EXIT

what="mounting"
mount -t tmpfs -o size=4g tmpfs "$work"
mkdir -p "$work"/{upper,layer,root}
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/layer" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o size=1g,mode=755 tmpfs "$root/dev"
for device in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
  read -r name major minor <<<"$device"
  mknod -m 666 "$root/dev/$name" c "$major" "$minor"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mkdir -p "$root/run" "$root/packages"
cp "$package" "$root/packages/corolla.deb"
cp "$next" "$root/packages/next.deb"
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
# Services are no concern of a chroot's.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" && chmod 755 "$root/usr/sbin/policy-rc.d"

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
step() { what=$*; printf '  %s\n' "$*"; }
fail() { echo "$*" >&2; exit 1; }

step "installing it with what it depends on"
inside apt-get update -q >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
inside apt-get install -y -q --no-install-recommends curl man-db bash-completion systemd >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
# Files that were there before it, to be compared with what is there after the purge.
list() { (cd "$root" && find etc usr var/cache var/lib/systemd opt -xdev ! -path 'var/lib/dpkg/*' ! -path 'var/cache/apt/*' ! -path 'var/cache/man/*' ! -path 'var/cache/ldconfig/*' ! -path 'var/cache/debconf/*' | LC_ALL=C sort); }
inside apt-get install -y -q --no-install-recommends --download-only /packages/corolla.deb >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
inside sh -c 'dpkg-deb -f /packages/corolla.deb Depends | sed "s/([^)]*)//g; s/,/ /g" | xargs apt-get install -y -q --no-install-recommends' >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
list >"$work/before"
inside apt-get install -y -q --no-install-recommends /packages/corolla.deb >"$work/log" 2>&1 || { tail -n 40 "$work/log"; exit 1; }

step "every library of every program is found"
missing=$(inside sh -c 'for f in /usr/lib/corolla/bin/* /usr/lib/corolla/lib/*.so*; do ldd $f; done' 2>&1 | grep "not found" || true)
[ -z "$missing" ] || fail "$missing"
inside corolla --version

step "manual pages, completion and the unit are in their places"
inside man -w corolla corolla-up corolla-perf >/dev/null
inside bash -c 'source /usr/share/bash-completion/bash_completion; _completion_loader corolla; complete -p corolla' >/dev/null
inside systemd-analyze verify /lib/systemd/system/corolla.service 2>&1 | (! grep -i "corolla.service") || fail "systemd-analyze verify has something to say"

step "the installed configuration serves the installed model"
sed -e 's/: 8000/: 0/; s/: 8001/: 0/; s/: 8002/: off/' "$root/etc/corolla/corolla.yaml" >"$root/packages/test.yaml"
inside corolla up -f /packages/test.yaml --name deb-test-$$ --slices 1 --json >"$work/status.json" 2>"$work/fleet.log" &
fleet=$!
for ((i = 0; i < 1200; i++)); do
  [ -s "$work/status.json" ] && break
  kill -0 $fleet || { cat "$work/fleet.log"; exit 1; }
  sleep 0.1
done
address=$(sed -n 's/.*"http":"\([^"]*\)".*/\1/p' "$work/status.json")
pictures=("$root"/usr/share/corolla/models/flower/examples/*.jpg)
inside corolla classify -u "$address" --top 1 "${pictures[0]#"$root"}" | tee "$work/answer"
grep -q '0\.[0-9]' "$work/answer" || fail "no class came back"
inside corolla stop --name deb-test-$$ >/dev/null
wait $fleet || { cat "$work/fleet.log"; exit 1; }
fleet=
[ -n "$(ls "$root/var/cache/corolla")" ] || fail "the compiled model is not in /var/cache/corolla"

step "a changed corolla.yaml survives the upgrade"
echo "# mine" >>"$root/etc/corolla/corolla.yaml"
inside apt-get install -y -q --no-install-recommends /packages/next.deb >"$work/log" 2>&1 || { tail -n 40 "$work/log"; exit 1; }
inside dpkg-query -W -f '${Version}\n' corolla | grep -qx 999.0 || fail "it was not upgraded"
grep -q "# mine" "$root/etc/corolla/corolla.yaml" || fail "the administrator's changes are lost"

step "removal leaves the configuration alone, purge leaves nothing"
inside apt-get remove -y -q corolla >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
[ -e "$root/etc/corolla/corolla.yaml" ] || fail "removal took the configuration"
[ ! -e "$root/usr/bin/corolla" ] && [ ! -e "$root/usr/lib/corolla" ] || fail "removal left programs"
inside apt-get purge -y -q corolla >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
list >"$work/after"
left=$(comm -13 "$work/before" "$work/after")
[ -z "$left" ] || fail "purge left: $left"
echo "the package installs, serves, upgrades, is removed and purged"
