package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hairpin/ui/uitest/fake"
)

// TestCopyAlsoIntoAFile, since a terminal may keep its clipboard to itself.
func TestCopyAlsoIntoAFile(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".local/state/hairpin/copied")
	d := open80(t, fake.Busy(), withEnv("HOME="+home))
	atBackend(d)
	d.press("y")
	d.has("sent to the clipboard, and in ~/.local/state/hairpin/copied: 10.1.1.12")
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := read(); got != "10.1.1.12\n" {
		t.Errorf("the file has %q", got)
	}
	d.press("Y")
	d.has("copied: the screen")
	if got := read(); !strings.Contains(got, "VIPs > web") || strings.Contains(got, " \n") || strings.Contains(got, "\x1b") {
		t.Errorf("the file has %q", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestCopyWithoutAHome(t *testing.T) {
	d := open80(t, fake.Busy())
	atBackend(d)
	d.press("y")
	d.has("sent to the clipboard: 10.1.1.12")
	d = open80(t, fake.Busy(), withEnv("HOME=/dev/null"))
	atBackend(d)
	d.press("y")
	d.has("sent to the clipboard only: mkdir /dev/null")
}
