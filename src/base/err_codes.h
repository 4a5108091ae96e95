/*
 * The one table of private error codes: name, class of errno, sentence.
 *
 * A code says what went wrong; the text given to THROW() says where and why. Each code is thrown
 * for one kind of failure and mapped to errno only at the edge (err_to_errno). Rows are grouped by
 * layer.
 */
#ifndef UBTRFS_BASE_ERR_CODES_H
#define UBTRFS_BASE_ERR_CODES_H

/* clang-format off */
#define ERR_CODES(X)                                                                    \
	/* base */                                                                      \
	X(ERR_NO_MEMORY,        ENOMEM,     "out of memory")                            \
	X(ERR_INVALID,          EINVAL,     "invalid argument")                         \
	X(ERR_NOT_FOUND,        ENOENT,     "not found")                                \
	X(ERR_EXISTS,           EEXIST,     "already exists")                           \
	X(ERR_NO_SPACE,         ENOSPC,     "no space left")                            \
	X(ERR_CORRUPT,          EUCLEAN,    "the filesystem is damaged")                \
	X(ERR_UNSUPPORTED,      EOPNOTSUPP, "not supported")                            \
	X(ERR_INTERRUPTED,      EINTR,      "interrupted")                              \
	X(ERR_LIMIT,            EOVERFLOW,  "a limit was reached")                      \
	X(ERR_READ_ONLY,        EROFS,      "opened for reading only")                  \
	X(ERR_FAULT_INJECTED,   EIO,        "an injected fault")                        \
	/* codec */                                                                     \
	X(ERR_COMPRESS_GREW,    E2BIG,      "compression does not make it smaller")     \
	X(ERR_DECOMPRESS,       EIO,        "compressed data is damaged")               \
	/* format */                                                                    \
	X(ERR_SUPER_BAD,        EUCLEAN,    "the superblock is not valid")              \
	X(ERR_NODE_BAD,         EUCLEAN,    "a tree block is not valid")                \
	/* device */                                                                    \
	X(ERR_DEVICE_IO,        EIO,        "a device failed")                          \
	X(ERR_DEVICE_RANGE,     EIO,        "beyond the end of a device")               \
	X(ERR_DEVICE_BUSY,      EBUSY,      "somebody else uses the device")            \
	/* volume */                                                                    \
	X(ERR_NO_MAPPING,       EUCLEAN,    "no chunk maps this address")               \
	X(ERR_NO_MIRROR,        EIO,        "no copy can be read")                      \
	/* cache */                                                                     \
	X(ERR_NODE_CSUM,        EIO,        "a tree block has a wrong checksum")        \
	X(ERR_NODE_UNEXPECTED,  EUCLEAN,    "a tree block is not the one expected")     \
	/* space */                                                                     \
	X(ERR_REF_NEGATIVE,     EUCLEAN,    "a reference count would become negative")  \
	/* transaction */                                                               \
	X(ERR_TXN_ABORTED,      EROFS,      "the transaction was aborted")              \
	/* tree */                                                                      \
	X(ERR_KEY_EXISTS,       EUCLEAN,    "the key is in the tree already")           \
	X(ERR_KEY_NOT_FOUND,    ENOENT,     "the key is not in the tree")               \
	X(ERR_ITEM_TOO_BIG,     EOVERFLOW,  "the item does not fit into a leaf")        \
	/* extent */                                                                    \
	X(ERR_EXTENT_MISSING,   EUCLEAN,    "an extent item is missing")                \
	/* inode */                                                                     \
	X(ERR_NAME_TOO_LONG,    ENAMETOOLONG, "the name is too long")                   \
	X(ERR_NOT_DIR,          ENOTDIR,    "not a directory")                          \
	X(ERR_IS_DIR,           EISDIR,     "is a directory")                           \
	X(ERR_TOO_MANY_LINKS,   EMLINK,     "too many links")                           \
	X(ERR_DIR_NOT_EMPTY,    ENOTEMPTY,  "the directory is not empty")               \
	/* file */                                                                      \
	X(ERR_DATA_CSUM,        EIO,        "file data has a wrong checksum")           \
	X(ERR_SOURCE_CHANGED,   EAGAIN,     "the source changed while it was read")     \
	/* ops */                                                                       \
	X(ERR_WANTS_ALONE,      EAGAIN,     "what is delayed must be written first")    \
	X(ERR_WANTS_ROOM,       EAGAIN,     "something must be written back first")     \
	/* mkfs */                                                                      \
	X(ERR_TARGET_IN_USE,    EBUSY,      "the target is in use")                     \
	X(ERR_TOO_SMALL,        ENOSPC,     "the target is too small")                  \
	/* transfer */                                                                  \
	X(ERR_ARCHIVE,          EINVAL,     "the archive is damaged or of no known kind") \
	/* fuse */                                                                      \
	X(ERR_MOUNT,            EIO,        "the mount failed")                         \
/* clang-format on */

#endif
