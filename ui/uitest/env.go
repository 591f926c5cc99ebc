package uitest

import "strings"

// Env is an environment written as "A=1 B=2".
func Env(text string) func(string) string {
	vars := map[string]string{}
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		vars[name] = value
	}
	return func(name string) string { return vars[name] }
}
