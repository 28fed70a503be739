package main

import (
	"math"
	"strings"
)

// bars draws a bar for each value, all to one scale, in so many characters at most. Where some are negative an axis stands
// between, and their bars lie left of it.
func bars(values []float64, width int) []string {
	least, most := 0.0, 0.0
	for _, value := range values {
		least, most = min(least, value), max(most, value)
	}
	drawn := make([]string, len(values))
	if most == least || width <= 0 {
		return drawn
	}
	if least == 0 {
		for i, value := range values {
			drawn[i] = bar(value/most, width)
		}
		return drawn
	}
	width-- // for the axis
	leftWidth := min(max(int(math.Round(float64(width)*-least/(most-least))), 1), width-1)
	rightWidth := width - leftWidth
	if most == 0 {
		leftWidth, rightWidth = width, 0
	}
	scale := max(-least/float64(leftWidth), most/float64(max(rightWidth, 1))) // of one character, the same on both sides
	for i, value := range values {
		left, right := "", ""
		if value < 0 {
			left = leftBar(-value / scale)
		} else {
			right = rightBar(value / scale)
		}
		drawn[i] = strings.Repeat(" ", max(0, leftWidth-len([]rune(left)))) + left + "│" + right
	}
	return drawn
}

// bar is a share of a width, from the left.
func bar(share float64, width int) string { return rightBar(share * float64(width)) }

// rightBar is so many characters long, to an eighth; what is not nothing is seen.
func rightBar(length float64) string {
	const eighths = 8
	if length <= 0 {
		return ""
	}
	parts := max(int(math.Round(length*eighths)), 1)
	whole := strings.Repeat("█", parts/eighths)
	if rest := parts % eighths; rest > 0 {
		return whole + string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return whole
}

// leftBar grows from the right, to a half: there are no finer blocks that way.
func leftBar(length float64) string {
	const halves = 2
	parts := max(int(math.Round(length*halves)), 1)
	whole := strings.Repeat("█", parts/halves)
	if parts%halves > 0 {
		return "▐" + whole
	}
	return whole
}
