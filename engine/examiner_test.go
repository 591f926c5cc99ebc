package engine

import (
	"log/slog"
	"slices"
	"testing"
	"time"
)

// TestMachineProblems: what loses packets where no stage sees it is a problem, and is told as one; the rest of what is wrong is
// told as doctor's; what others say already, and what is only worth a look, is no problem.
func TestMachineProblems(t *testing.T) {
	o := &owner{journal: journal{log: slog.New(slog.DiscardHandler)}}
	look := func(findings ...Finding) []Problem {
		o.examined(time.Unix(100, 0), &Diagnosis{Findings: findings})
		return o.machineProblems()
	}
	missing := Finding{Check: "vip address", On: "10.99.0.1", Level: FindingCrit, What: "it is missing", Cure: "add it"}
	told := Finding{Check: "returned", Level: FindingWarn, What: "they come back"}
	others := []Finding{{Check: "vip address", On: "10.99.0.2", Level: FindingOK}, {Check: "rp_filter", On: "eth0", Level: FindingWarn},
		{Check: "next hop", On: "10.1.1.11", Level: FindingCrit}, {Check: "returned", Level: FindingInfo}}
	first := Problem{Key: "machine vip address 10.99.0.1", Severity: "crit", What: "it is missing", Cure: "add it"}
	second := Problem{Key: "machine returned ", Severity: "warn", What: "they come back"}
	for i, step := range []struct {
		found []Finding
		want  []Problem
	}{
		{others, nil},
		{append(others, missing, told), []Problem{first}},
		{append(others, missing, told), []Problem{first, second}},
		{append(others, told), []Problem{second}},
		{others, nil},
		{append(others, told), nil},
	} {
		if got := look(step.found...); !slices.Equal(got, step.want) {
			t.Errorf("at look %d: %+v, want %+v", i, got, step.want)
		}
	}
	for _, f := range append(others, missing, told) {
		if want := f.Level == FindingWarn || f.Check == "next hop"; newsworthy(f) != want {
			t.Errorf("%+v is told by doctor: %t", f, !want)
		}
	}
	o.detached = true
	if got := look(missing); len(got) != 0 {
		t.Errorf("of a node that was detached: %+v", got)
	}
}
