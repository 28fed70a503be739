package views

import (
	"embed"
	"io/fs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are goose files in a folder migrations, to be applied after those of every projection.
func Migrations() fs.FS { return migrations }
