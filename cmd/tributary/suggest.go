package main

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tributary-ledger/tributary/ledger"
)

// nearest are the names that somebody who typed this may have meant, the nearest first; few, or none.
func nearest(typed string, names []string) []string {
	const most = 3
	distances := map[string]int{}
	var near []string
	for _, name := range names {
		d := distance(strings.ToLower(typed), strings.ToLower(name))
		if _, known := distances[name]; !known && d <= max(1, utf8.RuneCountInString(typed)/3) {
			distances[name] = d
			near = append(near, name)
		}
	}
	slices.SortFunc(near, func(a, b string) int { return cmp.Or(cmp.Compare(distances[a], distances[b]), strings.Compare(a, b)) })
	return near[:min(len(near), most)]
}

// didYouMean is a question for the end of an error, empty where nothing comes near.
func didYouMean(typed string, names []string) string {
	if near := nearest(typed, names); len(near) > 0 {
		return `: did you mean "` + strings.Join(near, `" or "`) + `"?`
	}
	return ""
}

// zoneMeant is the same for time zones, which people also call by their city alone, or by an offset.
func zoneMeant(typed string) string {
	city := strings.ReplaceAll(typed, " ", "_")
	for _, zone := range ledger.TimeZones() {
		if _, last, _ := strings.Cut(zone, "/"); city != "" && (strings.EqualFold(zone, city) || strings.EqualFold(last, city)) {
			return `: did you mean "` + zone + `"?`
		}
	}
	return cmp.Or(didYouMean(typed, ledger.TimeZones()), "; they are named as Europe/Paris is")
}

// distance is how many letters have to be typed anew, added, or taken away.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j := range to {
			cost := diagonal
			if from[i] != to[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
