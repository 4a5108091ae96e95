/*
 * The commands of `ubtrfs inspect-internal`: each gets its own name as argv[0] and returns the exit
 * code, as those in cli.h.
 */
#ifndef UBTRFS_CLI_INSPECT_H
#define UBTRFS_CLI_INSPECT_H

/* inspect_dump.c */
int cmd_dump_super(int argc, char **argv);
int cmd_dump_tree(int argc, char **argv);

/* inspect_resolve.c */
int cmd_inode_resolve(int argc, char **argv);
int cmd_logical_resolve(int argc, char **argv);
int cmd_subvolid_resolve(int argc, char **argv);
int cmd_rootid(int argc, char **argv);
/* inspect_chunks.c */
int cmd_list_chunks(int argc, char **argv);
int cmd_min_dev_size(int argc, char **argv);
/* inspect_tree_stats.c */
int cmd_tree_stats(int argc, char **argv);

#endif
