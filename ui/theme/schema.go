package theme

// JSONSchema is the schema (draft 7) of a theme file, for editors, made of the tokens and of what a colour may be.
func JSONSchema() map[string]any {
	number := func(most int) map[string]any {
		return map[string]any{"type": "integer", "minimum": 0, "maximum": most}
	}
	looks := map[string]any{}
	for _, t := range tokens {
		looks[string(t.Token)] = map[string]any{"type": "string", "pattern": `\S`, "description": t.what}
	}
	return map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#", "title": "hairpin theme", "type": "object",
		"properties": map[string]any{
			"schema":   map[string]any{"const": schema},
			"inherits": map[string]any{"type": "string", "description": "the theme of which everything is that is not set here"},
			"palette": map[string]any{"type": "object", "additionalProperties": map[string]any{
				"type": "object", "additionalProperties": false, "required": []string{"true", "ansi256", "ansi16"},
				"properties": map[string]any{
					"true": map[string]any{"type": "string", "pattern": hexColour.String()}, "ansi256": number(255), "ansi16": number(15),
				},
			}},
			"tokens": map[string]any{"type": "object", "properties": looks, "additionalProperties": false,
				"description": `each "[COLOUR] [on COLOUR] [bold] [faint] [italic] [underline] [reverse]", or "plain"`},
		},
		"additionalProperties": false, "required": []string{"schema"},
	}
}
