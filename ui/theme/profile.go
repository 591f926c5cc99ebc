package theme

import "github.com/muesli/termenv"

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
