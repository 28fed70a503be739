// Package product measures Tributary as its users run it: commands and projectors are processes of their own, built from this module.
package product
