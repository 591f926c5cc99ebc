package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"hairpin/engine/reason"
)

// newReasons is the documentation of the reasons, made from the table that everything else prints from.
func newReasons() *cobra.Command {
	return &cobra.Command{Use: "reasons", Short: "Why packets leave a chain", Long: reasonsText()}
}

func reasonsText() string {
	var b strings.Builder
	b.WriteString("Every packet leaves a chain with one of these reasons:\n")
	for _, v := range []reason.Verdict{reason.Forward, reason.Pass, reason.Drop, reason.Own} {
		fmt.Fprintf(&b, "\n%s\n", v)
		for _, r := range reason.All() {
			if r.Verdict != v {
				continue
			}
			fmt.Fprintf(&b, "  %-17s %s\n", r.Name, r.Doc)
			if r.Cure != "" {
				fmt.Fprintf(&b, "  %-17s   > %s\n", "", r.Cure)
			}
		}
	}
	return b.String()
}
