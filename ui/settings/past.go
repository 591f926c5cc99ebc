package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"hairpin/ui/layer"
)

// MaxPast is how many commands are remembered.
const MaxPast = 200

// Past is what a person ran by name, kept for the next session in a file that only they can read.
type Past struct {
	file string // empty = nothing is kept
}

// Past is the person's own.
func (s Settings) Past() Past {
	if s.State == "" {
		return Past{}
	}
	return Past{filepath.Join(s.State, "commands")}
}

// Read gives the commands of earlier sessions, newest last.
func (p Past) Read() ([]string, error) {
	if p.file == "" {
		return nil, nil
	}
	data, err := layer.Read(p.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.file, err)
	}
	lines := strings.FieldsFunc(string(data), func(r rune) bool { return r == '\n' || r == '\r' })
	return lines[max(0, len(lines)-MaxPast):], nil
}

// Add keeps one more command. Another console may do so at the same time: then one of the two commands is lost, and
// never the file.
func (p Past) Add(line string) error {
	if p.file == "" {
		return nil
	}
	past, _ := p.Read() // what cannot be read is replaced
	return Replace(p.file, strings.Join(Remember(past, line), "\n")+"\n")
}

// Remember puts a command at the end of others, and takes it from where it stood before.
func Remember(past []string, line string) []string {
	past = append(slices.DeleteFunc(slices.Clone(past), func(l string) bool { return l == line }), line)
	return past[max(0, len(past)-MaxPast):]
}
