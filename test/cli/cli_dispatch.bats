# The command itself: names of subcommands, their abbreviations, help, version, the name mkfs.btrfs.
load cli_lib.bash

setup() { cli_setup; }
teardown() { cli_teardown; }

@test "without a command it says what is missing" {
	refused "no command given" "$UBTRFS"
}

@test "an unknown command is named" {
	refused "unknown command 'frobnicate'" "$UBTRFS" frobnicate
	refused "unknown command ''" "$UBTRFS" ""
}

@test "an option before the command is named" {
	refused "--frob" "$UBTRFS" --frob ls
}

@test "a command may be abbreviated as long as it is the only one" {
	same "$("$UBTRFS" version)" "$("$UBTRFS" vers)"
	refused "'c' is ambiguous" "$UBTRFS" c
	# one letter more and it is cat: its own complaint
	refused "cat: no IMAGE:/PATH given" "$UBTRFS" ca
	refused "dump-super: no file or device given" "$UBTRFS" insp dump-s
	refused "'dump-' is ambiguous" "$UBTRFS" inspect-internal dump-
}

@test "help lists every command, and each command has its own" {
	local command
	for command in mkfs ls stat tree cat cp inspect-internal version; do
		"$UBTRFS" help | grep -q "^    $command "
	done
	for command in mkfs ls stat tree cat cp inspect-internal; do
		"$UBTRFS" help "$command" | head -1 | grep -q "^usage: ubtrfs $command"
		same "$("$UBTRFS" help $command)" "$("$UBTRFS" $command --help)"
	done
	refused "unknown command 'x'" "$UBTRFS" help x
}

@test "the options of every command are the same in its parser, its help and its man page" {
	python3 "$ROOT/test/cli/options_told.py" "$UBTRFS" "$ROOT" ${UBTRFS_FULL:+--all}
}

@test "version is told by each of its ways" {
	"$UBTRFS" version | grep -qE '^ubtrfs v[0-9]+\.[0-9]+\.[0-9]+$'
	same "$("$UBTRFS" version)" "$("$UBTRFS" --version)"
	"$UBTRFS" mkfs -V | grep -q "$("$UBTRFS" version)"
}

@test "run as mkfs.btrfs or mkfs.ubtrfs it is mkfs" {
	local name
	for name in mkfs.btrfs mkfs.ubtrfs; do
		ln -s "$UBTRFS" $name
		./$name -q -b 128m -L $name $name.img
		"$UBTRFS" inspect-internal dump-super $name.img | grep -qE "^label\s+$name\$"
		./$name --help | grep -q '^usage: ubtrfs mkfs'
	done
}

@test "a full disk under the output is an error" {
	[ -e /dev/full ] || skip "no /dev/full"
	run bash -c '"$UBTRFS" help >/dev/full'
	[ "$status" -eq 1 ]
	[[ "$output" == "ERROR: cannot write to standard output" ]]
}
