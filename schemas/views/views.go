// Package views holds the SQL of views over several projections, which therefore belongs to none of them.
package views

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are goose files in a folder migrations, to be applied after those of every projection.
func Migrations() fs.FS { return migrations }
