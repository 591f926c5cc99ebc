package discover

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hairpin/engine/spec"
)

func random() (*rand.Rand, uint64) {
	seed := uint64(time.Now().UnixNano())
	return rand.New(rand.NewPCG(seed, 0)), seed
}

func TestFileLines(t *testing.T) {
	for _, row := range []struct{ what, text, want, err string }{
		{"nothing", "", "", ""},
		{"addresses and comments", "# a\n10.0.0.1\n\n 10.0.0.2 # b\n", "1 2", ""},
		{"states and weights", "10.0.0.1 weight 7 drain\n10.0.0.2 down weight 1\n10.0.0.3 up\r\n", "1d 2x 3", ""},
		{"the other family is left out", "10.0.0.1\nfd00::1\n", "1", ""},
		{"no address", "10.0.0.1\nweb.example.com\n", "", `line 2: address: "web.example.com" is not an IP address`},
		{"a port", "10.0.0.1:80", "", `line 1: address: "10.0.0.1:80" has a port`},
		{"no weight", "10.0.0.1 weight", "", "line 1: \"weight\": after the address"},
		{"a wrong weight", "10.0.0.1 weight 65536", "", `line 1: weight "65536" is not within 1 to 65535`},
		{"an odd word", "10.0.0.1 maintenance", "", `line 1: "maintenance": after the address`},
		{"a long line", "10.0.0.1 " + strings.Repeat("x", 100_000), "", "token too long"},
	} {
		f := &file{path: "/x", family: spec.IPv4}
		got, err := f.parse([]byte(row.text))
		if err != nil && (row.err == "" || !strings.Contains(err.Error(), row.err)) || err == nil && row.err != "" || words(got) != row.want {
			t.Errorf("%s: %q, %v", row.what, words(got), err)
		}
	}
	if got, _ := (&file{}).parse([]byte("10.0.0.1 weight 7")); len(got) != 1 || got[0].Weight != 7 {
		t.Errorf("weight: %v", got)
	}
}

// TestFile: a file is told when it has come to rest, also one that takes its place by a rename, and errors are told once.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "backends")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer synctest.Wait()
		defer stop()
		var told []string
		go (&file{path: path}).Follow(ctx, func(a Answer) {
			text := words(a.Endpoints)
			if a.Err != nil {
				text = "error"
			}
			told = append(told, text)
		})
		expect := func(what string, after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if strings.Join(told, "|") != strings.Join(want, "|") {
				t.Errorf("%s: told %q, not %q", what, told, want)
			}
			told = nil
		}
		expect("no file", 3500*time.Millisecond, "error")
		write(path, "10.0.0.1")
		expect("a file that still may be written", time.Second)
		expect("a file at rest", time.Second, "1")
		expect("nothing new", 10*time.Second)
		write(path+".new", "10.0.0.1\n10.0.0.2")
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		expect("another file in its place", 2*time.Second, "1 2")
		write(path, "10.0.0.1\nnonsense, longer than before")
		expect("what cannot be read", 5*time.Second, "error")
		write(path, "10.0.0.3")
		expect("what can be read again", 2*time.Second, "3")
	})
}
