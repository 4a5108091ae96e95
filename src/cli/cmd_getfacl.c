/*
 * `ubtrfs getfacl`: POSIX ACLs of files in an image, in the form of getfacl(1).
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "cli/acl_table.h"
#include "cli/attr_show.h"
#include "cli/xattr_text.h"

struct getfacl {
	struct attr_show show;
	bool access, inherited; /* which are shown */
	bool no_header, skip_base, numeric, tabular;
	enum acl_effective effective;
};

static const char help_text[] =
	"usage: ubtrfs getfacl [-adceEsRLPtn] IMAGE:/PATH...\n"
	"\n"
	"Show the POSIX ACLs of files in an image.\n"
	"\n"
	"  -a, --access          the access ACL only\n"
	"  -d, --default         the default ACL only\n"
	"  -c, --omit-header     without file, owner, group and flags\n"
	"  -e, --all-effective   what the mask leaves of each entry\n"
	"  -E, --no-effective    not even where the mask takes something away\n"
	"  -s, --skip-base       pass over files whose mode says it all\n"
	"  -n, --numeric         numbers instead of names\n"
	"  -p, --absolute-names  as it is anyway: names of files are shown as they are written\n"
	"  -R, --recursive       and all below directories\n"
	"  -L, --logical         with -R: symlinks are followed\n"
	"  -P, --physical        symlinks are passed over, that of a PATH too\n"
	"  -t, --tabular         access and default ACL side by side\n" IMAGE_HELP
	"      --help            print this\n";

static const struct option long_options[] = {
	IMAGE_LONG_OPTIONS,
	{ "access", no_argument, NULL, 'a' },
	{ "default", no_argument, NULL, 'd' },
	{ "omit-header", no_argument, NULL, 'c' },
	{ "all-effective", no_argument, NULL, 'e' },
	{ "no-effective", no_argument, NULL, 'E' },
	{ "skip-base", no_argument, NULL, 's' },
	{ "numeric", no_argument, NULL, 'n' },
	{ "absolute-names", no_argument, NULL, 'p' },
	{ "recursive", no_argument, NULL, 'R' },
	{ "logical", no_argument, NULL, 'L' },
	{ "physical", no_argument, NULL, 'P' },
	{ "tabular", no_argument, NULL, 't' },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static int take_option(void *ctx, int option)
{
	struct getfacl *job = ctx;

	switch (option) {
	case 'a':
		job->access = true;
		return 0;
	case 'd':
		job->inherited = true;
		return 0;
	case 'c':
		job->no_header = true;
		return 0;
	case 'e':
		job->effective = ACL_EFFECTIVE_ALL;
		return 0;
	case 'E':
		job->effective = ACL_EFFECTIVE_NONE;
		return 0;
	case 's':
		job->skip_base = true;
		return 0;
	case 'n':
		job->numeric = true;
		return 0;
	case 't':
		job->tabular = true;
		return 0;
	case 'p':
		return 0;
	default:
		return -1;
	}
}

static int check(void *ctx)
{
	struct getfacl *job = ctx;

	if (!job->access && !job->inherited)
		job->access = job->inherited = true;
	return 0;
}

static void print_path(const char *path)
{
	struct strbuf quoted;

	strbuf_init(&quoted);
	xattr_quote(&quoted, path, "\n\r");
	printf("# file: %s\n", strbuf_text(&quoted));
	strbuf_fini(&quoted);
}

static void print_header(const struct getfacl *job, const char *path,
			 const struct ubtrfs_attr *attr)
{
	char owner[OWNER_TEXT_MAX], group[OWNER_TEXT_MAX];

	print_path(path);
	printf("# owner: %s\n# group: %s\n", owner_text(attr->uid, false, job->numeric, owner),
	       owner_text(attr->gid, true, job->numeric, group));
	if (attr->mode & (S_ISUID | S_ISGID | S_ISVTX))
		printf("# flags: %c%c%c\n", attr->mode & S_ISUID ? 's' : '-',
		       attr->mode & S_ISGID ? 's' : '-', attr->mode & S_ISVTX ? 't' : '-');
}

static void print_table(const struct getfacl *job, const char *path, const struct ubtrfs_attr *attr,
			const struct acl_list *access, const struct acl_list *inherited)
{
	const struct acl_list none = { .nr = 0 };
	const struct acl_table table = { .access = job->access ? access : &none,
					 .inherited = job->inherited ? inherited : &none,
					 .uid = attr->uid,
					 .gid = attr->gid,
					 .numeric = job->numeric };

	print_path(path);
	acl_table_print(&table);
	putchar('\n');
}

static int print_acls(const struct getfacl *job, const char *path, const struct ubtrfs_attr *attr,
		      struct acl_list *access, const struct acl_list *inherited)
{
	struct acl_style style = { .prefix = "",
				   .numeric = job->numeric,
				   .effective = job->effective };

	if (job->skip_base && !access->nr && !inherited->nr)
		return 0;
	if (!access->nr)
		TRY(acl_list_from_mode(access, attr->mode));
	if (job->tabular) {
		print_table(job, path, attr, access, inherited);
		return 0;
	}
	if (!job->no_header)
		print_header(job, path, attr);
	if (job->access)
		acl_list_print(access, &style);
	style.prefix = job->access ? "default:" : "";
	if (job->inherited)
		acl_list_print(inherited, &style);
	if (!job->no_header || job->access || inherited->nr)
		putchar('\n');
	return 0;
}

static int show(void *ctx, const char *path, const struct ubtrfs_attr *attr)
{
	struct getfacl *job = ctx;
	struct ubtrfs *fs = job->show.view.fs;
	struct acl_list access = { .nr = 0 }, inherited = { .nr = 0 };
	int err = 0;

	/* A symlink that is met has none. */
	if (S_ISLNK(attr->mode))
		return 0;
	err = acl_list_read(fs, attr->node, ACL_XATTR_ACCESS, &access);
	if (err == 0 && S_ISDIR(attr->mode))
		err = acl_list_read(fs, attr->node, ACL_XATTR_DEFAULT, &inherited);
	if (err == 0)
		err = print_acls(job, path, attr, &access, &inherited);
	acl_list_fini(&access);
	acl_list_fini(&inherited);
	return err;
}

int cmd_getfacl(int argc, char **argv)
{
	static const struct attr_show_spec spec = { .name = "getfacl",
						    .help = help_text,
						    .short_options = ":D:adceEsnpRLPt",
						    .long_options = long_options,
						    .option = take_option,
						    .check = check,
						    .operand = attr_show_operand };
	struct getfacl job = { .show = { .show = show } };

	return attr_show_run(&spec, &job, argc, argv);
}
