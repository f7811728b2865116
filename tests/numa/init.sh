#!/bin/sh
# tests/numa/init.sh - /init of the virtual machine: mounts what programs expect and runs checks.sh,
# whose verdicts go to the second serial port and everything else to the first.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp OMP_WAIT_POLICY=passive
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs tmp /dev/shm
stty -F /dev/ttyS1 raw
# Nothing is mounted on /tmp: the project's folder may be below it.
cd /tmp && sh /numa/checks.sh 3>/dev/ttyS1
poweroff -f
