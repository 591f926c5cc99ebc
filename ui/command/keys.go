package command

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"hairpin/ui/action"
	"hairpin/ui/keymap"
	"hairpin/ui/layer"
	"hairpin/ui/settings"
)

// keysView is a keymap in print.
type keysView struct {
	Keymap   string          `json:"keymap"`
	Layers   []string        `json:"layers"` // weakest first
	Bindings []keyView       `json:"bindings"`
	Problems []layer.Problem `json:"problems"`
}

// keyView is one binding, or an action that only the palette calls.
type keyView struct {
	Screen string   `json:"screen"`
	Keys   []string `json:"keys"`
	Action string   `json:"action"`
	Does   string   `json:"does"`
	From   string   `json:"from"` // file:line, or "fixed"; empty without keys
}

func newKeys(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "keys [PRESET]",
		Short: "Every key of the console, and the file that binds it",
		Long: `Prints every key of the console by screen, and the file and line that binds it.

PRESET is one of ` + strings.Join(keymap.Presets(), ", ") + `, or a file. Without it, what the console
would use: the preset, below keymap.toml of the node's folder (--config),
below the one in the person's own ($XDG_CONFIG_HOME/hairpin).`,
		Args: usage(cobra.MaximumNArgs(1)),
	}
	o := outputFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		choice := os.Getenv("HAIRPIN_KEYMAP")
		if len(args) > 0 {
			choice = args[0]
			if !keymap.IsFile(choice) && !slices.Contains(keymap.Presets(), choice) {
				return noSuch("preset", choice, keymap.Presets())
			}
		}
		v := newKeysView(t.settings().Keymap(choice))
		v.Problems = slices.Concat([]layer.Problem{}, t.settings().Closed(), v.Problems)
		t.warnOf(v.Problems)
		return o.print(t.Stdout, v, func() error { return v.write(t.Stdout) })
	}
	return c
}

// settings are the folders of keys and looks.
func (t *tree) settings() settings.Settings { return settings.Of(t.paths.Config, os.Getenv) }

func (t *tree) warnOf(problems []layer.Problem) {
	for _, p := range problems {
		fmt.Fprintf(t.Stderr, "hairpin: warning: %s\n", p)
	}
}

func newKeysView(k *keymap.Keymap) keysView {
	v := keysView{Keymap: k.Name, Layers: k.Layers, Problems: k.Problems}
	for _, scope := range action.Scopes {
		bindings := k.In(scope)
		for _, a := range append(action.All(), action.Action{ID: action.None, Help: "nothing: the key is unbound here", Scope: scope}) {
			bound := false
			for _, b := range bindings {
				if b.Action != a.ID {
					continue
				}
				from := b.From.String()
				if b.From == (layer.Place{}) {
					from = "fixed"
				}
				v.Bindings = append(v.Bindings, keyView{string(scope), b.Keys, string(a.ID), a.Help, from})
				bound = true
			}
			if !bound && a.Scope == scope && a.ID != action.None {
				v.Bindings = append(v.Bindings, keyView{string(scope), []string{}, string(a.ID), a.Help, ""})
			}
		}
	}
	return v
}

func (v keysView) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "keymap %s: %s\n", v.Keymap, strings.Join(v.Layers, " < "))
	screen := ""
	for _, b := range v.Bindings {
		if b.Screen != screen {
			screen = b.Screen
			fmt.Fprintf(w, "\n%s\tACTION\tDOES\tFROM\n", strings.ToUpper(screen))
		}
		keys, from := strings.Join(b.Keys, " "), b.From
		if len(b.Keys) == 0 {
			keys, from = ":"+b.Action, "palette"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", keys, b.Action, b.Does, from)
	}
	return w.Flush()
}
