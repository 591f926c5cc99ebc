package keymap

import (
	"maps"
	"slices"
	"strings"

	"hairpin/ui/action"
)

// JSONSchema is the schema (draft 7) of a keymap file, for editors, made of the registry of actions and the names of keys.
func JSONSchema() map[string]any {
	properties := map[string]any{
		"schema":   map[string]any{"const": Schema},
		"inherits": map[string]any{"enum": Presets(), "description": "the preset below everything"},
	}
	tables := map[string]any{"key": keySchema()}
	for _, scope := range action.Scopes {
		ref := map[string]any{"$ref": "#/definitions/" + string(scope)}
		properties[string(scope)] = ref
		tables[string(scope)] = map[string]any{
			"type": "object", "propertyNames": map[string]any{"$ref": "#/definitions/key"},
			"additionalProperties": map[string]any{"anyOf": append(actionSchemas(scope), ref)},
		}
	}
	return map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "hairpin keymap", "type": "object",
		"properties": properties, "additionalProperties": false, "required": []string{"schema"}, "definitions": tables,
	}
}

// actionSchemas are what a key may be bound to in a scope.
func actionSchemas(scope action.Scope) []any {
	list := []any{map[string]any{"const": action.None, "description": "unbinds the key"}}
	for _, a := range action.In(scope) {
		list = append(list, map[string]any{"const": a.ID, "description": a.Help})
	}
	return list
}

// keySchema is what a key may be called.
func keySchema() map[string]any {
	var never []string
	for key := range refused {
		never = append(never, key)
	}
	for r := ' '; r <= '~'; r++ {
		if protected(string(r)) != "" {
			never = append(never, string(r))
		}
	}
	slices.Sort(never)
	names := strings.Join(slices.Sorted(maps.Keys(words)), "|")
	return map[string]any{
		"pattern": `^(ctrl\+|alt\+|shift\+)*(` + names + `|.)$`,
		"not":     map[string]any{"enum": append(never, "esc", "ctrl+c")},
	}
}
