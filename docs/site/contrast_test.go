package main

import (
	"fmt"
	"math"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// Text is told from its ground by all who can read it: 4.5 to 1 at least, as WCAG 2 asks, in light and in dark.
func TestColoursHaveContrast(t *testing.T) {
	t.Parallel()
	sheet, err := assets.ReadFile("assets/site.css")
	require.NoError(t, err)
	themes := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllSubmatch(sheet, -1)
	require.Len(t, themes, 2)
	for _, theme := range themes {
		colours := map[string]string{}
		for _, named := range regexp.MustCompile(`--(\w+): (#[0-9a-f]{6});`).FindAllSubmatch(theme[1], -1) {
			colours[string(named[1])] = string(named[2])
		}
		for _, ground := range []string{"ground", "raised"} {
			for _, text := range []string{"ink", "quiet", "link", "keyword", "string", "number", "comment", "name"} {
				requireContrast(t, colours[text], colours[ground])
			}
		}
		requireContrast(t, colours["link"], colours["mark"])
		requireContrast(t, colours["ink"], colours["found"])
	}
}

func requireContrast(t *testing.T, text, ground string) {
	t.Helper()
	a, b := luminance(t, text), luminance(t, ground)
	require.Greater(t, (max(a, b)+0.05)/(min(a, b)+0.05), 4.5, "%s on %s", text, ground)
}

// luminance is a colour's relative luminance, from 0 to 1.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	var rgb [3]int
	_, err := fmt.Sscanf(colour, "#%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2])
	require.NoError(t, err, colour)
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		part := float64(rgb[i]) / 255
		if part <= 0.03928 {
			part /= 12.92
		} else {
			part = math.Pow((part+0.055)/1.055, 2.4)
		}
		sum += weight * part
	}
	return sum
}
