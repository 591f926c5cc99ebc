package page

import "testing"

func TestFilter(t *testing.T) {
	row := []Field{{"address", "10.1.1.12"}, {"state", "DOWN"}, {"weight", "100"}}
	for _, c := range []struct {
		text string
		want bool
	}{
		{"", true},
		{"1.12", true},
		{"down", true},
		{"up", false},
		{"1.12 down", true},
		{"1.12 up", false},
		{"state=down", true},
		{"state=100", false},
		{"weight=100 state=DO", true},
		{"state!=down", false},
		{"state!=up", true},
		{"!up", true},
		{"!10.1", false},
		{"!state=down", false},
		{"vip=web", false},
		{"!", true},
	} {
		if got := NewFilter(c.text).Match(row); got != c.want {
			t.Errorf("%q: %v", c.text, got)
		}
	}
	if NewFilter("  ").Active() || !NewFilter(" a ").Active() {
		t.Error("a filter is active when it has a word")
	}
}
