#!/usr/bin/env bash
# slurm_up.sh LAB [CPUS]: a real one-node Slurm (munged, slurmctld, slurmd) on loopback, as root.
# All of it lives in the folder LAB, except one link: /etc/slurm/slurm.conf, because the jobs that
# snakemake-executor-plugin-slurm starts lose SLURM_CONF and look only at the built-in place.
# slurm_down.sh LAB takes it down. A lab whose starter died (a killed test run) is taken down first.
set -euo pipefail
lab=$1 cpus=${2:-2}
here=$(cd "$(dirname "$0")" && pwd)
built_in=/etc/slurm/slurm.conf
PATH=$PATH:/usr/sbin:/sbin

die() { echo "$1" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "Slurm's daemons need root here."
for program in munged slurmctld slurmd sbatch; do
  command -v "$program" >/dev/null || die "$program is not installed; run make system."
done
if [ -L "$built_in" ] && [ -f "$(dirname "$(readlink "$built_in")")/starter" ]; then
  old=$(dirname "$(readlink "$built_in")")
  ! kill -0 "$(cat "$old/starter")" 2>/dev/null || die "Another lab is up in $old."
  bash "$here/slurm_down.sh" "$old"
elif [ -L "$built_in" ] && [ ! -e "$built_in" ]; then
  rm "$built_in"
fi
[ ! -e "$built_in" ] || die "This machine has a Slurm of its own ($built_in); it is left alone."

mkdir -p "$lab" /etc/slurm
cd "$lab"
mkdir -p state spool logs
chmod 755 . state spool logs   # slurmd and munged refuse a folder that only its owner may enter
echo "$PPID" >starter
: >pids

# start NAME ARGUMENT...: one daemon in the foreground of its own session, its pid noted
start() {
  setsid "$@" >"logs/$1.out" 2>&1 </dev/null &
  echo "$! $1" >>pids
}
# within SECONDS COMMAND...: ask until it succeeds
within() {
  local last=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$last" ] || { tail -n 5 logs/* >&2; die "Gave up waiting for: $*"; }
    sleep 0.2
  done
}
up=no
trap '[ $up = yes ] || bash "$here/slurm_down.sh" "$lab"' EXIT

(umask 077; head -c 1024 /dev/urandom >munge.key)
start munged --foreground --force --key-file="$lab/munge.key" --socket="$lab/munge.socket" \
  --pid-file="$lab/munged.pid" --log-file="$lab/logs/munged.log" --seed-file="$lab/munge.seed"
within 10 munge -n -S "$lab/munge.socket"

memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
host=$(hostname -s)
cat >slurm.conf <<CONF
ClusterName=lab
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=36917
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$lab/munge.socket
CredType=cred/munge
AccountingStorageType=accounting_storage/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=300
KillWait=5
StateSaveLocation=$lab/state
SlurmdSpoolDir=$lab/spool
SlurmctldPidFile=$lab/slurmctld.pid
SlurmdPidFile=$lab/slurmd.pid
SlurmctldLogFile=$lab/logs/slurmctld.log
SlurmdLogFile=$lab/logs/slurmd.log
NodeName=lab1 NodeHostname=$host NodeAddr=127.0.0.1 Port=36921 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
ln -s "$lab/slurm.conf" "$built_in"
export SLURM_CONF=$lab/slurm.conf

start slurmctld -D
start slurmd -D -N lab1
within 30 bash -c 'sinfo -h -t idle -o %D | grep -qx 1'
within 20 srun -n1 true
up=yes
