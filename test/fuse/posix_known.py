"""Differences between our mount and a kernel mount that are no mistake of ours: (pattern of the difference, why it cannot be otherwise).

What the kernel's FUSE does is told by the source of Linux 6.12 and later (fs/fuse), and by what --third shows of another filesystem behind it.
"""

NOT_SENT = 'FUSE sends nothing for it: the kernel answers by itself'
SEALED = 'the kernel does not know the flags of chattr of a filesystem behind FUSE, and opens by itself (docs/man/ubtrfs-mount.8); what they forbid fails with the call that does it'
NO_IOCTL = 'ioctls of the VFS with descriptors or a variable size do not leave the kernel (fs/fuse has no remap_file_range, no fiemap)'
NO_TIME = 'S_NOCMTIME: times of what is behind FUSE are moved by the filesystem, when it is sent something'
LATER = 'a page that is written through a mapping is sent, and moves the times, when it is written back'
QUIRK = 'an oddity of the kernel filesystem, which POSIX leaves open or has the other way; ours is as documented'
AMBIGUOUS = 'FUSE sends the same for chown(-1, -1), and ahead of a stranger\'s write to a file with set-id bits (SETATTR of nothing)'

KNOWN = [
    (r'^mknod_types .* write fd2 through', NO_TIME),
    (r'chown (\S+) -1 -1 \| (EPERM|0) (<> 0)?', AMBIGUOUS),
    (r'^subvolumes .* access /snapro\S* \| EROFS <> 0', NOT_SENT + ' (default_permissions: modes, not the read-only state of a subvolume)'),
    (r'truncate \S+ 0 \| 0 \| - <> \S+ \{\'ctime\': \'now\', \'mtime\': \'now\'\}$', 'O_TRUNC of an empty file, which moves the times, looks the same'),
    (r'^set_id_bits .* truncate f 10000 \| 0 \| f \{\} <> f \{\'ctime\': \'now\'\}', QUIRK + ': the mode changes, and so does ctime'),
    (r'^statfs .* statfs \| type 9123683e .* fsid True .* <> type 65735546 .* fsid False', 'both are FUSE\'s own; the reply to STATFS has no fsid'),
    (r'^statfs .* pathconf . 13 \|', 'glibc knows FILESIZEBITS by the type of statfs'),
    (r'^listing #9 ', 'the kernel caches what has been listed, and goes on from there when names have gone meanwhile (POSIX: unspecified)'),
    (r'^listing #15 ', 'SEEK_END of a directory is its size as the kernel saw it last'),
    (r'^vectors .*NOWAIT', 'FMODE_NOWAIT is not set by FUSE'),
    (r'^vectors #(51|54) \| got', 'the same'),
    (r'^vectors #137 .* partly unreadable', 'how much is written before memory that is not there is up to the filesystem; FUSE copies page by page'),
    (r'^vectors #138 .* unreadable \| EFAULT', NOT_SENT),
    (r'^vectors #141 \| end: f', 'what was written before the unreadable memory'),
    (r'^mappings #1 ', LATER),
    (r'^mappings #2 ', LATER),
    (r'^mapped_behind_the_end #22 ', LATER),
    (r'^fallocate_modes #57 .* fallocate fd4 3 100000 8192', QUIRK),
    (r'^(copying|set_id_bits) .* copy_file_range .* (28672 <> 30000|4096 <> 5000)', 'how much one call copies is the filesystem\'s to decide: the kernel stops at the last whole sector, we do all of it'),
    (r'^copying .* offsets \| 28672 28672 <> 30000 30000', 'the same'),
    (r'^cloning ', NO_IOCTL),
    (r'^other_ioctls .* FIBMAP \| EINVAL <> 0', 'FUSE has its own answer (no block) for what is mounted from no block device'),
    (r'^other_ioctls .* FIEMAP', NO_IOCTL),
    (r'^holes #2[47] .* \[\(0, 4096\).* <> ', QUIRK + ': it writes the zeroes of a preallocated last sector when the file grows'),
    (r'^holes #3[03] .* \[\(0, 4096\).* <> ', QUIRK + ': the same'),
    (r"^seed_\d+ .* fallocate fd\d+ 3 \d+ \d+ \| 0 \| [^<]*'mtime': 'now'\} <> -$", QUIRK + ': punching what is a hole already moves the times there now and then, mostly not'),
    (r'^seed_\d+ #\d+ \| end: \S+ \| blocks \d+ blksize 4096 (\w+) <> blocks \d+ blksize 4096 \1$', QUIRK + ': the same; the contents are equal'),
    (r'^xattr_limits .* user.many000 \S+ 16000 0 \| ENOSPC <> 0', QUIRK + ': a value that there is room for cannot take the place of a smaller one'),
    (r'^acl_values .* 24036 0 \| ENOSPC <> E2BIG', 'FUSE takes ACLs of a page at most'),
    (r'^flagged_[ia] #(8|9|10|11|12|13|14|15|16|17|18|36|37) ', SEALED),
    (r'^flagged_[ia] #\d+ \| end: f', SEALED + ': what was written'),
]
