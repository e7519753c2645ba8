#!/usr/bin/env bash
# Sets up one node: the pinned environment (installed once; again only when the pins change) and the shell profile.
# usage: setup.sh CACHE_DIRECTORY [FILE_OF_FURTHER_PACKAGES]; the cluster files run it where they put the project.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
chmod 600 ~/.ray/auth_token # without a token there is no cluster

if ! command -v python3.11 >/dev/null || ! command -v g++ >/dev/null; then
  sudo apt-get -qq -o DPkg::Lock::Timeout=600 update
  sudo apt-get -qq -y -o DPkg::Lock::Timeout=600 install python3.11 python3.11-venv python3.11-dev make g++
fi
if ! cat constraints.txt pyproject.toml | cmp -s - .venv/.installed; then
  python3.11 -m venv .venv
  pip=".venv/bin/python -m pip install --quiet --disable-pip-version-check"
  $pip --no-deps --require-hashes --requirement constraints-hashes.txt
  $pip --constraint constraints.txt "$(grep '^torch==' constraints.txt)" # with the CUDA libraries that it asks for
  $pip --no-deps --no-build-isolation --editable .
  [ $# -lt 2 ] || $pip --no-deps --require-hashes --requirement "$2"
  cat constraints.txt pyproject.toml >.venv/.installed
fi

cache=$HOME/.cache
[ ! -w "$1" ] || cache=$1 # the head has no NVMe
mkdir -p "$cache/tmp"
cat >~/.lookahead-ray.sh <<PROFILE
export PATH="$PWD/.venv/bin:\$PATH"
export RAY_AUTH_MODE=token
export RAY_USAGE_STATS_ENABLED=0
export RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S=1800 # a machine that starts from nothing installs first
export XDG_CACHE_HOME="$cache"
export TMPDIR="$cache/tmp" RAY_TMPDIR=/tmp # checkpoints on their way to a URL need room; Ray's sockets a short path
PROFILE
grep -qs lookahead-ray.sh ~/.bashrc || echo '. ~/.lookahead-ray.sh' >>~/.bashrc
