package theme

// Token names a meaning that is drawn, never a colour: a theme says how it looks.
type Token string

// Tokens, grouped by what they say.
const (
	OK   Token = "ok"   // as it should be
	Warn Token = "warn" // needs attention
	Crit Token = "crit" // broken; always with a word beside it
	Info Token = "info"

	Text   Token = "text"
	Dim    Token = "dim" // secondary, greyed out
	Title  Token = "title"
	Border Token = "border"

	Selection Token = "selection" // the row under the cursor
	Marked    Token = "marked"    // toggled with space
	Staged    Token = "staged"    // changed, not live
	Filter    Token = "filter"    // text of an active filter

	Paused   Token = "paused"
	Prod     Token = "prod" // the node's class
	Armed    Token = "armed"
	ReadOnly Token = "readonly"

	Key  Token = "key" // a key in a hint
	Hint Token = "hint"

	Spark   Token = "spark"
	Bar     Token = "bar"
	BarOver Token = "bar_over" // a bar beyond its threshold

	Up       Token = "up" // backend states
	Draining Token = "draining"
	Down     Token = "down"
)

// Tokens lists every token.
func Tokens() []Token {
	return []Token{
		OK, Warn, Crit, Info, Text, Dim, Title, Border, Selection, Marked, Staged, Filter, Paused, Prod, Armed,
		ReadOnly, Key, Hint, Spark, Bar, BarOver, Up, Draining, Down,
	}
}
