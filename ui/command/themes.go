package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hairpin/engine/near"
	"hairpin/ui/layer"
	"hairpin/ui/settings"
	"hairpin/ui/theme"
)

// themeView is a theme in print.
type themeView struct {
	Name     string          `json:"name"`
	Profile  string          `json:"profile"`
	Tokens   []tokenView     `json:"tokens"`
	Problems []layer.Problem `json:"problems"`

	theme *theme.Theme
}

type tokenView struct {
	Token      string `json:"token"`
	Look       string `json:"look"`
	Foreground string `json:"foreground,omitempty"`
	Background string `json:"background,omitempty"`
	Says       string `json:"says"`
}

func newThemes(t *tree) *cobra.Command {
	c := &cobra.Command{
		Use:   "themes [THEME]",
		Short: "The console's themes, drawn as this terminal can",
		Long: `Lists the console's themes, or draws each token of one in its own style.

THEME is a name, or a file that ends in ".toml". Themes are files in the folder
themes of the node's folder (--config) and of the person's own
($XDG_CONFIG_HOME/hairpin), over the built-in ones.`,
		Args: usage(cobra.MaximumNArgs(1)),
	}
	o := outputFlag(c)
	colours := c.Flags().String("colors", "", "draw with `COLORS`: true, 256, 16 or none (default: what the terminal shows)")
	c.RunE = func(_ *cobra.Command, args []string) error {
		draw, err := t.palette(*colours)
		if err != nil {
			return err
		}
		names := theme.Names(t.settings().Themes()...)
		if len(args) > 0 {
			if !settings.IsThemeFile(args[0]) && !slices.Contains(names, args[0]) {
				return noSuch("theme", args[0], names)
			}
			names = args
		}
		views := []themeView{}
		for _, name := range names {
			v := draw.view(t.settings(), name)
			views = append(views, v)
			t.warnOf(v.Problems)
		}
		if len(args) > 0 {
			return o.print(t.Stdout, views[0], func() error { return draw.write(t.Stdout, views[0]) })
		}
		return o.print(t.Stdout, views, func() error { return draw.list(t.Stdout, views) })
	}
	return c
}

// noSuch is a name that was given and is not there.
func noSuch(what, name string, known []string) error {
	return &failure{exitUsage, fmt.Errorf("no %s is called %q%s", what, name, near.Hint(name, known)), fmt.Sprintf("there are %s", strings.Join(known, ", "))}
}

// palette is how themes are drawn here.
type palette struct {
	profile theme.Profile
	styled  bool // the output shows styles
	colour  bool // without it, the console draws with the theme mono
}

func (t *tree) palette(colours string) (palette, error) {
	profile, colour := theme.Detect(os.Getenv)
	switch colours {
	case "":
		return palette{profile, t.Terminal, colour}, nil
	case "true":
		return palette{theme.TrueColor, true, true}, nil
	case "256":
		return palette{theme.ANSI256, true, true}, nil
	case "16":
		return palette{theme.ANSI16, true, true}, nil
	case "none":
		return palette{theme.ANSI16, true, false}, nil
	}
	return palette{}, &failure{exitUsage, errors.New(`--colors: it is true, 256, 16 or none`), ""}
}

func (p palette) view(s settings.Settings, name string) themeView {
	th, problems := s.Theme(name)
	v := themeView{Name: th.Name, Profile: p.profile.String(), Tokens: []tokenView{}, Problems: append([]layer.Problem{}, problems...), theme: th.WithProfile(p.profile)}
	for _, k := range theme.Tokens() {
		fg, bg := v.theme.Colours(k)
		v.Tokens = append(v.Tokens, tokenView{string(k), th.Look(k), fg, bg, k.What()})
	}
	if !p.colour {
		mono, _ := theme.Load("mono")
		v.theme = mono.WithProfile(p.profile)
	}
	return v
}

// say is a text as the console would draw it.
func (p palette) say(th *theme.Theme, k theme.Token, text string) string {
	if !p.styled {
		return text
	}
	return th.Style(k).Render(text)
}

func (p palette) list(w io.Writer, views []themeView) error {
	for _, v := range views {
		fmt.Fprintf(w, "%-16s", v.Name)
		for _, k := range []theme.Token{theme.OK, theme.Warn, theme.Crit, theme.Up, theme.Draining, theme.Down, theme.Staged, theme.Armed, theme.Selection, theme.Key} {
			fmt.Fprint(w, " ", p.say(v.theme, k, string(k)))
		}
		fmt.Fprintln(w)
	}
	return p.note(w)
}

func (p palette) write(w io.Writer, v themeView) error {
	fmt.Fprintf(w, "%s, colours %s\n\n", p.say(v.theme, theme.Title, v.Name), v.Profile)
	for i, k := range theme.Tokens() {
		t := v.Tokens[i]
		fmt.Fprintf(w, "%s%*s %-22s %-8s %s\n", p.say(v.theme, k, t.Token), 12-len(t.Token), "", t.Look, t.Foreground, t.Says)
	}
	return p.note(w)
}

func (p palette) note(w io.Writer) error {
	if p.colour {
		return nil
	}
	_, err := fmt.Fprintln(w, "\nwithout colours (NO_COLOR) the console draws all of them as mono")
	return err
}
