#!/bin/bash
# mkfs_case.bash SOURCE SIZE NODESIZE CSUM COMPRESSION FEATURES DATA METADATA NR_DEVICES: one combination of mkfs_matrix.py.
# Silent and 0, or says what is wrong. SIZE is that of the nasty tree SOURCE.
set -u
source "$ROOT/test/interop/lib.bash"
source=$1 size=$2 nodesize=$3 csum=$4 compression=$5 features=$6 data=$7 metadata=$8 nr_devices=$9

skip()
{
	echo "cannot run: $*"
	exit 1
}

# has_compression FILE...: extents of this algorithm are there, and of no other.
has_compression()
{
	local found
	found=$(btrfs inspect-internal dump-tree -t 5 "$@" 2>&1 | sed -n 's/.*extent compression [1-3] (\([a-z]*\)).*/\1/p' | sort -u | tr '\n' ' ')
	[ "${found% }" = "${compression#none}" ] && return 0
	echo "extents are compressed with: ${found:-nothing}; asked for: $compression"
	return 1
}

main()
{
	local i files=() options=() tune=()
	case $features in *^extref*) tune=(--no-extref) ;; esac
	python3 "$HERE/nasty_tree.py" --tune "$source" --size "$size" --nodesize "$nodesize" "${tune[@]}" || return 1
	for ((i = 0; i < nr_devices; i++)); do
		files+=("$WORK/disk$i.img")
	done
	[ "$compression" = none ] || options=(--compress "$compression")
	[ -z "$features" ] || options+=(-O "$features")
	# Room for some of the kernel's chunks of a gigabyte: balance frees the old ones late.
	make_image -b 16G -n "$nodesize" --csum "$csum" "${options[@]}" -d "$data" -m "$metadata" --rootdir "$source" "${files[@]}" || return 1
	has_compression "${files[@]}" || return 1
	kernel_judges "$source" "${files[@]}"
}

trap judge_teardown EXIT
trap 'exit 1' TERM INT
judge_setup
main || exit 1
