#!/usr/bin/env python3
"""posix_compare.py REFERENCE OURS [--third DIR]... [--only WORD] [--theme THEME]... [--seeds A-B] [--ops N] [--sample] [--verbose]: POSIX
behaviour of two mounted filesystems, system call by system call.

As root, in two empty directories that everybody may enter. Each case of posix_cases_*.py, and random sequences by seed, run in
both, in a process of their own; their transcripts (posix_calls.py) must be equal, but for what posix_known.py lists with the
reason why it cannot be. A difference counts when two more runs of the case have it too. What is listed there and does not happen any
more is a failure too. --third shows beside each difference what another filesystem gives: a second one behind FUSE tells what FUSE does from what we do.
"""
import argparse
import importlib
import json
import os
import re
import select
import signal
import sys
import time

import posix_calls
import posix_known

THEMES = ['names', 'open', 'data', 'ranges', 'attrs', 'procs', 'random']  # and atime, for mounts where reading moves it
LIMIT_S = 300


def child(directory, function, mount_root, out):
    os.umask(0)
    os.makedirs(os.path.dirname(directory), 0o777, exist_ok=True)
    os.umask(0o022)
    os.mkdir(directory)
    os.chmod(directory, 0o777)
    os.chdir(directory)
    lines = []
    try:
        c = posix_calls.Case(lines, getattr(function, 'watch', None))
        c.mount_root = mount_root
        function(c)
        posix_calls.become(*posix_calls.USERS['root'])
        if c.watch_names is None:
            c.contents()
    except Exception as e:  # what a case did not expect is a line that differs
        import traceback
        lines.append({'call': f'EXCEPTION {type(e).__name__} {e}', 'result': traceback.format_exc(), 'changes': {}})
    os.write(out, json.dumps(lines).encode())


def mount_of(path):
    while not os.path.ismount(path):
        path = os.path.dirname(path)
    return path


def run_one(root, name, function):
    """The transcript of one case in one filesystem."""
    r, w = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.close(r)
        try:
            child(os.path.join(root, name), function, mount_of(root), w)
        finally:
            os._exit(0)
    os.close(w)
    data, until = b'', time.time() + LIMIT_S
    while True:
        ready, _, _ = select.select([r], [], [], max(until - time.time(), 0))
        piece = os.read(r, 1 << 20) if ready else b''
        if not ready:
            data = b''
        if not piece:
            break
        data += piece
    os.close(r)
    if not data:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return json.loads(data) if data else [{'call': 'HANG or death', 'result': '', 'changes': {}}]


def changes_text(line, other):
    """What one line changed and the other did not."""
    told = []
    for path, what in line['changes'].items():
        theirs = other['changes'].get(path)
        if what == theirs:
            continue
        if isinstance(what, dict) and isinstance(theirs, dict):
            what = {k: v for k, v in what.items() if theirs.get(k) != v}
        told.append(f'{path} {what}')
    return '; '.join(told) or '-'


def differences(name, transcripts):
    """One text for each line that is not the same in the first two."""
    first, second = transcripts[:2]
    for i in range(max(len(first), len(second))):
        none = {'call': '(nothing)', 'result': '', 'changes': {}}
        lines = [t[i] if i < len(t) else none for t in transcripts]
        a, b = lines[:2]
        if a == b and not a['call'].startswith(('EXCEPTION', 'HANG')):
            continue
        calls = a['call'] if a['call'] == b['call'] else f"{a['call']} <> {b['call']}"
        results = a['result'] if a['result'] == b['result'] else f"{a['result']} <> {b['result']}"
        text = f'{name} #{i} | {calls} | {results}'
        if a['changes'] != b['changes']:
            text += f' | {changes_text(a, b)} <> {changes_text(b, a)}'
        third = ''.join(f"\n    third: {t['result']} {json.dumps(t['changes'])}" for t in lines[2:])
        yield text, third


def run_all(roots, name, function):
    return [run_one(root, name, function) for root in roots]


def is_known(text):
    return any(re.search(k[0], text) for k in posix_known.KNOWN)


def lasting(roots, name, function, found):
    """Without the differences that are not there when the case is run again: clocks tick between two calls now and then."""
    for again in range(2):
        if all(is_known(text) for text, _ in found):
            break
        more = {text for text, _ in differences(name, run_all([f'{root}/again{again}' for root in roots], name, function))}
        found = [f for f in found if is_known(f[0]) or f[0] in more]
    return found


def judge(name, found, used, verbose):
    """Prints what is different and not known; returns how many."""
    bad = 0
    for text, third in found:
        reasons = [k for k in posix_known.KNOWN if re.search(k[0], text)]
        for k in reasons:
            used.add(k[0])
        if reasons and not verbose:
            continue
        bad += not reasons
        print(('known: ' if reasons else 'DIFFERENT: ') + text + third)
        if bad >= 40:
            print(f'{name}: and so on')
            break
    return bad


def cases_of(args):
    for theme in args.theme or THEMES:
        if theme != 'random':
            importlib.import_module(f'posix_cases_{theme}')
    cases = dict(posix_calls.CASES)
    if not args.theme or 'random' in args.theme:
        random_module = importlib.import_module('posix_random')
        first, last = (int(x) for x in args.seeds.split('-'))
        for seed in range(first, last + 1):
            cases[f'seed_{seed}'] = random_module.sequence(seed, args.ops)
    return {n: f for n, f in cases.items() if (not args.only or re.search(args.only, n)) and not (args.sample and hasattr(f, 'slow'))}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('reference')
    parser.add_argument('ours')
    parser.add_argument('--third', action='append', default=[])
    parser.add_argument('--only')
    parser.add_argument('--theme', action='append')
    parser.add_argument('--seeds', default='1-4')
    parser.add_argument('--ops', type=int, default=150)
    parser.add_argument('--sample', action='store_true', help='without the cases that take long')
    parser.add_argument('--verbose', action='store_true', help='tell what is known too')
    parser.add_argument('--timing', action='store_true')
    parser.add_argument('--print', action='store_true', help='the transcript of the reference')
    args = parser.parse_args()
    roots = [args.reference, args.ours] + args.third
    used, bad, nr_lines, cases = set(), 0, 0, cases_of(args)
    for name, function in cases.items():
        began = time.time()
        transcripts = run_all(roots, name, function)
        if args.print:
            for line in transcripts[0]:
                print(name, line['call'], '|', line['result'], '|', line['changes'])
        nr_lines += len(transcripts[0])
        if args.timing:
            print(f'{time.time() - began:6.2f} s {len(transcripts[0]):5} calls {name}')
        bad += judge(name, lasting(roots, name, function, list(differences(name, transcripts))), used, args.verbose)
    if not args.only and not args.theme and not args.sample:
        for pattern, _ in posix_known.KNOWN:
            # What random sequences meet is there with some seeds.
            if pattern not in used and not pattern.startswith('^seed_'):
                print(f'not different any more: {pattern}')
                bad += 1
    print(f'{len(cases)} cases, {nr_lines} calls, {bad} differences that are not known, {len(used)} kinds that are')
    if not cases or nr_lines < 10:
        sys.exit('nothing ran')
    sys.exit(bad > 0)


if __name__ == '__main__':
    main()
