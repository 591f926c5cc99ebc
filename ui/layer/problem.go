package layer

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Place is a line of a file; line 0 is the whole file.
type Place struct {
	File string `json:"file"`           // path, or the bare name of an embedded file
	Line int    `json:"line,omitempty"` // from 1
}

// String is file:line, which editors and terminals open.
func (p Place) String() string {
	if p.Line > 0 {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return p.File
}

// Problem is a line, or a whole file, that was not used: a bad file never stops the start.
type Problem struct {
	Place
	What string `json:"what"`           // what is wrong with it, and what to write
	Used string `json:"used,omitempty"` // what is used instead, as a clause; empty = nothing is
}

// String is the text of banners: file:line, what, and what is used instead.
func (p Problem) String() string {
	text := p.Place.String() + ": " + p.What
	if p.Used != "" {
		text += "; " + p.Used
	}
	return text
}

// mostProblems bounds what is said about one file.
const mostProblems = 100

// Few are the first problems of a file in the order of its lines, and a word on how many more there are. What they quote
// cannot steer a terminal.
func Few(all []Problem) []Problem {
	slices.SortStableFunc(all, func(a, b Problem) int { return a.Line - b.Line })
	for i := range all {
		all[i].What = strings.Map(printable, all[i].What)
	}
	if len(all) <= mostProblems {
		return all
	}
	rest := Problem{Place: Place{File: all[0].File}, What: fmt.Sprintf("%d more problems", len(all)-mostProblems), Used: "they are skipped too"}
	return append(all[:mostProblems:mostProblems], rest)
}

func printable(r rune) rune {
	if unicode.IsGraphic(r) {
		return r
	}
	return unicode.ReplacementChar
}
