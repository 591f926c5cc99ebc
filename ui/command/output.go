package command

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

// output is the form of what a command prints: text for people, json for scripts.
type output string

func (o *output) String() string { return string(*o) }
func (o *output) Type() string   { return "FORMAT" }

// Set implements pflag.Value.
func (o *output) Set(s string) error {
	if s != "text" && s != "json" {
		return errors.New("it is text or json")
	}
	*o = output(s)
	return nil
}

func outputFlag(c *cobra.Command) *output {
	o := output("text")
	c.Flags().VarP(&o, "output", "o", "`FORMAT`: text or json")
	return &o
}

// print writes v as JSON where that is asked for, and else calls text.
func (o *output) print(w io.Writer, v any, text func() error) error {
	if *o == "text" {
		return text()
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
