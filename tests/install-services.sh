#!/usr/bin/env bash
# Brings what the tests need beside Python's packages: Chromium and Prometheus from Debian, and the jars of Kafka.
#   tests/install-services.sh BIN      BIN: the environment's folder of commands, such as .venv/bin
# What cannot be had is named: on a laptop the tests of it are skipped, where CI=true this fails.
set -euo pipefail
bin=${1:?usage: tests/install-services.sh BIN, such as .venv/bin}
missing=()

has_any() { # COMMAND ...: whether one of them is there
  local name
  for name in "$@"; do command -v "$name" >/dev/null && return 0; done
  return 1
}

packages=()
has_any chromium chromium-browser google-chrome || packages+=(chromium)
{ has_any prometheus && has_any promtool; } || packages+=(prometheus)

as_root=()
can_install=yes
if ! has_any apt-get; then
  can_install="this is no Debian, so install them by hand"
elif [[ $(id -u) -ne 0 ]]; then
  if has_any sudo && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    can_install="run 'sudo apt-get install --no-install-recommends ${packages[*]:-}' yourself"
  fi
fi

install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --quiet=2 --no-install-recommends -o DPkg::Lock::Timeout=120 "$@" >&2
}

if [[ ${#packages[@]} -gt 0 ]]; then
  if [[ $can_install == yes ]]; then
    echo "Installing ${packages[*]} ..." >&2
    # The lists of packages may be missing or old: then the first try fails.
    if install "${packages[@]}" 2>/dev/null || { "${as_root[@]}" apt-get update --quiet=2 >&2 && install "${packages[@]}"; }; then
      # Debian starts a Prometheus of its own; the tests want the program alone.
      if [[ -d /run/systemd/system && " ${packages[*]} " == *" prometheus "* ]]; then
        "${as_root[@]}" systemctl disable --quiet --now prometheus || true
      fi
    else
      missing+=("${packages[*]} (apt-get could not install them, see above)")
    fi
  else
    missing+=("${packages[*]} ($can_install)")
  fi
fi

"$bin/python" -m silofrei.deploy.local.fetch_kafka || missing+=("the jars of Kafka (see above)")

if [[ ${#missing[@]} -gt 0 ]]; then
  printf 'Missing: %s\n' "${missing[@]}" >&2
  if [[ ${CI:-} == true ]]; then
    echo "CI must have all of them." >&2
    exit 1
  fi
  echo "The tests that need them are skipped." >&2
fi
