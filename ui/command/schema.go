package command

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"hairpin/engine/spec"
	"hairpin/ui/keymap"
	"hairpin/ui/theme"
)

func newSchema(t *tree) *cobra.Command {
	return &cobra.Command{
		Use:   "schema spec|keymap|theme",
		Short: "Print the JSON Schema of a file, for editors",
		Long: `Prints the JSON Schema (draft 7) of a spec, a keymap or a theme, made by what
reads them. Editors with a language server for YAML or TOML then complete and
check while one types:

  hairpin schema spec > /etc/hairpin/spec.schema.json
  # yaml-language-server: $schema=/etc/hairpin/spec.schema.json

"hairpin config check" knows more: it also sees what fields mean together.`,
		Args: usage(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			schema, known := map[string]func() map[string]any{
				"spec": spec.Schema, "keymap": keymap.JSONSchema, "theme": theme.JSONSchema,
			}[args[0]]
			if !known {
				return &failure{exitUsage, fmt.Errorf("no schema of %q", args[0]), "there is one of spec, keymap and theme"}
			}
			enc := json.NewEncoder(t.Stdout)
			enc.SetIndent("", "  ")
			return enc.Encode(schema())
		},
	}
}
