// Command site makes static HTML of the repository's Markdown, to be read and searched offline, from a folder, without a server:
//
//	docs/README.md ──▶ navigation ─┐
//	**/*.md ──goldmark──▶ body ────┼─template─▶ out/**/*.html
//	files that pages link to ──────┘            out/assets: one style sheet, one script, the words to search in
//
// The pages stay plain Markdown that reads well on GitHub, and a link that works there works here: anchors have the same names,
// and files and folders that pages link to become pages too, with numbered lines. Nothing is loaded from any network.
//
//	go run ./docs/site -root . -out bin/docs
package main
