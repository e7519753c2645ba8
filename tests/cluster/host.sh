#!/usr/bin/env bash
# The first process of a host, in namespaces of its own: what machines do not share, then sshd.
# usage: host.sh FOLDER NAME
set -euo pipefail
mount --make-rprivate /
mount --bind "$1/tmp" /tmp
mount -t tmpfs -o size=1g tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mkdir -p /run/sshd
for file in passwd hosts nsswitch.conf; do
  mount --bind "$1/etc/$file" "/etc/$file"
done
hostname "$2"
/usr/sbin/sshd -D -e -f "$1/etc/sshd_config" &
wait
