#!/usr/bin/env python3
"""pty_shell.py UBTRFS IMAGE: the interactive shell through a terminal.

Reads steps from standard input, two lines each: what is typed (with \\t, \\n, \\x03 escapes) and what must then appear on the
terminal before the next prompt ("" for nothing in particular). Prints what was not seen and exits 1.
"""
import os
import pty
import re
import select
import sys
import termios
import time

LIMIT_S = 30
TAIL_BYTES = 8192


def main():
    pid, fd = pty.fork()
    if pid == 0:
        os.environ['TERM'] = 'dumb'
        os.execv(sys.argv[1], [sys.argv[1], 'shell', sys.argv[2]])
    steps = sys.stdin.read().split('\n')
    seen = wait_for(fd, b'> ')
    for typed, wanted in zip(steps[::2], steps[1::2]):
        typed, wanted = (unescape(text) for text in (typed, wanted))
        if seen.endswith(b'> '):
            wait_for_editor(fd)
        os.write(fd, typed)
        seen = wait_for(fd, wanted)
        if wanted not in seen:
            sys.exit(f'after {typed!r}: no {wanted!r} in {seen[-500:]!r}')
    os.close(fd) if '--hang-up' in sys.argv else None
    end = time.time() + LIMIT_S
    while time.time() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            sys.exit(os.waitstatus_to_exitcode(status) & 0xff)
        if '--hang-up' not in sys.argv:
            wait_for(fd, b'\1', 0.1)
        time.sleep(0.02)
    os.kill(pid, 9)
    sys.exit('the shell did not end')


def wait_for_editor(fd):
    """The prompt stands a moment before the editor takes keys such as ^D and ^C for itself."""
    end = time.time() + LIMIT_S
    while termios.tcgetattr(fd)[3] & termios.ICANON and time.time() < end:
        time.sleep(0.01)


def wait_for(fd, wanted, limit_s=LIMIT_S):
    """The end of everything up to the wanted bytes; padding and movements of the cursor are left out."""
    seen, end = b'', time.time() + limit_s
    while time.time() < end:
        if select.select([fd], [], [], 0.05)[0]:
            try:
                more = os.read(fd, 65536)
            except OSError:
                break
            if not more:
                break
            seen = seen[-TAIL_BYTES:] + more
        if wanted in clean(seen):
            break
    return clean(seen)


def unescape(text):
    for escape, byte in (('\\t', '\t'), ('\\n', '\n'), ('\\r', '\r'), ('\\x03', '\3'), ('\\x04', '\4'), ('\\x10', '\x10')):
        text = text.replace(escape, byte)
    return text.encode()


def clean(seen):
    return re.sub(rb'\x1b\[[0-9;]*[A-Za-z]|\0', b'', seen)


if __name__ == '__main__':
    main()
