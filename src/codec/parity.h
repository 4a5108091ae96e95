/*
 * Parity of RAID5 and RAID6 rows: which multiple of each column gives a lost one, and the sum.
 *
 * A row has nr_data columns of data D0, D1, ..., then P, then (RAID6) Q; all of one length.
 * P = D0 + D1 + ..., Q = g^0 D0 + g^1 D1 + ... in GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1 with
 * g = 2; adding is xor. So each column is a sum of multiples of others, and every rebuild is one
 * dot product. Pure functions, safe from any thread.
 */
#ifndef UBTRFS_CODEC_PARITY_H
#define UBTRFS_CODEC_PARITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* g^i repeats after so many columns: from there on two lost columns of data cannot be told apart. */
#define PARITY_POWERS 255u

/*
 * What each column is multiplied with to give column `lost` (0..nr_data-1) back without column
 * `second`: column nr_data is P, nr_data + 1 is Q. second is a column of data (P and Q are used),
 * P (Q is used) or Q (P is used; for RAID5 too, which has no Q). Columns that are not used get 0.
 * ret_factors has nr_data + 2 places. ERR_INVALID when the two cannot be told apart.
 */
int parity_factors(unsigned nr_data, unsigned lost, unsigned second,
		   uint8_t *ret_factors) must_check;
/*
 * ret_data = the sum of factors[i] * columns[i] over nr columns, none of the factors 0. nr is at
 * least 1; no alignment is asked for; ret_data is none of the columns. ERR_NO_MEMORY.
 */
int parity_combine(unsigned nr, const uint8_t *factors, uint8_t *const *columns, size_t len,
		   uint8_t *ret_data) must_check;

#endif
