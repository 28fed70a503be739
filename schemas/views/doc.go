// Package views holds the SQL of views over several projections, which therefore belongs to none of them.
package views
