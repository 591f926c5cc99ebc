package command

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  usage(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(t.Stdout, "hairpin %s %s %s/%s\n", t.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
