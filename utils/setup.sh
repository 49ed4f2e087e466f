#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Installs what dlc needs and is not there yet: Debian packages (as root, or with
# sudo) and Python packages (into build/venv, where `import dlc` then works).
#   utils/setup.sh            what the build, the demo and the tests need
#   utils/setup.sh --models   also PyTorch and friends, to export the model zoo
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

PACKAGES=(
  libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools clang-22 lld-22 liblld-22-dev
  libclang-rt-22-dev clang-format-22 cmake ninja-build ccache git
  libprotobuf-dev protobuf-compiler libgtest-dev libxxhash-dev zlib1g-dev libzstd-dev
)

with_models=no
for argument in "$@"; do
  case $argument in
    --models) with_models=yes ;;
    *) die "unknown argument '$argument', expected --models" ;;
  esac
done

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]
}

install_debian_packages() {
  local missing=() package as_root=()
  # A Python that is not Debian's brings its own venv.
  python3 -c 'import ensurepip, venv' 2>/dev/null || PACKAGES+=(python3 python3-venv)
  for package in "${PACKAGES[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "needs apt-get (Debian 12) to install: ${missing[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "needs root or sudo to install: ${missing[*]}"
    as_root=(sudo)
  fi
  say "Debian packages: updating the lists"
  quietly "$BUILD/log/apt-update.log" "${as_root[@]}" apt-get update
  say "Debian packages: installing ${missing[*]}"
  quietly "$BUILD/log/apt-install.log" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
}

# install_requirements NAME: the packages of utils/NAME.txt, unless the very same
# list was installed before.
install_requirements() {
  local list=$ROOT/utils/$1.txt stamp=$VENV/.$1
  cmp -s "$list" "$stamp" && return 0
  say "Python packages: installing utils/$1.txt into build/venv"
  quietly "$BUILD/log/pip-$1.log" "$PYTHON" -m pip install --no-deps \
    --disable-pip-version-check -r "$list"
  cp "$list" "$stamp"
}

make_venv() {
  if ! [ -x "$PYTHON" ] || ! "$PYTHON" -c '' 2>/dev/null; then
    say "Python: making build/venv"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
      die "expected Python 3.11 or newer, got $(python3 --version)"
    rm -rf "$VENV"
    python3 -m venv "$VENV"
  fi
  local site
  site=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "$ROOT/python" >"$site/dlc.pth"
}

mkdir -p "$BUILD/log"
install_debian_packages
make_venv
install_requirements requirements
if [ $with_models = yes ]; then
  install_requirements requirements-models
fi
say "setup: everything is there"
