// Package quiet keeps bubbletea from asking the terminal for its background colour while the program starts.
//
// bubbletea's init asks, and waits for up to 5 s, through lipgloss's default output; that output asks nobody while the
// variable CI is set, and keeps what it found. Package term takes the variable back right after bubbletea's init.
//
// That this init comes first is no luck: Go initialises, of the packages that are ready, the one whose path sorts
// first. This one needs only os. bubbletea also needs os/signal, which needs os and sorts behind this path.
package quiet

import "os"

const variable = "CI"

var ours = hush()

func hush() bool {
	if os.Getenv(variable) != "" {
		return false
	}
	return os.Setenv(variable, "quiet") == nil
}

// Over restores the environment. It is called once, by an init that comes after bubbletea's.
func Over() {
	if ours {
		os.Unsetenv(variable)
	}
}
