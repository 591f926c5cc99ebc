package theme

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
)

// colour is one palette entry: the same colour as each profile can show it.
type colour struct {
	True    string // #rrggbb
	ANSI256 int    // 0..255
	ANSI16  int    // 0..15
}

// entry is a colour as it is written.
type entry struct {
	True    *string `toml:"true"`
	ANSI256 *int    `toml:"ansi256"`
	ANSI16  *int    `toml:"ansi16"`
}

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func (e entry) colour() (c colour, err error) {
	switch {
	case e.True == nil, e.ANSI256 == nil, e.ANSI16 == nil:
		return c, errors.New("a colour has true, ansi256 and ansi16: write all three")
	case !hexColour.MatchString(*e.True):
		return c, fmt.Errorf("true: %q is not #rrggbb", *e.True)
	case *e.ANSI256 < 0 || *e.ANSI256 > 255:
		return c, fmt.Errorf("ansi256: %d is not in 0..255", *e.ANSI256)
	case *e.ANSI16 < 0 || *e.ANSI16 > 15:
		return c, fmt.Errorf("ansi16: %d is not in 0..15", *e.ANSI16)
	}
	return colour{*e.True, *e.ANSI256, *e.ANSI16}, nil
}

// in is the colour as lipgloss wants it for a profile.
func (c colour) in(p Profile) string {
	switch p {
	case TrueColor:
		return c.True
	case ANSI256:
		return strconv.Itoa(c.ANSI256)
	}
	return strconv.Itoa(c.ANSI16)
}
