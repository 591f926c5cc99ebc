package spec

import (
	"strconv"

	"hairpin/engine/near"
)

func nearest(typed string, known []string) string { return near.Word(typed, known) }

// quote shows a text of the document in an error: on one line, without control characters, never long.
func quote(s string) string { return strconv.Quote(short(s)) }

func short(s string) string {
	const most = 48
	for i := range s {
		if i >= most {
			return s[:i] + "…"
		}
	}
	return s
}
