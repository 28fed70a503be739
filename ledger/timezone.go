package ledger

import (
	_ "embed"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed timezones.txt
var timeZoneNames string

// timeZones is the set of IANA names. A list of our own, because the zones of the machine and of the Go release differ
// from place to place, and an event must be valid everywhere or nowhere.
//
//nolint:gochecknoglobals // a constant that Go cannot express as one
var timeZones = sync.OnceValue(func() map[string]struct{} {
	set := map[string]struct{}{}
	for name := range strings.Lines(timeZoneNames) {
		set[strings.TrimSuffix(name, "\n")] = struct{}{}
	}
	return set
})

// IsTimeZone reports whether name is an IANA time zone, such as "Europe/Paris", in exactly this spelling.
func IsTimeZone(name string) bool {
	_, ok := timeZones()[name]
	return ok
}

// TimeZones are the names that IsTimeZone knows, in alphabetical order.
func TimeZones() []string { return slices.Sorted(maps.Keys(timeZones())) }
