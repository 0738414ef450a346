#!/usr/bin/env bash
# System parts that some tests use: list them; as root install what is missing, else print the command.
set -euo pipefail

# command or file, Debian package, what it is for
parts=(
  "ssh-keygen  openssh-client  signing"
  "slurmctld   slurmctld       Slurm"
  "slurmd      slurmd          Slurm"
  "sbatch      slurm-client    Slurm"
  "munged      munge           Slurm"
  "chromium    chromium        pages"
  "Orthanc     orthanc         PACS"
  "/usr/share/orthanc/plugins/libOrthancDicomWeb.so  orthanc-dicomweb  PACS"
)
PATH=$PATH:/usr/sbin:/sbin   # daemons lie there; a plain user's PATH may lack it
missing=()
for part in "${parts[@]}"; do
  read -r command package purpose <<<"$part"
  if command -v "$command" >/dev/null || [ -e "$command" ]; then state=present; else state=missing; missing+=("$package"); fi
  printf '%-8s  %-16s  %s\n' "$state" "$package" "$purpose"
done
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if ! command -v apt-get >/dev/null; then
  echo "No apt-get here: install by this system's own means: ${missing[*]}" >&2
  exit 1
elif [ "$(id -u)" != 0 ]; then
  echo "To install them: sudo apt-get update && sudo ${install[*]}" >&2
  exit 1
fi
echo "Installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
"${install[@]}" -qq >/dev/null
# Debian starts Orthanc as a service that listens to the network; the tests start their own.
if [[ " ${missing[*]} " == *" orthanc "* && -d /run/systemd/system ]]; then
  systemctl disable --now orthanc
fi
