// Package settings knows where the console's files of keys and looks lie: the node's below the person's own, and never in
// the working directory.
package settings

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"hairpin/ui/keymap"
	"hairpin/ui/layer"
	"hairpin/ui/theme"
)

// Settings are the folders of one console.
type Settings struct {
	Node  string // the node's
	Own   string // the person's own; empty = there is none
	State string // where the console may keep what it remembers for the person; empty = nowhere
}

// Of finds the person's folders by XDG's variables, else below HOME. Relative ones are nobody's.
func Of(node string, getenv func(string) string) Settings {
	below := func(variable string, home ...string) string {
		if dir := getenv(variable); filepath.IsAbs(dir) {
			return filepath.Join(dir, "hairpin")
		}
		if dir := getenv("HOME"); filepath.IsAbs(dir) {
			return filepath.Join(append(append([]string{dir}, home...), "hairpin")...)
		}
		return ""
	}
	return Settings{Node: node, Own: below("XDG_CONFIG_HOME", ".config"), State: below("XDG_STATE_HOME", ".local", "state")}
}

// Keymaps are the files that may say something about keys, weakest first.
func (s Settings) Keymaps() []string {
	var files []string
	for _, dir := range s.folders() {
		files = append(files, filepath.Join(dir, "keymap.toml"))
	}
	return files
}

// Keymap loads the keys; choice is what a flag or the environment says: nothing, a preset, or a file.
func (s Settings) Keymap(choice string) *keymap.Keymap { return keymap.Load(choice, s.Keymaps()...) }

// Themes are the folders of themes, weakest first.
func (s Settings) Themes() []layer.Dir {
	var dirs []layer.Dir
	for _, dir := range s.folders() {
		dirs = append(dirs, layer.Dir(filepath.Join(dir, "themes")))
	}
	return dirs
}

// Theme loads the looks; choice is a theme's name, or a file over all others.
func (s Settings) Theme(choice string) (*theme.Theme, []layer.Problem) {
	name, dirs := s.theme(choice)
	var problems []layer.Problem
	if IsThemeFile(choice) && !exists(choice) {
		problems = append(problems, layer.Problem{Place: layer.Place{File: choice}, What: "there is no such file", Used: "the theme below it is used"})
	}
	t, more := theme.Load(name, dirs...)
	return t, append(problems, more...)
}

// Contrast tells of what can hardly be read in a theme that somebody wrote.
func (s Settings) Contrast(choice string) []layer.Problem {
	name, dirs := s.theme(choice)
	return theme.Contrast(name, dirs...)
}

// theme is the name of a choice, and the folders in which it is looked for.
func (s Settings) theme(choice string) (name string, dirs []layer.Dir) {
	dirs = s.Themes()
	if !IsThemeFile(choice) {
		return choice, dirs
	}
	dir, base := filepath.Split(choice)
	return strings.TrimSuffix(base, ".toml"), append(dirs, layer.Dir(dir))
}

// IsThemeFile tells whether a choice names a file, and not a theme: files end in ".toml".
func IsThemeFile(choice string) bool { return strings.HasSuffix(choice, ".toml") }

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Closed are the folders that this process may not look into, as a home that is somebody else's.
func (s Settings) Closed() (problems []layer.Problem) {
	for _, dir := range []string{s.Node, s.Own} {
		if closed(dir) {
			problems = append(problems, layer.Problem{Place: layer.Place{File: dir}, What: "permission denied", Used: "its files are skipped"})
		}
	}
	return problems
}

func (s Settings) folders() []string {
	var dirs []string
	for _, dir := range []string{s.Node, s.Own} {
		if dir != "" && !closed(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func closed(dir string) bool { return unix.Access(dir, unix.R_OK|unix.X_OK) == unix.EACCES }
