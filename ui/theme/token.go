package theme

// Token names a meaning that is drawn, never a colour: a theme says how it looks.
type Token string

// Tokens, grouped by what they say.
const (
	OK   Token = "ok"
	Warn Token = "warn"
	Crit Token = "crit"
	Info Token = "info"

	Text   Token = "text"
	Dim    Token = "dim"
	Title  Token = "title"
	Border Token = "border"

	Selection Token = "selection"
	Marked    Token = "marked"
	Staged    Token = "staged"
	Filter    Token = "filter"

	Paused   Token = "paused"
	Prod     Token = "prod"
	Armed    Token = "armed"
	ReadOnly Token = "readonly"

	Key  Token = "key"
	Hint Token = "hint"

	Spark   Token = "spark"
	Bar     Token = "bar"
	BarOver Token = "bar_over"

	Up       Token = "up"
	Draining Token = "draining"
	Down     Token = "down"
)

// tokens are all of them, each with what it says.
var tokens = [...]struct {
	Token
	what string
}{
	{OK, "as it should be"}, {Warn, "needs attention"}, {Crit, "broken; always with a word beside it"}, {Info, "worth knowing"},
	{Text, "plain text"}, {Dim, "secondary, or not available"}, {Title, "heads of tables and boxes"}, {Border, "frames of boxes"},
	{Selection, "the row under the cursor"}, {Marked, "people's doings; a marked row"}, {Staged, "changed, not live"},
	{Filter, "the text of an active filter"}, {Paused, "the picture is held"}, {Prod, "the class of the node"},
	{Armed, "changes are allowed, or wait to be confirmed"}, {ReadOnly, "changes are not allowed"}, {Key, "a key in a hint"},
	{Hint, "what a key does; advice"}, {Spark, "histories"}, {Bar, "the filled part of a bar"}, {BarOver, "a bar beyond its threshold"},
	{Up, "a backend that takes new flows"}, {Draining, "a backend that takes no new flows"}, {Down, "a backend that takes nothing"},
}

// Tokens lists every token.
func Tokens() []Token {
	all := make([]Token, len(tokens))
	for i, t := range tokens {
		all[i] = t.Token
	}
	return all
}

// What says what a token means.
func (k Token) What() string {
	for _, t := range tokens {
		if t.Token == k {
			return t.what
		}
	}
	return ""
}

func tokenNames() (names []string) {
	for _, k := range Tokens() {
		names = append(names, string(k))
	}
	return names
}
