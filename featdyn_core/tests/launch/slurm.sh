#!/usr/bin/env bash
# Start a Slurm cluster of two nodes on this machine, for tests. Needs Debian's packages slurm-wlm and munge, and root.
# Usage: slurm.sh FOLDER; afterwards SLURM_CONF=FOLDER/slurm.conf names it. Stop it with: slurm.sh FOLDER stop
set -euo pipefail
folder=$(realpath -m "$1")
export SLURM_CONF="$folder/slurm.conf"
if [ "${2:-}" = stop ]; then
    for file in "$folder"/*.pid; do kill "$(cat "$file")" 2>/dev/null || true; done
    exit
fi
mkdir -p "$folder"/{state,spool-node1,spool-node2}
if ! munge -n >/dev/null 2>&1; then
    mkdir -p /run/munge && chown munge: /run/munge
    runuser -u munge -- munged
fi
cat >"$SLURM_CONF" <<END
ClusterName=tests
SlurmctldHost=$(hostname -s)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmctldPort=16817
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmdSpoolDir=$folder/spool-%n
StateSaveLocation=$folder/state
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
NodeName=node[1-2] NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[16818-16819] CPUs=1 State=UNKNOWN
PartitionName=usual Nodes=ALL Default=YES MaxTime=60 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=0
PartitionName=urgent Nodes=ALL MaxTime=60 State=UP PriorityTier=10 PreemptMode=OFF
END
slurmctld
slurmd -N node1
slurmd -N node2
for _ in $(seq 60); do
    [ "$(sinfo -h -o '%T' -p usual)" = idle ] && exit
    sleep 0.5
done
sinfo
exit 1
