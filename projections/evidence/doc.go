// Package evidence proves a figure by the events behind it: it reads them back from the log and adds them up by the rules.
//
//	store ──claims──▶ position, event id, time, amounts ──┐
//	log ───records at those positions──▶ the rule ────────┴──▶ findings, one an event ──▶ their sum, held against the figure
//
// A store says which events stand behind its figure; what they add is never taken from it. So a figure, an entry, or an index
// that somebody changed shows: as an event that adds something else, as one that is not there, or as a sum that is another.
// What the store does not know at all, an event that it never took in, shows in the sum only where the figure has it: to
// search the whole log for it is what audit is for.
package evidence
