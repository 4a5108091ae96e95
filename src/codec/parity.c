/*
 * parity: the arithmetic of rebuilding through ISA-L's Galois field.
 *
 * Owns nothing. With D the lost column, E the second, S and T the sums for P and Q over the columns
 * that are there:
 *   from P:        D = P + S
 *   from Q:        D = g^-d (Q + T)
 *   from P and Q:  D + E = P + S and g^d D + g^e E = Q + T, so D = a (P + S) + b (Q + T)
 *                  with b = 1 / (g^d + g^e) and a = g^e b.
 */
#include <isa-l/erasure_code.h>
#include <limits.h>
#include <string.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "codec/parity.h"

#define GENERATOR 2
#define TABLE_BYTES 32 /* per factor, as ISA-L wants */

static uint8_t power(unsigned exponent)
{
	uint8_t value = 1;

	for (exponent %= PARITY_POWERS; exponent; exponent--)
		value = gf_mul(value, GENERATOR);
	return value;
}

/* factors[i] = a + b * g^i: what a column of data has in a times P and b times Q. */
static void fill_factors(unsigned nr_data, unsigned lost, unsigned second, uint8_t a, uint8_t b,
			 uint8_t *ret_factors)
{
	uint8_t step = b;

	for (unsigned i = 0; i < nr_data; i++) {
		ret_factors[i] = i == lost || i == second ? 0 : a ^ step;
		step = gf_mul(step, GENERATOR);
	}
	ret_factors[nr_data] = a;
	ret_factors[nr_data + 1] = b;
}

int parity_factors(unsigned nr_data, unsigned lost, unsigned second, uint8_t *ret_factors)
{
	uint8_t a, b;

	ASSERT(lost < nr_data && second != lost && second <= nr_data + 1);
	if (second == nr_data + 1) {
		a = 1;
		b = 0;
	} else if (second == nr_data) {
		a = 0;
		b = gf_inv(power(lost));
	} else {
		if (lost % PARITY_POWERS == second % PARITY_POWERS)
			return THROW(ERR_INVALID,
				     "RAID6 of %u columns of data cannot give back %u and %u",
				     nr_data, lost, second);
		b = gf_inv(power(lost) ^ power(second));
		a = gf_mul(power(second), b);
	}
	fill_factors(nr_data, lost, second, a, b, ret_factors);
	return 0;
}

int parity_combine(unsigned nr, const uint8_t *factors, uint8_t *const *columns, size_t len,
		   uint8_t *ret_data)
{
	/* The library only reads these, but says nothing of it in its types. */
	uint8_t *matrix = (uint8_t *)factors;
	uint8_t **sources = (uint8_t **)columns;
	SCOPED_MEM uint8_t *tables = NULL;

	ASSERT(nr > 0 && nr <= INT_MAX && len <= INT_MAX);
	tables = mem_alloc((size_t)nr * TABLE_BYTES);
	if (!tables)
		return MEM_FAIL("tables of parity");
	ec_init_tables((int)nr, 1, matrix, tables);
	ec_encode_data((int)len, (int)nr, 1, tables, sources, &ret_data);
	return 0;
}
