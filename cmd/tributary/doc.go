// Command tributary is the product's one program: each of its subcommands is a file here, with its flags, its wiring and its
// printing. What it does otherwise lives in the rooms.
//
//	main ─▶ run(arguments, streams, environment) ─▶ a subcommand ─▶ rooms
//	                                                    │
//	        exit code ◀── report ◀── error ◀────────────┘     facts ─▶ stdout, all else ─▶ stderr
//
// The program is a value: run takes all that it touches of the outer world, so tests run whole commands, several at once, in
// one process.
package main
