#!/bin/sh
# Runs tox on a machine that has only Python, git and apt. Creates a virtual environment for tox in .tox/.tox-itself, and does
# not change the system's Python. All arguments go to tox.
#
#   sh setup.sh             lint, types, tests
#   sh setup.sh -e study    the main job
set -eu
cd "$(dirname "$0")"
home=.tox/.tox-itself

if [ ! -x "$home/bin/tox" ]; then
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup.sh: Ravine needs Python 3.11 or newer, and python3 is $(python3 --version 2>&1)" >&2
    exit 2
  }
  rm -rf "$home"
  mkdir -p .tox
  # On Debian and Ubuntu the module venv is a separate package.
  python3 -m venv "$home" 2>/dev/null || {
    rm -rf "$home"
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    echo "setup.sh: installing python3-venv" >&2
    $sudo apt-get update -qq && $sudo apt-get install -y -qq python3-venv >/dev/null
    python3 -m venv "$home"
  }
  "$home/bin/python" -m pip install --quiet --disable-pip-version-check 'tox>=4.22' 'tox-uv>=1.16'
fi
exec "$home/bin/tox" "$@"
