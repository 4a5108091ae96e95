/* A filesystem as a table; see fs_model.h. */
#include "sim/fs_model.h"

#include <stdlib.h>

void model_init(struct model *model, struct ubtrfs_node top)
{
	memset(model, 0, sizeof(*model));
	model_add_node(model, top, S_IFDIR | 0755);
}

void model_fini(struct model *model)
{
	for (unsigned i = 0; i < MODEL_MAX_NODES; i++)
		content_free(&model->nodes[i].content);
}

void model_copy(struct model *to, const struct model *from)
{
	model_fini(to);
	memcpy(to, from, sizeof(*to));
	for (unsigned i = 0; i < MODEL_MAX_NODES; i++) {
		const struct content *old = &from->nodes[i].content;
		struct content *content = &to->nodes[i].content;

		memset(content, 0, sizeof(*content));
		content_resize(content, old->len);
		if (old->len)
			memcpy(content->data, old->data, old->len);
	}
}

unsigned model_add_node(struct model *model, struct ubtrfs_node node, uint32_t mode)
{
	unsigned i;

	for (i = 0; i < MODEL_MAX_NODES && model->nodes[i].used; i++)
		continue;
	if (i < MODEL_MAX_NODES)
		model->nodes[i] = (struct model_node){ .used = true, .node = node, .mode = mode };
	return i;
}

unsigned model_add_name(struct model *model, unsigned dir, const char *name, unsigned node)
{
	unsigned i;

	for (i = 0; i < MODEL_MAX_NAMES && model->names[i].used; i++)
		continue;
	if (i == MODEL_MAX_NAMES)
		return i;
	model->names[i] = (struct model_name){ .used = true, .dir = dir, .node = node };
	snprintf(model->names[i].name, sizeof(model->names[i].name), "%s", name);
	model->nodes[node].nlink++;
	model->nodes[dir].nr_entries++;
	return i;
}

unsigned model_find_name(const struct model *model, unsigned dir, const char *name)
{
	unsigned i;

	for (i = 0; i < MODEL_MAX_NAMES; i++)
		if (model->names[i].used && model->names[i].dir == dir &&
		    strcmp(model->names[i].name, name) == 0)
			break;
	return i;
}

void model_remove_name(struct model *model, unsigned name)
{
	struct model_name *entry = &model->names[name];
	struct model_node *node = &model->nodes[entry->node];

	model->nodes[entry->dir].nr_entries--;
	entry->used = false;
	if (--node->nlink)
		return;
	content_free(&node->content);
	node->used = false;
}

void model_set_xattr(struct model_node *node, const char *name, const void *value, size_t len)
{
	unsigned i;

	for (i = 0; i < node->nr_xattrs && strcmp(node->xattrs[i].name, name) != 0; i++)
		continue;
	assert_true(i < MODEL_MAX_XATTRS && len <= sizeof(node->xattrs[i].value));
	if (i == node->nr_xattrs)
		node->nr_xattrs++;
	snprintf(node->xattrs[i].name, sizeof(node->xattrs[i].name), "%s", name);
	memcpy(node->xattrs[i].value, value, len);
	node->xattrs[i].len = len;
}

/* A directory that is being compared: which of its entries were seen. */
struct compared_dir {
	struct model *model;
	unsigned dir, nr_seen;
};

static int compare_entry(void *ctx, const struct ubtrfs_dirent *entry)
{
	struct compared_dir *compared = ctx;
	char text[256];
	unsigned name;

	memcpy(text, entry->name, entry->name_len);
	text[entry->name_len] = '\0';
	name = model_find_name(compared->model, compared->dir, text);
	if (name == MODEL_MAX_NAMES)
		fail_msg("directory %u lists \"%s\", which was removed", compared->dir, text);
	assert_int_equal(entry->node.ino,
			 compared->model->nodes[compared->model->names[name].node].node.ino);
	compared->nr_seen++;
	return 0;
}

static int compare_xattr(void *ctx, const char *name, size_t name_len, const void *value,
			 size_t len)
{
	const struct model_node *node = ctx;

	for (unsigned i = 0; i < node->nr_xattrs; i++) {
		const struct model_xattr *xattr = &node->xattrs[i];

		if (strlen(xattr->name) != name_len || memcmp(xattr->name, name, name_len) != 0)
			continue;
		assert_int_equal(len, xattr->len);
		assert_memory_equal(value, xattr->value, len);
		return 0;
	}
	fail_msg("there is an attribute %.*s", (int)name_len, name);
	return 0;
}

static void compare_node(struct model *model, struct fs_fixture *fx, unsigned index)
{
	struct model_node *node = &model->nodes[index];
	struct ubtrfs_attr attr = fixture_attr(fx, node->node);
	struct compared_dir compared = { model, index, 0 };

	assert_int_equal(attr.mode, node->mode);
	assert_int_equal(attr.uid, node->uid);
	OK(ubtrfs_listxattr(fx->fs, node->node, compare_xattr, node));
	for (unsigned i = 0; i < node->nr_xattrs; i++) {
		size_t len;

		OK(ubtrfs_getxattr(fx->fs, node->node, node->xattrs[i].name, NULL, 0, &len));
		assert_int_equal(len, node->xattrs[i].len);
	}
	if (S_ISDIR(node->mode)) {
		OK(ubtrfs_readdir(fx->fs, node->node, 0, compare_entry, &compared));
		assert_int_equal(compared.nr_seen, node->nr_entries);
		return;
	}
	assert_int_equal(attr.nlink, node->nlink);
	if (S_ISREG(node->mode)) {
		content_compare(fx, node->node, &node->content);
		if (node->mtime)
			assert_int_equal(attr.mtime.sec, node->mtime);
	}
	if (S_ISLNK(node->mode)) {
		char target[4096];
		size_t len;

		OK(ubtrfs_readlink(fx->fs, node->node, target, sizeof(target), &len));
		assert_int_equal(len, node->content.len);
		assert_memory_equal(target, node->content.data, len);
	}
}

void model_compare(struct model *model, struct fs_fixture *fx)
{
	for (unsigned i = 0; i < MODEL_MAX_NODES; i++)
		if (model->nodes[i].used)
			compare_node(model, fx, i);
	for (unsigned i = 0; i < MODEL_MAX_NAMES; i++) {
		struct model_name *name = &model->names[i];

		if (!name->used)
			continue;
		assert_int_equal(fixture_lookup(fx, model->nodes[name->dir].node, name->name).ino,
				 model->nodes[name->node].node.ino);
	}
}
