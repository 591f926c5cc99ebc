package spec

import (
	"strings"
	"testing"
)

// TestPrefixFileErrors: what is wrong is found by its line, and nothing is told of a file that was never one of prefixes.
func TestPrefixFileErrors(t *testing.T) {
	for _, r := range []struct{ text, want string }{
		{"# office\n192.0.2.0/24\nroot:$6$hash:20000::\n", "3: " + noPrefix},
		{"192.0.2.1/24 ; ours\n", "1: 192.0.2.1/24 has bits behind its length: write 192.0.2.0/24, or 192.0.2.1 for that address alone"},
		{"::1\n\xff\n", "2: not a text: write a prefix a line"},
		{strings.Repeat("1", longestLine+1), "1: a line of 1025 bytes is no prefix"},
	} {
		if _, err := ParsePrefixes([]byte(r.text)); err == nil || err.Error() != r.want {
			t.Errorf("%.40q: %v, want %s", r.text, err, r.want)
		}
	}
}
