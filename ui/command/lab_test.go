package command

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"hairpin/engine/lab"
)

func TestPrintLoad(t *testing.T) {
	r := lab.LoadResult{
		Took: 2 * time.Second,
		New: lab.Tally{Asked: 2000, Answered: 1999, Failed: 1, Resent: 3, Answers: map[string]uint64{"backend10": 999, "backend2": 1000},
			Latency: lab.Latency{P50: 416 * time.Microsecond, P90: 1152345 * time.Nanosecond, P99: 12345678, Max: 1234567890},
			Errors:  []string{"10.99.0.1:80: no answer in 3s"}},
		Kept:  lab.Tally{Asked: 10, Answered: 10, Moved: 1, Answers: map[string]uint64{"backend2": 10}},
		Reset: 1, Skipped: 7,
	}
	var out bytes.Buffer
	if err := printLoad(&out, r); err != nil {
		t.Fatal(err)
	}
	want := `
      ASKED  ANSWERED  FAILED  RESENT  MOVED  RATE    P50    P90     P99     MAX
new   2000   1999      1       3       0      1000/s  416µs  1.15ms  12.3ms  1.23s
kept  10     10        0       0       1      5/s     0s     0s      0s      0s
udp   0      0         0       0       0      0/s     0s     0s      0s      0s

BACKEND    NEW   KEPT  UDP
backend2   1000  10    0
backend10  999   0     0

1 kept connections were reset

7 requests were not sent: this machine could not keep up
new: 10.99.0.1:80: no answer in 3s
`
	if got := "\n" + out.String(); got != want {
		t.Errorf("got:%s\nwant:%s", got, want)
	}
}

func TestJudge(t *testing.T) {
	good := lab.Tally{Asked: 2, Answered: 2}
	for _, row := range []struct {
		result lab.LoadResult
		want   string
	}{
		{lab.LoadResult{New: good}, ""},
		{lab.LoadResult{Echo: good, Skipped: 5}, ""},
		{lab.LoadResult{}, "nothing was asked"},
		{lab.LoadResult{New: good, Echo: lab.Tally{Asked: 3, Answered: 2, Failed: 1}}, "1 of 5 requests failed"},
		{lab.LoadResult{Kept: lab.Tally{Asked: 2, Answered: 2, Moved: 1}}, "1 answers on kept connections came from another backend"},
	} {
		err := judge(row.result)
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%+v is judged %v, not %q", row.result, err, row.want)
		}
	}
}

// TestLabRefuses runs the verbs where there is no lab, and with what they cannot take.
func TestLabRefuses(t *testing.T) {
	for _, row := range []struct {
		args string
		code int
		want string
	}{
		{"status --name none", exitAbsent, `open lab "none": no such lab is up; "hairpin lab up" builds one`},
		{"exec --name none lb -- true", exitAbsent, `"hairpin lab up" builds one`},
		{"load --name none", exitAbsent, `"hairpin lab up" builds one`},
		{"up --name a.b", exitFailed, `lab name "a.b": one to 32 of a-z, 0-9 and -`},
		{"up --backends 251 --name none", exitFailed, "251 backends: 1 to 250 are possible"},
		{"exec", exitUsage, "requires at least 1 arg"},
		{"--scenario", exitUsage, "--scenario needs one of these, or any:\nbackend-crash "},
		{"up --scenario", exitUsage, "--scenario needs one of these"},
		{"up --name none --scenario syn-flod", exitUsage, "there is no scenario \"syn-flod\", did you mean syn-flood?\nbackend-crash "},
		{"up --name none --scenario any --backends 2", exitUsage, "--backends 2: a scenario needs 3 at least"},
		{"up --name none --nodes 3 --scenario syn-flood", exitUsage,
			"--nodes 3: scenario syn-flood plays on 1 load balancer alone, and so many have node-drained, node-killed, session-lost, ecmp-reshuffle; leave --nodes away"},
		{"up --name none --nodes 2 --scenario node-killed", exitUsage, "scenario node-killed plays on 3 load balancers or more, and so many have none"},
		{"solve nothing", exitUsage, `there is no scenario "nothing"`},
		{"solve --name none", exitAbsent, `"hairpin lab up" builds one`},
		{"", exitUsage, "the lab's console needs a terminal"},
	} {
		c := newLab()
		c.SilenceUsage, c.SilenceErrors = true, true
		c.SetArgs(strings.Fields(row.args))
		c.SetIn(strings.NewReader(""))
		c.SetOut(io.Discard)
		err := c.Execute()
		if err == nil {
			t.Errorf("hairpin lab %s is done", row.args)
		} else if f := explained(err, true); f.code != row.code || !strings.Contains(f.Error(), row.want) {
			t.Errorf("hairpin lab %s ends with %d and says %q", row.args, f.code, f)
		}
	}
}

// TestScenarioLists: the list says what one notices and never why, and solve says why.
func TestScenarioLists(t *testing.T) {
	run := func(args ...string) string {
		var out bytes.Buffer
		c := newLab()
		c.SetArgs(args)
		c.SetOut(&out)
		if err := c.Execute(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	all := lab.Scenarios()
	if len(all) < 10 {
		t.Errorf("only %d scenarios", len(all))
	}
	text, script := run("scenarios"), run("scenarios", "-o", "json")
	for _, s := range all {
		if s.Seen == "" || s.Cause == "" || s.Cure == "" || s.After <= 0 {
			t.Errorf("%+v lacks something", s)
		}
		for _, listed := range []string{text, script} {
			if !strings.Contains(listed, s.Name) || !strings.Contains(listed, s.Seen) || strings.Contains(listed, s.Cause) || strings.Contains(listed, s.Cure) {
				t.Errorf("%s is listed as\n%s", s.Name, listed)
			}
		}
		if solved := run("solve", s.Name); !strings.Contains(solved, s.Cause) || !strings.Contains(solved, s.Cure) {
			t.Errorf("%s is solved as\n%s", s.Name, solved)
		}
	}
}
