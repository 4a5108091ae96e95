#!/usr/bin/env python3
"""options_told.py UBTRFS ROOT [--all]: the options of every command are the same in its parser, its --help and its man page.

  --help and the parser    each option that --help lists is taken; each long name in a table of src/cli, and each short one, is listed by a --help
                           (with --all by that of each command that takes it: some thousand runs)
  --help and the man page  each option that --help lists is named in the page that has the command in its SYNOPSIS, by its letter or its name;
                           each that such a page names is listed by one of its commands

One line per finding; exit 1 when there is one."""
import glob
import os
import re
import string
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

UBTRFS, ROOT, ALL = sys.argv[1], sys.argv[2], '--all' in sys.argv[3:]
# ubtrfs(1) has them for all commands.
COMMON = ('device', 'partition', 'offset', 'super', 'subvolid', 'no-verify', 'noscan', 'help')
UNITS = ('raw', 'human-readable', 'iec', 'si', 'kbytes', 'mbytes', 'gbytes', 'tbytes')
# What mount(8) gives to mount.ubtrfs.
MOUNT_HELPER = 'sfnvN:o:t:'
# Pages speak of what others have, and what is refused.
OF_OTHERS = ('--reflink', '--commit-every', '--warning')
findings = []


def run(*words):
    done = subprocess.run([UBTRFS, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60)
    return done.stdout.decode() + done.stderr.decode()


def listed_commands(text):
    return re.findall(r'^    ([a-z][a-z-]*) ', text, re.M)


def commands():
    for name in listed_commands(run('help')):
        text = run(name, '--help')
        if text.startswith('usage: ubtrfs %s COMMAND ' % name):
            yield from ((name, below) for below in listed_commands(text))
        elif name not in ('help', 'version'):
            yield (name,)


def options_of(text):
    """What --help lists: a tuple of spellings for each line."""
    lines = re.findall(r'^ {1,8}(-\S.*?)(?:  |$)', text, re.M)
    return [w for w in (tuple(re.findall(r'(?<![\w-])(-[A-Za-z0-9]|--[a-z0-9-]+)(?![\w-])', line)) for line in lines) if w]


def is_taken(command, word):
    told = run(*command, word)
    return not re.search(r"unknown (or ambiguous )?option|there is no flag", told)


def check_parser(command, options):
    name = ' '.join(command)
    spelled = [word for words in options for word in words]
    for word in spelled:
        if not is_taken(command, word):
            findings.append('%s: --help lists %s, which is not taken' % (name, word))
    # Of these letters are operands as well.
    if not ALL or name in ('chattr', 'chmod'):
        return
    for word in ['-' + c for c in string.ascii_letters + string.digits] + ['--' + w for w in long_names]:
        # The beginning of a name is taken for it.
        if word not in spelled and not (word[1] == '-' and any(s.startswith(word) for s in spelled)) and is_taken(command, word):
            findings.append('%s: %s is taken, but not listed by --help' % (name, word))


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


sources = ''.join(read(path) for path in sorted(glob.glob(ROOT + '/src/cli/*.[ch]')))
long_names = sorted(set(re.findall(r'\{\s*"([a-z0-9-]+)",\s*(?:no|required|optional)_argument', sources)))
letters = set(c for shorts in re.findall(r'":([A-Za-z0-9:]+)"', sources) for c in shorts if c != ':' and shorts != MOUNT_HELPER)
helps = {command: run(*command, '--help') for command in commands()}
options = {command: options_of(text) for command, text in helps.items()}
every = {word for found in options.values() for words in found for word in words}
pages = {path: re.sub(r'[*_\\]', '', read(path)) for path in glob.glob(ROOT + '/docs/man/*.scd')}

if len(helps) < 40 or len(long_names) < 100 or len(letters) < 20 or len(pages) < 8:
    findings.append('only %d commands, %d names, %d letters, %d pages were found' % (len(helps), len(long_names), len(letters), len(pages)))
with ThreadPoolExecutor(os.cpu_count()) as pool:
    list(pool.map(lambda command: check_parser(command, options[command]), helps))
findings += ['--%s stands in a table, and no --help lists it' % name for name in long_names if '--' + name not in every]
findings += ['-%s stands among the letters of a parser, and no --help lists it' % c for c in sorted(letters) if '-' + c not in every]


def names(text, word):
    if word.startswith('--'):
        return re.search(re.escape(word) + r'(?![\w-])', text)
    return re.search(r'(?<![\w-])-[A-Za-z]*%s[A-Za-z]*(?![\w-])' % word[1], text)


page_commands = {path: [c for c in helps if re.search(r'^ubtrfs %s\b' % ' '.join(c), text, re.M)] for path, text in pages.items()
                 if not path.endswith('/ubtrfs.1.scd')}
for command, found in options.items():
    text = ''.join(pages[path] for path in page_commands if command in page_commands[path])
    if not text:
        findings.append('%s: no man page' % ' '.join(command))
    for words in found:
        if not (set(w.lstrip('-') for w in words) & set(COMMON + UNITS)) and not any(names(text, w) for w in words):
            findings.append('%s: no man page has %s' % (' '.join(command), ' '.join(words)))
for path, of_page in page_commands.items():
    listed = {word for command in of_page for words in options[command] for word in words}
    for word in sorted(set(re.findall(r'(?<![\w-])--[a-z][a-z0-9-]*', pages[path]))):
        if word not in OF_OTHERS and (word not in every or (of_page and word not in listed and word.lstrip('-') not in COMMON)):
            findings.append('%s: no command of it has %s' % (os.path.basename(path), word))

print('\n'.join(sorted(findings)))
sys.exit(bool(findings))
