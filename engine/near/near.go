// Package near finds the word that a mistyped one was probably meant to be.
package near

import "strings"

// Word is the known word that was perhaps meant by a mistyped one, or "" when none is close.
func Word(typed string, known []string) string {
	if typed == "" || len(typed) > 32 {
		return ""
	}
	typed = strings.ReplaceAll(strings.ToLower(typed), "-", "_")
	best, at := "", 1+len(typed)/5 // one slip in a short word, two from five letters on
	for _, k := range known {
		if d := distance(typed, strings.ReplaceAll(k, "-", "_")); d <= at {
			best, at = k, d-1
		}
	}
	if best != "" || len(typed) < 3 {
		return best
	}
	for _, k := range known {
		if strings.HasPrefix(k, typed) || strings.HasPrefix(typed, k) {
			return k
		}
	}
	return ""
}

// Hint is Word as a question behind a sentence that says that typed is not known: ", did you mean port?", or nothing.
func Hint(typed string, known []string) string {
	if w := Word(typed, known); w != "" {
		return ", did you mean " + w + "?"
	}
	return ""
}

// distance counts the letters to insert, drop, replace, or swap with their neighbour to get from a to b
// (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
