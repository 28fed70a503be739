package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
)

// badLine is a line that is no valid event.
type badLine struct {
	Line    int         `json:"line"`
	Code    ledger.Code `json:"code"`
	Path    string      `json:"path"`
	Message string      `json:"message"`
}

func newBadLine(line int, why *ledger.Invalid) badLine {
	return badLine{line, why.Code, why.Path, why.Message}
}

func (b badLine) String() string {
	why := ledger.Invalid{Code: b.Code, Path: b.Path, Message: b.Message}
	return fmt.Sprintf("line %d: %s", b.Line, printable(why.Error()))
}

// repeatedID is a line whose event has an id that an earlier line gave to another content. Only one of them will count.
type repeatedID struct {
	Line      int       `json:"line"`
	FirstLine int       `json:"first_line"`
	ID        uuid.UUID `json:"id"`
}

const (
	// maxBadLines is how many bad lines people are shown; --json shows all.
	maxBadLines = 20
	// maxFingerprints bounds the search for repeated ids to 128 MiB of memory.
	maxFingerprints = 8 << 20
)

// check is what is known of a file after its first reading.
type check struct {
	size     int64
	events   int
	counts   map[string]int // bad lines by code
	bad      []badLine
	keepAll  bool
	seen     []fingerprint
	seed     maphash.Seed
	repeated []repeatedID
}

// fingerprint stands for a line: equal ids have an equal one, and nearly all others another.
type fingerprint struct{ id, content uint64 }

// checkLines reads every line, publishes nothing, and tells which are bad.
func (a *app) checkLines(ctx context.Context, input *os.File) (*check, error) {
	size, err := rewind(input)
	if err != nil {
		return nil, err
	}
	c := &check{size: size, counts: map[string]int{}, keepAll: a.asJSON, seed: maphash.MakeSeed()}
	bar := a.startProgress(ctx, "checking", size, countBytes)
	defer bar.end()
	if err := eachChunk(ctx, counted{input, bar}, c.read, c.add); err != nil {
		return nil, err
	}
	if err := c.findRepeated(ctx, input); err != nil {
		return nil, err
	}
	return c, nil
}

func rewind(input *os.File) (int64, error) {
	size, err := input.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = input.Seek(0, io.SeekStart)
	}
	if err != nil {
		return 0, fmt.Errorf("go to the start of the input: %w", err)
	}
	return size, nil
}

// checkedChunk is what a worker finds in a chunk.
type checkedChunk struct {
	events int
	bad    []badLine
	seen   []fingerprint
}

func (c *check) read(part chunk) checkedChunk {
	var found checkedChunk
	if part.tooLong > 0 {
		found.bad = append(found.bad, tooLong(part))
	}
	for number, line := range part.lines() {
		event, invalid := ledger.DecodeJSON(line, ledger.Strict)
		if invalid != nil {
			found.bad = append(found.bad, newBadLine(number, invalid))
			continue
		}
		found.events++
		found.seen = append(found.seen, fingerprint{fingerprintOf(event.ID), maphash.Bytes(c.seed, line)})
	}
	return found
}

func tooLong(part chunk) badLine {
	return badLine{
		Line: part.first, Code: ledger.CodeTooLarge,
		Message: fmt.Sprintf("the event has %d bytes, at most %d are taken; split it", part.tooLong, ledger.MaxEventBytes),
	}
}

// fingerprintOf folds an id's halves: in a time-ordered id the second half is random, in a random one both are.
func fingerprintOf(id uuid.UUID) uint64 {
	return binary.BigEndian.Uint64(id[:8]) ^ binary.BigEndian.Uint64(id[8:])
}

func (c *check) add(_ context.Context, found checkedChunk) error {
	c.events += found.events
	for _, bad := range found.bad {
		c.counts[string(bad.Code)]++
		if c.keepAll || len(c.bad) < maxBadLines {
			c.bad = append(c.bad, bad)
		}
	}
	if len(c.seen) < maxFingerprints {
		c.seen = append(c.seen, found.seen...)
	}
	return nil
}

func (c *check) invalid() int {
	total := 0
	for _, n := range c.counts {
		total += n
	}
	return total
}

// findRepeated looks for one id with two contents. Fingerprints tell cheaply whether there can be any; only then the file is
// read once more.
func (c *check) findRepeated(ctx context.Context, input *os.File) error {
	suspects := map[uint64]bool{}
	slices.SortFunc(c.seen, func(a, b fingerprint) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.content, b.content)) })
	for i := 1; i < len(c.seen); i++ {
		if c.seen[i].id == c.seen[i-1].id && c.seen[i].content != c.seen[i-1].content {
			suspects[c.seen[i].id] = true
		}
	}
	c.seen = nil
	if len(suspects) == 0 {
		return nil
	}
	if _, err := rewind(input); err != nil {
		return err
	}
	firsts := map[uuid.UUID]suspect{}
	return eachChunk(ctx, input, func(part chunk) []suspect { return suspectsIn(part, suspects) },
		func(_ context.Context, found []suspect) error {
			for _, s := range found {
				before, known := firsts[s.id]
				switch {
				case !known:
					firsts[s.id] = s
				case before.hash != s.hash:
					c.repeated = append(c.repeated, repeatedID{s.line, before.line, s.id})
				}
			}
			return nil
		})
}

// suspect is a line whose id may be another line's too.
type suspect struct {
	line int
	id   uuid.UUID
	hash [ledger.HashBytes]byte
}

func suspectsIn(part chunk, fingerprints map[uint64]bool) []suspect {
	var found []suspect
	for number, line := range part.lines() {
		event, invalid := ledger.DecodeJSON(line, ledger.Strict)
		if invalid == nil && fingerprints[fingerprintOf(event.ID)] {
			found = append(found, suspect{number, event.ID, event.ContentHash()})
		}
	}
	return found
}

func (c *check) publication() publication {
	return publication{
		Events: c.events, Skipped: c.counts, Invalid: notNil(c.bad), Repeated: notNil(c.repeated), Positions: []string{},
	}
}

// printCheck tells what the check found where nothing is published.
func (a *app) printCheck(c *check, result publication) error {
	if a.asJSON {
		if err := a.printJSON(result); err != nil {
			return err
		}
	} else if err := a.printBad(c); err != nil {
		return err
	}
	if len(c.counts) == 0 {
		if a.asJSON {
			return nil
		}
		return a.printf("%s events are valid; nothing was published (--dry-run)\n", count(c.events))
	}
	if !a.asJSON {
		a.notef("%s of %s lines are bad: nothing was published. Mend them, or publish the others with --skip-invalid.",
			count(c.invalid()), count(c.invalid()+c.events))
	}
	return errNo
}

// printBad lists the bad lines, the first few of many, and the ids that are repeated.
func (a *app) printBad(c *check) error {
	for _, bad := range c.bad {
		if err := a.printf("%s\n", bad); err != nil {
			return err
		}
	}
	if more := c.invalid() - len(c.bad); more > 0 {
		if err := a.printf("… and %s more (%s); --json lists all\n", count(more), byCode(c.counts)); err != nil {
			return err
		}
	}
	for i, r := range c.repeated {
		if i == maxBadLines {
			a.notef("warning: … and %s more repeated ids", count(len(c.repeated)-i))
			break
		}
		a.notef("warning: line %d has the id of line %d, %s, with another content: only one of them will count",
			r.Line, r.FirstLine, r.ID)
	}
	return nil
}

// byCode is such as "amount_negative 2, bad_id 1".
func byCode(counts map[string]int) string {
	parts := make([]string, 0, len(counts))
	for _, code := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, code+" "+count(counts[code]))
	}
	return strings.Join(parts, ", ")
}

// count writes a number for people: 25,900.
func count[T int | int64](n T) string { return thousands(fmt.Sprint(n)) }
