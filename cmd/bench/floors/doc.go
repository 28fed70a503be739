// Package floors has the smallest programs that could do what Tributary does, without what makes it Tributary: they take no events
// from a log, check nothing, know no owners, and have their data ready in memory before the clock starts. What the product loses
// against them is the price of the rest.
package floors
