package filter

import (
	"fmt"
	"strconv"
	"strings"
)

// SyntaxError is what is wrong with the text of an expression, and where.
type SyntaxError struct {
	Column  int // of the first letter that is wrong, from 1
	Problem string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Problem) }

// faultf is the error of a token that was read.
func faultf(t token, format string, args ...any) error {
	return &SyntaxError{t.column, fmt.Sprintf(format, args...)}
}

// unexpected says what was read where something else must stand, and which of the known words was perhaps meant.
func unexpected(t token, want string, known []string) error {
	problem := "read " + t.String() + ", expected " + want
	if near := nearest(strings.ToLower(t.text), known); near != "" && near != t.text && t.kind == word {
		problem += fmt.Sprintf("; did you mean %s?", near)
	}
	return &SyntaxError{t.column, problem}
}

// quote shows a part of the text in an error: on one line and never long.
func quote(s string) string {
	const most = 48
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

// nearest is the known word that is one slip of the keyboard away, or two when it is a long one; "" when none is.
func nearest(typed string, known []string) string {
	if len(typed) > 32 {
		return ""
	}
	best, least := "", 3
	for _, k := range known {
		slips := distance(typed, k)
		if allowed := 1 + len(k)/5; slips <= allowed && slips < least && slips < len(k) && slips < len(typed) {
			best, least = k, slips
		}
	}
	return best
}

// distance counts the letters to insert, drop or replace to get from a to b; two neighbours swapped count as one.
func distance(a, b string) int {
	var table [40][40]int
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			if i == 0 || j == 0 {
				table[i][j] = i + j
				continue
			}
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(table[i-1][j]+1, table[i][j-1]+1, table[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, table[i-2][j-2]+1)
			}
			table[i][j] = d
		}
	}
	return table[len(a)][len(b)]
}
