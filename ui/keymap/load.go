package keymap

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"hairpin/engine/near"
	"hairpin/keymaps"
	"hairpin/ui/action"
	"hairpin/ui/layer"
)

// Default is the preset below everything where no file and no flag names another.
const Default = "classic"

// Load builds the keymap. choice is what a flag or the environment says: empty, a preset, or a file. A preset is
// taken alone, so that a known keyboard can be had on somebody else's machine; a file is laid over the others. files
// are the node's and the person's own, weakest first; those that do not exist are passed over. The strongest that
// inherits something says which preset is below all. Load always returns a keymap that works: whatever could not be used
// is in its Problems.
func Load(choice string, files ...string) *Keymap {
	below := base{at: layer.Place{File: "keymap"}}
	switch {
	case IsFile(choice):
		files = append(files, choice)
	case choice != "":
		below.name, files = choice, nil
	}
	var layers []file
	for _, name := range files {
		data, err := layer.Read(name)
		if errors.Is(err, fs.ErrNotExist) && name != choice {
			continue
		}
		f := file{name: name}
		if err != nil {
			f.skip(0, err.Error(), "the file is skipped")
		} else {
			f = parse(name, data)
		}
		if f.inherits.name != "" {
			below = f.inherits
		}
		layers = append(layers, f)
	}
	k := newKeymap()
	k.Name = k.preset(below)
	for _, f := range layers {
		k.lay(f)
	}
	k.keepPalette()
	return k
}

// keepPalette sees that on each screen a key opens the palette, by which everything can be reached that has no key.
func (k *Keymap) keepPalette() {
	for _, scope := range action.Scopes {
		if len(k.Keys(scope, action.Palette)) > 0 {
			continue
		}
		at := layer.Place{File: k.Layers[len(k.Layers)-1]}
		what := fmt.Sprintf("no key opens the palette in [%s], so that what has no key could not be reached", scope)
		k.Problems = append(k.Problems, layer.Problem{Place: at, What: what, Used: `":" does`})
		k.bind(scope, Binding{Keys: []string{":"}, Action: action.Palette})
	}
}

// IsFile tells whether a choice names a file, and not a preset.
func IsFile(choice string) bool { return strings.ContainsAny(choice, "/.") }

// preset lays an embedded keymap over those it inherits, and returns the name of the one that was used.
func (k *Keymap) preset(b base) string {
	if b.name == "" {
		b.name = Default
	}
	var stack []file
	for name := b.name; name != "" && len(stack) <= len(Presets()); {
		data, err := keymaps.Files.ReadFile(name + ".toml")
		if err != nil {
			break
		}
		f := parse(name+".toml", data)
		stack = append(stack, f)
		name = f.inherits.name
	}
	if len(stack) == 0 {
		what := fmt.Sprintf("no preset is called %q (there are: %s)%s", b.name, strings.Join(Presets(), ", "), near.Hint(b.name, Presets()))
		k.Problems = append(k.Problems, layer.Problem{Place: b.at, What: what, Used: Default + " is used"})
		return k.preset(base{})
	}
	for i := len(stack) - 1; i >= 0; i-- {
		k.lay(stack[i])
	}
	return b.name
}

// lay binds what a file says over what is there.
func (k *Keymap) lay(f file) {
	k.Layers = append(k.Layers, f.name)
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
