package app

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"hairpin/engine"
	"hairpin/ui/uitest/fake"
)

// checkFilled wants every line, and every line at its whole width: what is left of a frame before would stay otherwise.
func checkFilled(t *testing.T, name, frame string, w, h int) {
	t.Helper()
	lines := strings.Split(frame, "\n")
	if len(lines) != h {
		t.Fatalf("%s %dx%d: %d lines", name, w, h, len(lines))
	}
	for y, line := range lines {
		if n := ansi.StringWidth(line); n != w {
			t.Fatalf("%s %dx%d: line %d has %d cells: %q", name, w, h, y, n, ansi.Strip(line))
		}
	}
}

// TestSmallSizes: there is no wall; the smaller, the less, and the verdict always.
func TestSmallSizes(t *testing.T) {
	d := open80(t, fake.Incident())
	for _, c := range []struct {
		w, h int
		has  [][]string
		not  []string
	}{
		{20, 5, [][]string{{"CRIT"}, {"web: 2/4 backends"}, {"in 4.12M fwd"}}, []string{"VIP", "enter"}},
		{39, 7, [][]string{{"CRIT", "lb-fra-07", "LIVE"}, {"web: 2/4 backends down"}, {"drop 512k"}}, []string{"enter"}},
		{40, 8, [][]string{{"CRIT", "lb-fra-07"}, {"NIC", "DROP/s"}, {"eth0", "512k!"}, {"enter open"}}, []string{"9 Events"}},
		{60, 16, [][]string{{"CRIT", "lb-fra-07", "read-only", "gen 41", "LIVE 03:07:41"}, {"no_backend"}, {"web", "2/4!"}, {"? help"}}, []string{"9 Events"}},
		{80, 24, [][]string{{"pending: none"}, {"1 Overview", "3 VIPs", "9 Events"}, {"somebody else removed the link"}}, nil},
		{140, 40, [][]string{{"NIC", "DROP REASON"}, {"PACKETS IN"}, {"BACKEND", "STATE"}}, nil},
	} {
		d.size(c.w, c.h)
		for _, words := range c.has {
			d.has(words...)
		}
		for _, word := range c.not {
			d.hasNot(word)
		}
	}
}

// TestHostileNames: what others call their things never reaches the terminal as anything but text.
func TestHostileNames(t *testing.T) {
	s := fake.Incident()
	s.Node = "lb\x1b]0;owned\x07" + strings.Repeat("x", 300)
	s.Problems[0].What = "a\nb\tc\x1b[2J" + strings.Repeat("界", 200)
	s.VIPs[0].Name = "\x1b[31mred" + strings.Repeat("y", 90)
	s.NICs[0].Lost = []engine.Lost{{Name: "\x1b[2Jrx", What: "a\nb" + strings.Repeat("界", 90), Where: "before", Counter: engine.Counter{Packets: 9, PPS: 20}}}
	s.NICs[0].Stages[0].Name, s.Spec.NICs[0].XDP[0].Name = "\x1b[2Jsyns", "\x1b[2Jsyns"
	s.Drops[0].Stage, s.Drops[0].VIP = "\x1b[2Jsyns", "\x1b]0;x\x07"
	s.Limits[0].Stage, s.Limits[0].VIP = "\x1b[?1049l"+strings.Repeat("z", 90), "a\rb"
	s.Rules = []engine.Rule{{Stage: "\x1b[2Jsyns", Name: "\x1b[H", Match: "\x1b[2J"}}
	s.Events[0].Who = "evil\r\n\x1b[H"
	s.Events[0].Detail = []string{"\x1b[?1049l"}
	d := open80(t, s)
	for _, key := range []string{"1", "3", "enter", "2", "enter", "4", "9", "G"} {
		d.press(key)
		for _, size := range [][2]int{{20, 5}, {80, 24}, {140, 40}} {
			d.size(size[0], size[1])
			frame := d.m.View()
			checkFilled(t, key, frame, size[0], size[1])
			for _, seq := range []string{"\x1b]", "\x1b[2J", "\x1b[H", "\x1b[?", "\r", "\x07"} {
				if strings.Contains(frame, seq) {
					t.Errorf("after %s the frame has %q", key, seq)
				}
			}
		}
	}
}
