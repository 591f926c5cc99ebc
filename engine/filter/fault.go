package filter

import (
	"fmt"
	"strconv"

	"hairpin/engine/near"
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
	if meant := near.Word(t.text, known); meant != "" && meant != t.text && t.kind == word {
		problem += fmt.Sprintf("; did you mean %s?", meant)
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
