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

# Keeps what the browser says until it is up, so that a failed start has a reason. The reader is
# started twice removed, so that the browser has no child of whose end it knows nothing.
if mkfifo -m 600 "$files/said.fifo" 2>/dev/null; then
    (
        lines=0
        while IFS= read -r line; do
            lines=$((lines + 1))
            [ "$lines" -gt 300 ] || printf '%s\n' "$line" >>"$files/said"
            printf '%s\n' "$line" >&2
            case $line in *'DevTools listening on '*) break ;; esac
        done <"$files/said.fifo" &
    )
    exec 2>"$files/said.fifo"
    rm -f "$files/said.fifo"
fi

exec 3<"/dev/fd/$lease" 4>/dev/null
exec "$chrome" --remote-debugging-pipe "$@"
