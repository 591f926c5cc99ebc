package cause

import "strings"

// brief are ways to say less of a sentence, the most first: its clauses are left out from its end, then what is said in
// brackets and after them.
func brief(text string) (list []string) {
	for at := strings.LastIndex(text, "; "); at > 0; at = strings.LastIndex(text, "; ") {
		text = text[:at]
		list = append(list, text)
	}
	if at := strings.Index(text, "): "); at > 0 {
		if open := strings.LastIndex(text[:at], " ("); open > 0 {
			list = append(list, text[:open])
		}
	}
	return list
}
