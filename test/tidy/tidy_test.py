#!/usr/bin/env python3
"""Tests of tools/tidy: a clean tree passes; each rule, broken once, is found at its place. Output is TAP."""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TIDY = os.path.join(HERE, '../../tools/tidy')
LAYERS = os.path.join(HERE, '../../tools/layers.txt')
HEAD = '/* What this file owns and what it does not do. */\n'

CLEAN = {
    'src/base/mem.h': HEAD + '#pragma once\nvoid *mem_alloc(unsigned long len_bytes);\n'
                             'int mem_each(void *arg, int (*visit)(void *arg, void *ptr)) __attribute__((cold));\nextern int mem_debug;\n',
    'src/base/mem.c': HEAD + '#include "base/mem.h"\n#include <stdlib.h>\n'
                             'void *mem_alloc(unsigned long len_bytes)\n{\n\treturn malloc(len_bytes);\n}\n',
    'src/base/table.c': HEAD + 'static const char *const names[] = { "a;{", "b" };\n'
                               'struct pair {\n\tint a, b;\n};\n'
                               'typedef int (*pair_fn)(struct pair *p);\n'
                               'static const struct pair pairs[2] = { { 1, 2 }, { 3, 4 } };\n'
                               'int pair_sum(const struct pair *p)\n{\n\tstatic const int zero = 0;\n'
                               '#ifdef A\n\tif (p->a) {\n#else\n\tif (p->b) {\n#endif\n\t\treturn zero;\n\t}\n'
                               '\treturn p->a + p->b; /* free(x) */\n}\n',
    'src/tree/tree.c': HEAD + '#include "base/mem.h"\n#include "tree/tree_priv.h"\n',
    'src/tree/tree_priv.h': HEAD,
    'src/mkfs/plan.c': HEAD + '#include "tree/tree.h"\n#include "format/key.h"\n',
    'src/cli/main.c': HEAD + '#include <ubtrfs/ubtrfs.h>\n#include "cli/cli.h"\n',
    'include/ubtrfs/ubtrfs.h': HEAD + '#ifdef __cplusplus\nextern "C" {\n#endif\nint ubtrfs_open(const char *path);\n'
                                      '#ifdef __cplusplus\n}\n#endif\n',
    'test/unit/tree/tree_test.c': HEAD + '#include "tree/tree_priv.h"\n#include <stdlib.h>\n'
                                         'static int counter;\nint main(void)\n{\n\tfree(malloc(1));\n'
                                         '\treturn counter;\n}\n',
}


def run(changes):
    """tidy's exit code and output over CLEAN with some files changed (text, or None to take away)."""
    with tempfile.TemporaryDirectory() as root:
        os.makedirs(os.path.join(root, 'tools'))
        shutil.copy(LAYERS, os.path.join(root, 'tools'))
        for path, text in {**CLEAN, **changes}.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as f:
                f.write(text)
        p = subprocess.run([TIDY, '--root', root], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
        return p.returncode, p.stdout


def function(nr_lines, name='f'):
    return f'int {name}(void)\n{{\n' + '\t;\n' * (nr_lines - 4) + '\treturn 0;\n}\n'


B = 'src/base/b.c'
T = 'src/tree/t.c'
MARKER = 'FIX' + 'ME'

# name, changes, what the output must contain
BROKEN = [
    ('include_upward', {B: HEAD + '#include "tree/tree.h"\n'}, 'src/base/b.c:2: layers: base may not include'),
    ('include_upward_with_angles', {B: HEAD + '#include <tree/tree.h>\n'}, 'b.c:2: layers:'),
    ('include_from_mkfs_of_a_folder_not_listed', {'src/mkfs/m.c': HEAD + '#include "extent/extent.h"\n'},
     'm.c:2: layers: mkfs may not include'),
    ('include_of_mkfs_by_commit', {'src/commit/c.c': HEAD + '#include "mkfs/mkfs.h"\n'},
     'c.c:2: layers: commit may not include'),
    ('include_of_engine_by_front_end', {'src/cli/c.c': HEAD + '#include "tree/tree.h"\n'},
     'c.c:2: layers: cli may not include'),
    ('include_of_public_by_engine', {T: HEAD + '#include <ubtrfs/ubtrfs.h>\n'}, 't.c:2: layers: tree may not include'),
    ('include_with_dots', {T: HEAD + '#include "../base/mem.h"\n'}, 't.c:2: layers: include "../base/mem.h" by'),
    ('include_of_private_header', {'src/root/r.c': HEAD + '#include "tree/tree_priv.h"\n'},
     'r.c:2: layers: "tree/tree_priv.h" is private'),
    ('include_of_unknown_folder', {T: HEAD + '#include "misc/x.h"\n'}, 't.c:2: layers: "misc/x.h" is in no folder'),
    ('include_upward_in_unit_test', {'test/unit/tree/u_test.c': HEAD + '#include "extent/extent.h"\n'},
     'u_test.c:2: layers: tree may not include'),
    ('folder_not_listed', {'src/misc/x.c': HEAD}, 'src/misc is not in tools/layers.txt'),
    ('public_header_includes_private', {'include/ubtrfs/p.h': HEAD + '#include "base/mem.h"\n'},
     'p.h:2: layers: include may not'),
    ('file_too_long', {B: HEAD + '\n' * 800}, 'b.c:1: length: file has 801 lines'),
    ('function_too_long', {B: HEAD + function(71)}, 'b.c:2: length: function f has 71 lines'),
    ('ratchet_grown', {B: HEAD + function(90), 'tools/tidy-ratchet.txt': B + ':f 80\n'}, 'f grew to 90 lines'),
    ('ratchet_not_lowered', {B: HEAD + function(75), 'tools/tidy-ratchet.txt': B + ':f 80\n'}, 'lower 80'),
    ('ratchet_not_needed', {B: HEAD + function(60), 'tools/tidy-ratchet.txt': B + ':f 80\n'}, 'take it out'),
    ('ratchet_stale', {'tools/tidy-ratchet.txt': B + ':f 80\n'}, 'b.c:f is no longer there'),
    ('base_name_twice', {'src/tree/mem.c': HEAD}, 'names: the base name mem is taken by src/base/mem.c'),
    ('base_name_twice_in_test', {'test/sim/tree_test.c': HEAD}, 'names: the base name tree_test is taken by'),
    ('no_header_comment', {B: 'int b_f(void);\n'}, 'b.c:1: header:'),
    ('header_comment_only_a_licence', {B: '/* SPDX-License-Identifier: LGPL-2.1-or-later */\nint b_f(void);\n'},
     'b.c:1: header:'),
    ('variable_at_file_scope', {B: HEAD + 'static int count;\n'}, 'b.c:2: globals: count'),
    ('variable_with_initializer', {B: HEAD + 'struct s { int a; } state = {\n\t.a = 1,\n};\n'}, 'globals: state'),
    ('variable_pointer_to_const', {B: HEAD + 'static const char *name = "x";\n'}, 'globals: name'),
    ('variable_function_pointer', {B: HEAD + 'static int (*hook)(void);\n'}, 'globals: hook'),
    ('variable_thread_local', {B: HEAD + 'static _Thread_local int depth;\n'}, 'globals: depth'),
    ('variable_static_in_function', {B: HEAD + 'int f(void)\n{\n\tstatic int n;\n\treturn n++;\n}\n'}, 'globals: n'),
    ('listed_global_stale', {B: HEAD, 'tools/tidy-globals.txt': B + ':count because\n'}, 'b.c:count is no longer'),
    ('marker_in_c', {B: HEAD + f'/* {MARKER}: later */\n'}, 'b.c:2: markers:'),
    ('marker_in_script', {'scripts/x': f'#!/bin/sh\n# {MARKER}\n'}, 'scripts/x:2: markers:'),
    ('negation_that_stops_nothing', {'test/cli/x.bats': '@test "x" {\n\t! false\n\ttrue\n}\n'}, 'x.bats:2: negation:'),
    ('public_header_not_alone', {'include/ubtrfs/p.h': HEAD + 'uint64_t ubtrfs_f(void);\n'},
     'p.h:1: public: does not compile alone'),
    ('public_header_not_c99', {'include/ubtrfs/p.h': HEAD + 'struct ubtrfs_x { union { int a; long b; }; };\n'},
     'p.h:1: public:'),
]
for call in ('strcpy', 'strcat', 'sprintf', 'vsprintf', 'gets', 'strtok', 'atoi', 'atol', 'rand', 'srand', 'alloca',
             'system', 'tmpnam', 'mktemp', 'malloc', 'calloc', 'realloc', 'posix_memalign', 'aligned_alloc',
             'strdup', 'strndup', 'asprintf', 'vasprintf', 'free'):
    BROKEN.append((f'banned_{call}', {B: HEAD + f'int f(void)\n{{\n\t{call}(x);\n}}\n'}, f'b.c:4: banned: {call}: use'))

# name, changes; must pass
ALLOWED = [
    ('clean_tree', {}),
    ('function_at_the_limit', {B: HEAD + function(70)}),
    ('file_at_the_limit', {B: HEAD + '\n' * 799}),
    ('ratchet_exact', {B: HEAD + function(80), 'tools/tidy-ratchet.txt': B + ':f 80\n'}),
    ('listed_global', {B: HEAD + 'static int count;\n', 'tools/tidy-globals.txt': B + ':count a reason\n'}),
    ('libc_free_with_marker', {B: HEAD + 'int f(void)\n{\n\tfree(x); /* tidy: libc free */\n}\n'}),
    ('member_called_free', {B: HEAD + 'int f(void)\n{\n\tops->free(x);\n\tops.free(x);\n\tmem_free(x);\n}\n'}),
    ('banned_name_in_comment_and_string', {B: HEAD + 'const char *f(void)\n{\n\treturn "strcpy(x)"; // gets(x)\n}\n'}),
    ('template_of_mkstemp', {B: HEAD + 'const char *f(void)\n{\n\treturn "a-X' + 'XXXXX";\n}\n'}),
    ('negation_that_is_judged', {'test/cli/x.bats': '@test "x" {\n\t! false || return 1\n\tif\n\t\t! true; then\n\t\tfalse\n\tfi\n}\n'}),
    ('ops_includes_mkfs', {'src/ops/o.c': HEAD + '#include "mkfs/mkfs.h"\n#include <ubtrfs/ubtrfs.h>\n'}),
]


def judge(case):
    """(good, name, explanation)"""
    name, changes, want = case
    code, out = run(changes)
    if want is None:
        return code == 0 and out == '', f'passes_{name}', 'expected no finding, got:\n' + out
    return code == 1 and want in out, f'finds_{name}', f'expected "{want}", got:\n' + out


def main():
    cases = [(name, changes, None) for name, changes in ALLOWED] + BROKEN
    failed = 0
    print(f'1..{len(cases)}')
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for nr, (good, name, why) in enumerate(pool.map(judge, cases), 1):
            failed += not good
            print(f'{"ok" if good else "not ok"} {nr} - test_tidy__{name}')
            if not good:
                print('# ' + why.replace('\n', '\n# '))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
