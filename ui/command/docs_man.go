package command

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manPages are the pages of section 1 for c and all commands below it, by file name, in the man macros of roff.
func manPages(c *cobra.Command) map[string]string {
	pages := map[string]string{manName(c) + ".1": manPage(c)}
	for _, sub := range documented(c) {
		for name, text := range manPages(sub) {
			pages[name] = text
		}
	}
	return pages
}

// documented are the commands below c that help lists too.
func documented(c *cobra.Command) (list []*cobra.Command) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			list = append(list, sub)
		}
	}
	return list
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func manPage(c *cobra.Command) string {
	var b strings.Builder
	section := func(title string) { fmt.Fprintf(&b, ".SH %s\n", title) }
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"hairpin\" \"hairpin\"\n", roff(strings.ToUpper(manName(c))))
	section("NAME")
	fmt.Fprintf(&b, "%s \\- %s\n", roff(manName(c)), roff(c.Short))
	if c.Runnable() {
		section("SYNOPSIS")
		fmt.Fprintf(&b, "\\fB%s\\fR\n", roff(c.UseLine()))
	}
	if text := c.Long; text != "" {
		section("DESCRIPTION")
		manText(&b, text)
	}
	if subs := documented(c); len(subs) > 0 {
		section("COMMANDS")
		for _, sub := range subs {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR(1)\n%s\n", roff(manName(sub)), roff(sub.Short))
		}
	}
	if c.HasAvailableLocalFlags() {
		section("OPTIONS")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) { manFlag(&b, f) })
	}
	if !c.HasParent() {
		section("EXIT STATUS")
		manText(&b, exitCodes)
	} else {
		section("SEE ALSO")
		fmt.Fprintf(&b, "\\fB%s\\fR(1), which has the options of all commands\n", roff(manName(c.Root())))
	}
	return b.String()
}

func manFlag(b *strings.Builder, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	value, does := pflag.UnquoteUsage(f)
	names := "\\fB" + roff("--"+f.Name) + "\\fR"
	if f.Shorthand != "" {
		names = "\\fB" + roff("-"+f.Shorthand) + "\\fR, " + names
	}
	if value != "" {
		names += " \\fI" + roff(value) + "\\fR"
	}
	fmt.Fprintf(b, ".TP\n%s\n%s\n", names, roff(does))
}

// manText keeps paragraphs, and the lines of what is indented as they are.
func manText(b *strings.Builder, text string) {
	asIs := false
	turn := func(on bool) {
		if on != asIs {
			b.WriteString(map[bool]string{true: ".nf\n", false: ".fi\n"}[on])
		}
		asIs = on
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		switch line = strings.TrimRight(line, "\n"); {
		case line == "":
			turn(false)
			b.WriteString(".PP\n")
		default:
			turn(strings.HasPrefix(line, "  "))
			b.WriteString(roff(line) + "\n")
		}
	}
	turn(false)
}

// roff is text that means nothing to roff: neither escapes nor requests, and a dash is one that can be copied.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
