package theme

import (
	"fmt"
	"regexp"
	"strconv"
)

// colour is one palette entry: the same colour as each profile can show it.
type colour struct {
	True    string `toml:"true"`    // #rrggbb
	ANSI256 int    `toml:"ansi256"` // 0..255
	ANSI16  int    `toml:"ansi16"`  // 0..15
}

var hexColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func (c colour) check() error {
	switch {
	case !hexColour.MatchString(c.True):
		return fmt.Errorf("true: %q is not #rrggbb", c.True)
	case c.ANSI256 < 0 || c.ANSI256 > 255:
		return fmt.Errorf("ansi256: %d is not in 0..255", c.ANSI256)
	case c.ANSI16 < 0 || c.ANSI16 > 15:
		return fmt.Errorf("ansi16: %d is not in 0..15", c.ANSI16)
	}
	return nil
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
