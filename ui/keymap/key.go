package keymap

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names of keys that are words. The value tells whether terminals send it with ctrl and shift as well.
var words = map[string]bool{
	"up": true, "down": true, "left": true, "right": true, "home": true, "end": true, "pgup": true, "pgdown": true,
	"enter": false, "esc": false, "tab": false, "space": false, "backspace": false, "delete": false, "insert": false,
	"f1": false, "f2": false, "f3": false, "f4": false, "f5": false, "f6": false,
	"f7": false, "f8": false, "f9": false, "f10": false, "f11": false, "f12": false,
}

// Keys that a terminal sends as something else, or that must stay free, each with the reason.
var refused = map[string]string{
	"ctrl+i":      "terminals send tab for it",
	"ctrl+m":      "terminals send enter for it",
	"ctrl+[":      "terminals send esc for it",
	"ctrl+h":      "many terminals send it for backspace",
	"alt+[":       "it begins the sequences of other keys",
	"alt+O":       "it begins the sequences of other keys",
	"alt+esc":     "terminals send two esc for it",
	"ctrl+k":      "it stays free: it erases a line elsewhere",
	"ctrl+z":      "it stays free: it suspends programs elsewhere",
	"shift+enter": "terminals send enter for it",
	"ctrl+enter":  "terminals send enter for it",
	"shift+space": "terminals send space for it",
	"ctrl+tab":    "terminals send tab for it",
}

// ParseKey checks the name of a key and returns it as the terminal layer spells it. The error is the reason why no
// terminal can send it, or why it must stay free.
func ParseKey(name string) (string, error) {
	if name == " " {
		return "space", nil
	}
	mods, base := split(name)
	if base == "" {
		return "", fmt.Errorf("%q is no key", name)
	}
	if why, no := refused[mods+base]; no {
		return "", errors.New(why)
	}
	for _, m := range strings.Split(strings.TrimSuffix(mods, "+"), "+") {
		switch m {
		case "", "ctrl", "alt", "shift":
		default:
			return "", fmt.Errorf("terminals do not send %s", m)
		}
	}
	if withMods, word := words[base]; word {
		return mods + base, checkWord(mods, base, withMods)
	}
	if utf8.RuneCountInString(base) != 1 {
		return "", fmt.Errorf("%q is no key", name)
	}
	r, _ := utf8.DecodeRuneInString(base)
	return mods + base, checkRune(mods, r)
}

// split separates "ctrl+shift+" from the key itself, which may be a plus.
func split(name string) (mods, base string) {
	if i := strings.LastIndex(strings.TrimSuffix(name, "+"), "+"); i >= 0 && i+1 < len(name) {
		return name[:i+1], name[i+1:]
	}
	return "", name
}

func checkWord(mods, base string, withMods bool) error {
	switch {
	case mods == "", mods == "alt+", mods == "shift+" && base == "tab":
		return nil
	case withMods && (mods == "ctrl+" || mods == "shift+" || mods == "ctrl+shift+"):
		return nil
	}
	return fmt.Errorf("terminals send plain %s for it", base)
}

func checkRune(mods string, r rune) error {
	switch {
	case !unicode.IsPrint(r):
		return fmt.Errorf("%q is no key", r)
	case mods == "", mods == "alt+":
		return nil
	case strings.Contains(mods, "shift+"):
		return fmt.Errorf("terminals send no shift with it: write %q", unicode.ToUpper(r))
	case mods == "ctrl+" && (r >= 'a' && r <= 'z' || strings.ContainsRune(`@\]^_`, r)):
		return nil
	}
	return fmt.Errorf("terminals do not send ctrl with %q", r)
}
