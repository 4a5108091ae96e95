/* A temporary directory and what tests put into it. Each function asserts. */
#ifndef TEST_TEMP_TREE_H
#define TEST_TEMP_TREE_H

#include <stddef.h>
#include <stdint.h>

/* A new directory in TMPDIR or /tmp, removed with all below by temp_tree_remove. */
char *temp_tree_new(void);
void temp_tree_remove(char *root);
/* root "/" name, in one of a few static buffers. */
const char *temp_path(const char *root, const char *name);
void temp_dir(const char *root, const char *name);
/* With a modification time of 1000000000 + the length of its name. */
void temp_file(const char *root, const char *name, const void *data, size_t len);
void temp_times(const char *root, const char *name, int64_t sec, uint32_t nsec);

#endif
