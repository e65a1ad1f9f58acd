#!/usr/bin/env bash
# Debian packages that napari's windows and the tests that draw need; nothing is done where they are present.
set -euo pipefail
packages=(
  python3-venv xvfb xauth libgl1 libgl1-mesa-dri libegl1 libopengl0 libdbus-1-3 libfontconfig1 libglib2.0-0
  libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
  libxcb-shape0 libxcb-xinerama0 libxcb-xkb1
)
if ! command -v apt-get >/dev/null; then
  echo "Not a Debian system: install Xvfb and Qt's xcb libraries by hand if windows do not open."
  exit 0
fi
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi
command=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -ne 0 ]; then
  echo "Missing system packages; without them windows and the tests that draw may fail. Install them with:"
  echo "  sudo ${command[*]}"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
"${command[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${command[@]}" >/dev/null; }
