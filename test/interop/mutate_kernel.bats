# Mutants of images that the kernel filled: all item types that we do not write ourselves, snapshots, quotas, prealloc, old features.
# See test/mutate/mutate.h; those of our own images are in mutate_test.
source "$ROOT/test/interop/lib.bash"

setup()
{
	judge_setup
}

teardown()
{
	judge_teardown
}

# kernel_tiny NAME [OPTION OF kernel_image.py]...: IMAGES has one more.
kernel_tiny()
{
	local name=$1 files
	shift
	"$HERE/kernel_image.py" "$WORK/$name" --size tiny "$@" || return 1
	files=("$WORK/$name"/disk*.img)
	IMAGES+=("$(IFS=,; echo "${files[*]}")")
}

@test "no mutant of images of the kernel crashes, hangs, grows, or fails without saying why" {
	local seconds=6
	[ -z "$FULL" ] || seconds=1200
	IMAGES=()
	kernel_tiny old --seed 3 --nodesize 4096 --csum sha256 --mount space_cache=v1 \
		--features '^block-group-tree,^free-space-tree,^no-holes,^skinny-metadata'
	kernel_tiny quota --seed 2 --nodesize 16384 --features quota --csum xxhash
	kernel_tiny raid6 --seed 8 --nodesize 4096 --data raid6 --metadata raid1c3 --devices 4
	kernel_tiny plain --seed 1 --nodesize 4096
	if [ -n "$FULL" ]; then
		kernel_tiny raid1 --seed 4 --nodesize 4096 --data raid1 --metadata raid1 --devices 2
		kernel_tiny mixed --seed 5 --mixed
		kernel_tiny squota --seed 7 --nodesize 8192 --features squota --csum blake2
		kernel_tiny large --seed 9 --nodesize 65536
	fi
	"$(dirname "$UBTRFS_DEV")/mutate_test" --seed 1 --nr 1000000 --seconds $seconds --log "$WORK/log" "${IMAGES[@]}" >"$WORK/out" || {
		cat "$WORK/out"
		grep -v '^sentence' "$WORK/log" | head -n 100
		return 1
	}
	# Most of them get past the door.
	cat "$WORK/out"
	[ "$(sed -n 's/^# [0-9]* mutants: \([0-9]*\) opened.*/\1/p' "$WORK/out")" -gt 50 ]
}
