package term

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/charmbracelet/x/term"
	"github.com/creack/pty"
)

// rawPTY is a terminal without line editing: what is written to the first can be read from the second at once.
func rawPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); slave.Close() })
	if _, err := term.MakeRaw(slave.Fd()); err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// read is one read that brings keys.
func read(t *testing.T, in *input) string {
	t.Helper()
	buf := make([]byte, 256)
	for {
		n, err := in.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			return string(buf[:n])
		}
	}
}

func TestInputKeepsKeysWhole(t *testing.T) {
	for _, c := range []struct {
		about string
		parts []string // as the link delivers them
		want  string
	}{
		{"an arrow after its escape", []string{"\x1b", "[A"}, "\x1b[A"},
		{"an arrow in three pieces", []string{"\x1b", "[", "A"}, "\x1b[A"},
		{"a long one behind a key", []string{"j\x1b[1", ";5", "C"}, "j\x1b[1;5C"},
		{"a colour, in pieces", []string{"\x1b]11;rgb:ff", "ff/ffff/ffff\x1b", "\\"}, "\x1b]11;rgb:ffff/ffff/ffff\x1b\\"},
		{"SS3", []string{"\x1bO", "P"}, "\x1bOP"},
	} {
		t.Run(c.about, func(t *testing.T) {
			master, slave := rawPTY(t)
			go func() {
				for _, part := range c.parts {
					time.Sleep(5 * time.Millisecond) // the pause is what is tested
					master.WriteString(part)
				}
			}()
			if got := read(t, &input{File: slave, wait: 10 * time.Second}); got != c.want {
				t.Errorf("read %q, want %q", got, c.want)
			}
		})
	}
}

func TestInputKeepsKeysApart(t *testing.T) {
	for _, keys := range [][]string{{"j", "k"}, {"\x1b", "[", "A"}, {"\x1b", "\x1b[A"}, {"\x1b[A", "x"}} {
		master, slave := rawPTY(t)
		in := &input{File: slave, wait: time.Millisecond}
		for _, key := range keys {
			master.WriteString(key)
			if got := read(t, in); got != key {
				t.Errorf("read %q, want %q of %q", got, key, keys)
			}
		}
	}
}

// TestLoneEscapeIsNotLate: esc closes a dialog; it waits for the rest of a sequence, and no longer.
func TestLoneEscapeIsNotLate(t *testing.T) {
	for end := time.Now().Add(time.Minute); ; { // the machine may be busy, but not each time
		master, slave := rawPTY(t)
		master.WriteString("\x1b")
		began := time.Now()
		read(t, &input{File: slave, wait: escapeWait})
		took := time.Since(began)
		if took >= escapeWait && took < 2*escapeWait {
			return
		}
		if took < escapeWait || time.Now().After(end) {
			t.Fatalf("esc took %v, waits %v", took, escapeWait)
		}
	}
}

func TestAnswersAreNotKeys(t *testing.T) {
	for _, c := range []struct {
		about, typed, keys string
		utf8, synced       string
	}{
		{"UTF-8 and mode 2026", "\x1b[1;2R\x1b[?2026;2$y", "", "true", "true"},
		{"letters instead", "\x1b[1;3R\x1b[?2026;0$y", "", "false", "false"},
		{"among keys", "j\x1b[1;2Rk\x1b[A", "jk\x1b[A", "true", ""},
		{"only the second", "q\x1b[?2026;1$y", "q", "", "true"},
		{"no answer", "jk\x1b[24;80R", "jk\x1b[24;80R", "", ""},
		{"what nobody asked for", "j\x1b[0n\x1b]10;rgb:0/0/0\x07\x1b]11;?\x1b\\k", "jk", "", ""},
		{"a key that looks like an answer, later", "\x1b[1;2R\x1b[1;2R", "\x1b[1;2R", "true", ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			var utf8, synced string
			word := map[bool]string{true: "true", false: "false"}
			p := &probe{now: time.Now, utf8: func(yes bool) { utf8 += word[yes] }, synced: func(yes bool) { synced += word[yes] }}
			typed := []byte(c.typed)
			n := p.take(typed)
			if keys := string(typed[:n]); keys != c.keys || utf8 != c.utf8 || synced != c.synced {
				t.Errorf("keys %q, utf8 %q, synced %q", keys, utf8, synced)
			}
		})
	}
}

func TestBackground(t *testing.T) {
	for typed, want := range map[string]string{
		"\x1b]11;rgb:ffff/ffff/ffff\x1b\\": "light", "\x1b]11;rgb:fd/f6/e3\x07": "light", "\x1b]11;rgb:0/0/0\x07": "dark",
		"\x1b]11;rgb:0000/0000/8b8b\x07": "dark", "\x1b]11;rgba:ffff/ffff/0000/8000\x1b\\": "light", "j": "", "\x1b]11;white\x07": "",
		"\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\\x1b]11;rgb:ffff/ffff/ffff\x1b\\": "dark",
	} {
		got := ""
		p := &probe{now: time.Now, light: func(yes bool) { got += map[bool]string{true: "light", false: "dark"}[yes] }}
		p.take([]byte(typed))
		if got != want {
			t.Errorf("%q is %q, want %q", typed, got, want)
		}
	}
}

// TestLinkIsMeasured from the question to its answer, one question at a time.
func TestLinkIsMeasured(t *testing.T) {
	now := time.Unix(0, 0)
	var took []time.Duration
	sent := ""
	send := func(s string) bool { sent += s; return true }
	p := &probe{now: func() time.Time { return now }, utf8: func(bool) {}, took: func(d time.Duration) { took = append(took, d) }}
	pass := func(d time.Duration) { now = now.Add(d) }
	p.ask(send)
	pass(time.Second)
	p.ping(send) // the question of the start has no answer yet
	p.take([]byte("\x1b[1;2R"))
	p.ping(send)
	p.ping(send)
	pass(2 * time.Second)
	p.take([]byte("x\x1b[0n"))
	p.take([]byte("\x1b[0n"))
	p.ping(send)
	pass(time.Millisecond)
	p.take([]byte("\x1b[3n"))
	if want := []time.Duration{time.Second, 2 * time.Second, time.Millisecond}; !slices.Equal(took, want) {
		t.Errorf("took %v, want %v", took, want)
	}
	if want := question + areYouThere + areYouThere; sent != want {
		t.Errorf("sent %q, want %q", sent, want)
	}
}
