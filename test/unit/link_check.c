/*
 * A program that does nothing. meson.build links one per folder, with the whole of that folder and
 * the folders below it: a call upwards is then an undefined symbol, also where no test reaches it.
 */
int main(void)
{
	return 0;
}
