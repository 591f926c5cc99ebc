package theme

import (
	"strings"

	"github.com/muesli/termenv"
)

// Profile is how many colours the terminal shows.
type Profile int

// Profiles, poorest first. There is none without attributes: a terminal without colours still has bold and reverse,
// which the mono theme uses under ANSI16.
const (
	ANSI16 Profile = iota
	ANSI256
	TrueColor
)

// String is the key of the profile in a theme file's palette.
func (p Profile) String() string {
	switch p {
	case TrueColor:
		return "true"
	case ANSI256:
		return "ansi256"
	}
	return "ansi16"
}

func (p Profile) termenv() termenv.Profile {
	switch p {
	case TrueColor:
		return termenv.TrueColor
	case ANSI256:
		return termenv.ANSI256
	}
	return termenv.ANSI
}

// Detect is how many colours the terminal shows, by TERM and COLORTERM: many sshd pass only the former. Colour is
// false when NO_COLOR is set: draw with the mono theme then, in the profile that is returned, which keeps bold
// and reverse.
func Detect(getenv func(string) string) (p Profile, colour bool) {
	if getenv("NO_COLOR") != "" {
		return ANSI16, false
	}
	term := getenv("TERM")
	switch c := getenv("COLORTERM"); {
	case (c == "truecolor" || c == "24bit") && !strings.HasPrefix(term, "screen"):
		return TrueColor, true
	case strings.HasSuffix(term, "-direct"):
		return TrueColor, true
	}
	for _, known := range []string{"256color", "kitty", "alacritty", "ghostty", "wezterm", "foot", "contour"} {
		if strings.Contains(term, known) {
			return ANSI256, true
		}
	}
	return ANSI16, true
}

// Monochrome tells whether a terminal says that it has no colours, as serial consoles do. It may have some all the same, where
// another terminal stands behind its name.
func Monochrome(getenv func(string) string) bool {
	term := getenv("TERM")
	for _, vt := range []string{"vt100", "vt102", "vt220", "vt320", "vt420"} {
		if term == vt || strings.HasPrefix(term, vt+"-") {
			return true
		}
	}
	return strings.HasSuffix(term, "-mono") || strings.HasSuffix(term, "-m")
}
