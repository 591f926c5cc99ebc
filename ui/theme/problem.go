package theme

import "fmt"

// Problem is a line or a file that was not used, for the banner: a bad theme never stops the start.
type Problem struct {
	File string // path, or the bare name of an embedded file
	Line int    // 1-based; 0 = the whole file
	What string // what is wrong with it
	Used string // what is used instead
}

// String is the banner's text: file:line, what, and what is used instead.
func (p Problem) String() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s: %s; using %s", where, p.What, p.Used)
}
