//go:build race

package chaos

// buildFlags are those of the program: it looks for races where its tests do.
var buildFlags = []string{"-race"} //nolint:gochecknoglobals // a constant, were there constant slices
