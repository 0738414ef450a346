#!/usr/bin/env bash
# slurm_down.sh LAB: end exactly the daemons that slurm_up.sh noted, newest first, by pid and name.
set -euo pipefail
lab=$1
[ -f "$lab/pids" ] || exit 0

running() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ]; }   # a pid may be someone else's by now

ended() {
  local _
  for _ in $(seq 100); do running "$@" || return 0; sleep 0.1; done
  return 1
}

# A step outlives its slurmd: jobs end first.
export SLURM_CONF=$lab/slurm.conf
if timeout 5 scancel --user=root 2>/dev/null; then
  for _ in $(seq 100); do [ -n "$(timeout 5 squeue -h 2>/dev/null)" ] || break; sleep 0.1; done
fi

tac "$lab/pids" | while read -r pid name; do
  running "$pid" "$name" || continue
  kill -TERM "$pid" 2>/dev/null || true
  ended "$pid" "$name" || kill -KILL "$pid" 2>/dev/null || true
done
rm -f "$lab/pids" "$lab/starter"
if [ "$(readlink /etc/slurm/slurm.conf 2>/dev/null)" = "$lab/slurm.conf" ]; then rm /etc/slurm/slurm.conf; fi
