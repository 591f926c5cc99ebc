package keymap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"hairpin/keymaps"
	"hairpin/ui/action"
)

// Default is the preset below everything where no file and no flag names another.
const Default = "classic"

// Load builds the keymap. choice is what a flag or the environment says: empty, a preset, or a file. A preset is
// taken alone, so that a known keyboard can be had on somebody else's machine; a file is laid over the others. files
// are the node's and the person's own, weakest first; those that do not exist are passed over. It always returns a
// keymap that works: whatever could not be used is in its Problems.
func Load(choice string, files ...string) *Keymap {
	preset := ""
	switch {
	case strings.ContainsAny(choice, "/.") && choice != "":
		files = append(files, choice)
	case choice != "":
		preset, files = choice, nil
	}
	var layers []file
	for _, name := range files {
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) && name != choice {
			continue
		}
		f := file{name: name}
		if err != nil {
			f.skip(0, strings.TrimPrefix(err.Error(), "open "+name+": "), "the file is skipped")
		} else {
			f = parse(name, data)
		}
		if f.inherits != "" && preset == "" {
			preset = f.inherits
		}
		layers = append(layers, f)
	}
	k := newKeymap()
	k.Name = k.preset(preset, nil)
	for _, f := range layers {
		k.lay(f)
	}
	return k
}

// preset lays an embedded keymap with those it inherits, and returns the name of the one that was used.
func (k *Keymap) preset(name string, above []string) string {
	if name == "" {
		name = Default
	}
	data, err := keymaps.Files.ReadFile(name + ".toml")
	if err != nil {
		what := fmt.Sprintf("no preset is called %q (there are: %s)", name, strings.Join(Presets(), ", "))
		k.Problems = append(k.Problems, Problem{File: "keymap", What: what, Used: Default + " is used"})
		return k.preset(Default, nil)
	}
	f := parse(name+".toml", data)
	if f.inherits != "" && len(above) < len(Presets()) {
		k.preset(f.inherits, append(above, name))
	}
	k.lay(f)
	return name
}

// lay binds what a file says over what is there.
func (k *Keymap) lay(f file) {
	k.Problems = append(k.Problems, f.problems...)
	fresh := map[action.Scope]int{}
	for _, l := range f.lines {
		k.bind(l.scope, l.Binding)
		fresh[l.scope]++
	}
	// What the topmost layer says is what its reader expects to see first in help and footers.
	for scope, n := range fresh {
		list := k.scopes[scope]
		n = min(n, len(list))
		k.scopes[scope] = append(append([]Binding(nil), list[len(list)-n:]...), list[:len(list)-n]...)
	}
}

// Presets are the names of the embedded keymaps.
func Presets() []string {
	list, err := keymaps.Files.ReadDir(".")
	if err != nil {
		return []string{Default}
	}
	var out []string
	for _, e := range list {
		out = append(out, strings.TrimSuffix(e.Name(), filepath.Ext(e.Name())))
	}
	return out
}
