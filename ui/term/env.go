package term

import (
	"strings"

	"hairpin/ui/theme"
)

// Profile is how many colours the terminal shows, by TERM and COLORTERM: many sshd pass only the former. Colour is
// false when NO_COLOR is set: draw with the mono theme then, in the profile that is returned, which keeps bold
// and reverse.
func Profile(getenv func(string) string) (p theme.Profile, colour bool) {
	if getenv("NO_COLOR") != "" {
		return theme.ANSI16, false
	}
	term := getenv("TERM")
	switch c := getenv("COLORTERM"); {
	case (c == "truecolor" || c == "24bit") && !strings.HasPrefix(term, "screen"):
		return theme.TrueColor, true
	case strings.HasSuffix(term, "-direct"):
		return theme.TrueColor, true
	}
	for _, known := range []string{"256color", "kitty", "alacritty", "ghostty", "wezterm", "foot", "contour"} {
		if strings.Contains(term, known) {
			return theme.ANSI256, true
		}
	}
	return theme.ANSI16, true
}
