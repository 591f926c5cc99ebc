// Package themes holds the built-in themes of the console, one TOML file each.
package themes

import "embed"

// FS has the files NAME.toml at its root.
//
//go:embed *.toml
var FS embed.FS
