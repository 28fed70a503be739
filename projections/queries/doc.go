// Package queries is the read half of the HTTP API: answers from the projections, each of one moment.
//
//	request ──?after=──▶ a store that is past it (a standby, else the primary) ──▶ the projection's reader ──▶ JSON
package queries
