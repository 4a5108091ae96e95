/*
 * One random operation on the contents of a file, carried out by an executor and on bytes in
 * memory, which it is compared with.
 */
#ifndef UBTRFS_TEST_DATA_STEP_H
#define UBTRFS_TEST_DATA_STEP_H

#include "base/rng.h"
#include "model/exec.h"
#include "ops/fs_fixture.h"

struct data_file {
	struct exec_file file;
	struct content *content;
	bool unsummed; /* without checksums: shares nothing with one that has them */
};

struct data_run {
	struct exec *exec;
	struct rng *rng;
	uint64_t max_bytes; /* of a file */
	unsigned avoid;	    /* EXEC_* that are not to be used */
	/*
	 * The filesystem is full: what was not done for lack of space (-ENOSPC, -EDQUOT) has to
	 * have changed nothing. But for what has to work all the same.
	 */
	bool full, must;
	bool reserve; /* it keeps some sectors back */
	unsigned nr_refused;
	bool failed;
	char did[256];	/* the operation */
	char text[512]; /* how it failed */
};

/* Whether this answer is a refusal that is allowed; counts it. */
bool data_refused(struct data_run *run, int err);
/* Changes or reads `file`; `other` may be the same, and gives and takes ranges. */
void data_step(struct data_run *run, struct data_file *file, struct data_file *other);
/* The whole file is as it should be. */
void data_compare(struct data_run *run, struct data_file *file);
/* Notes a failure; the first counts. */
void data_fail(struct data_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
