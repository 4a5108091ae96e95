/*
 * The commands of `ubtrfs inspect-internal`: each gets its own name as argv[0] and returns the exit
 * code, as those in cli.h.
 */
#ifndef UBTRFS_CLI_INSPECT_H
#define UBTRFS_CLI_INSPECT_H

/* inspect_dump.c */
int cmd_dump_super(int argc, char **argv);
int cmd_dump_tree(int argc, char **argv);

#endif
