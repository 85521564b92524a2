#!/bin/sh
# Written by ZapNode: starts the browser so that it ends when ZapNode does, even by SIGKILL.
#
# The browser reads DevTools commands from descriptor 3 until its other end closes; then it exits
# in order. Nobody ever writes there: the other end is a pipe that ZapNode holds for as long as it
# lives. The number may have several digits, which dash does not take in `<&`, hence /dev/fd.
chrome=$ZAPNODE_CHROME
lease=$ZAPNODE_LEASE_FD
files=$ZAPNODE_LAUNCH_FILES
unset ZAPNODE_CHROME ZAPNODE_LEASE_FD ZAPNODE_LAUNCH_FILES

# `exec` below keeps this number.
printf '%s\n' "$$" >"$files/pid"

# First, for the numbers below may be the lease's own.
exec 3<"/dev/fd/$lease"

# Keeps what the browser says until it is up, so that a failed start has a reason. The pipe is
# opened for both ways first, because opening one way waits for the other: a shell that is killed
# in between would leave the other waiting for ever. The reader is started twice removed, so that
# the browser has no child of whose end it knows nothing.
fifo=$files/said.fifo
if mkfifo -m 600 "$fifo" 2>/dev/null; then
    exec 5<>"$fifo" 6<"$fifo" 7>"$fifo" 5>&-
    rm -f "$fifo"
    (
        {
            lines=0
            while IFS= read -r line; do
                lines=$((lines + 1))
                [ "$lines" -gt 300 ] || printf '%s\n' "$line" >>"$files/said"
                printf '%s\n' "$line" >&2
                case $line in *'DevTools listening on '*) break ;; esac
            done
        } <&6 3<&- 6<&- 7>&- &
    )
    exec 2>&7 6<&- 7>&-
fi

exec 4>/dev/null
exec "$chrome" --remote-debugging-pipe "$@"
