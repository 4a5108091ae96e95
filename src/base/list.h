/*
 * Intrusive doubly linked list. A head is a link that points to itself when empty; a link not in a
 * list has next == NULL (link_is_linked). Owns nothing, locks nothing.
 */
#ifndef UBTRFS_BASE_LIST_H
#define UBTRFS_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct link {
	struct link *prev;
	struct link *next;
};

struct list {
	struct link head;
};

static inline void list_init(struct list *list)
{
	list->head.prev = &list->head;
	list->head.next = &list->head;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->head.next == &list->head;
}

static inline bool link_is_linked(const struct link *link)
{
	return link->next != NULL;
}

static inline void link_insert_after(struct link *pos, struct link *link)
{
	link->prev = pos;
	link->next = pos->next;
	pos->next->prev = link;
	pos->next = link;
}

static inline void list_push_front(struct list *list, struct link *link)
{
	link_insert_after(&list->head, link);
}

static inline void list_push_back(struct list *list, struct link *link)
{
	link_insert_after(list->head.prev, link);
}

static inline void link_remove(struct link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->prev = NULL;
	link->next = NULL;
}

/* First or last link, NULL when empty. */
static inline struct link *list_first(struct list *list)
{
	return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct link *list_last(struct list *list)
{
	return list_is_empty(list) ? NULL : list->head.prev;
}

/* Removes and returns the first link, NULL when empty. */
static inline struct link *list_pop_front(struct list *list)
{
	struct link *link = list_first(list);

	if (link)
		link_remove(link);
	return link;
}

/* The link after this one, NULL at the end. */
static inline struct link *list_next(struct list *list, struct link *link)
{
	return link->next == &list->head ? NULL : link->next;
}

/* Moves all of from to the end of to. */
static inline void list_splice_back(struct list *to, struct list *from)
{
	if (list_is_empty(from))
		return;
	from->head.next->prev = to->head.prev;
	to->head.prev->next = from->head.next;
	from->head.prev->next = &to->head;
	to->head.prev = from->head.prev;
	list_init(from);
}

#define list_entry(link, type, member) container_of(link, type, member)

/* Iterates over the links; the current one may be removed. */
#define list_for_each(list, pos, tmp)                                                      \
	for (struct link *pos = (list)->head.next, *tmp = pos->next; pos != &(list)->head; \
	     pos = tmp, tmp = pos->next)

#endif
