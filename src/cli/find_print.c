/*
 * -printf of `ubtrfs find`: %p %P %f %h (path, below the argument, name, directory), %s %b %k (size,
 * blocks of 512 bytes and of 1 KiB), %y %m %M (type, mode), %n %i, %U %G %u %g (all numbers), %l
 * (target), %d (depth), %T@ %A@ %C@ (times in seconds), %%; \n \t \0 \\.
 */
#include <linux/btrfs_tree.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/entry_list.h"
#include "cli/find_expr.h"

int find_format_check(const char *format, bool *ret_needs_attrs)
{
	for (const char *pos = format; *pos; pos++) {
		if (*pos == '\\') {
			if (!pos[1] || !strchr("nt0\\", pos[1]))
				return cli_error("find: -printf: \\%.1s is not built", pos + 1);
			pos++;
		} else if (*pos == '%') {
			pos++;
			if (*pos && strchr("TAC", *pos)) {
				if (pos[1] != '@')
					return cli_error("find: -printf: %%%.2s is not built: "
							 "times are told with @ only",
							 pos);
				pos++;
				*ret_needs_attrs = true;
			} else if (!*pos || !strchr("pPfhsbkymMniUGugld%", *pos)) {
				return cli_error("find: -printf: %%%.1s is not built", pos);
			} else if (strchr("sbkmMnUGug", *pos)) {
				*ret_needs_attrs = true;
			}
		}
	}
	return 0;
}

static char type_letter(uint8_t type)
{
	static const char letters[] = {
		[BTRFS_FT_REG_FILE] = 'f', [BTRFS_FT_DIR] = 'd',  [BTRFS_FT_CHRDEV] = 'c',
		[BTRFS_FT_BLKDEV] = 'b',   [BTRFS_FT_FIFO] = 'p', [BTRFS_FT_SOCK] = 's',
		[BTRFS_FT_SYMLINK] = 'l'
	};

	return type < sizeof(letters) && letters[type] ? letters[type] : 'U';
}

/* ten digits as find(1) prints them, of which the last is always 0 */
static void print_time(const struct ubtrfs_time *time)
{
	/* Before 1970 seconds are rounded down; the sum of both is what is printed. */
	if (time->sec < 0 && time->nsec)
		printf("-%llu.%09u0", (unsigned long long)-(time->sec + 1),
		       1000000000u - time->nsec);
	else
		printf("%lld.%09u0", (long long)time->sec, time->nsec);
}

static void print_paths(const struct find *find, const struct walk_entry *entry, char what)
{
	const char *joint = image_walk_joint(&find->walk, entry);
	size_t len = strlen(entry->path);

	if (what == 'p')
		printf("%s%s%s", find->walk.argument, joint, entry->path);
	else if (what == 'P')
		fputs(entry->path, stdout);
	else if (what == 'f')
		fputs(entry->depth ? entry->name : find->walk.argument, stdout);
	else if (!entry->depth)
		fputs(find->walk.argument, stdout);
	else
		/* Without the name and the slash before it. */
		printf("%s%s%.*s", find->walk.argument, entry->depth > 1 ? joint : "",
		       (int)(len - strlen(entry->name) - (entry->depth > 1)), entry->path);
}

static void print_target(const struct find *find, const struct walk_entry *entry)
{
	char *target;

	if (entry->type != BTRFS_FT_SYMLINK)
		return;
	if (symlink_read(find->view.fs, entry->node, &target) < 0)
		return;
	fputs(target, stdout);
	mem_free(target);
}

static void print_attr(const struct walk_entry *entry, char what)
{
	const struct ubtrfs_attr *attr = &entry->attr;
	char mode[MODE_TEXT_MAX];

	switch (what) {
	case 's':
		printf("%llu", (unsigned long long)attr->size);
		break;
	case 'b':
		printf("%llu", (unsigned long long)attr->allocated_bytes / 512);
		break;
	case 'k':
		printf("%llu", (unsigned long long)div_up(attr->allocated_bytes, 1024));
		break;
	case 'm':
		printf("%o", attr->mode & 07777);
		break;
	case 'M':
		fputs(mode_text(attr->mode, mode), stdout);
		break;
	case 'n':
		printf("%u", attr->nlink);
		break;
	default:
		printf("%u", what == 'U' || what == 'u' ? attr->uid : attr->gid);
		break;
	}
}

static void print_directive(const struct find *find, const struct walk_entry *entry, char what)
{
	if (strchr("pPfh", what))
		print_paths(find, entry, what);
	else if (what == 'y')
		putchar(type_letter(entry->type));
	else if (what == 'i')
		printf("%llu", (unsigned long long)entry->node.ino);
	else if (what == 'd')
		printf("%u", entry->depth);
	else if (what == 'l')
		print_target(find, entry);
	else if (what == '%')
		putchar('%');
	else
		print_attr(entry, what);
}

static void print_escape(char what)
{
	putchar(what == 'n' ? '\n' : what == 't' ? '\t' : what == '0' ? '\0' : '\\');
}

void find_print_format(const struct find *find, const struct walk_entry *entry, const char *format)
{
	for (const char *pos = format; *pos; pos++) {
		if (*pos == '\\') {
			print_escape(*++pos);
		} else if (*pos != '%') {
			putchar(*pos);
		} else if (strchr("TAC", pos[1])) {
			print_time(pos[1] == 'T' ? &entry->attr.mtime :
				   pos[1] == 'A' ? &entry->attr.atime :
						   &entry->attr.ctime);
			pos += 2;
		} else {
			print_directive(find, entry, *++pos);
		}
	}
}
