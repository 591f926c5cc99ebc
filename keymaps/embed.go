// Package keymaps holds the presets of the console's keys.
package keymaps

import "embed"

// Files are the presets, one TOML file each.
//
//go:embed *.toml
var Files embed.FS
