package engine

import (
	"slices"
	"testing"
)

// TestMachineProblems: what loses packets where no stage sees it is a problem, and is told as one; the rest of what is wrong is
// told as doctor's; what others say already, and what is only worth a look, is no problem.
func TestMachineProblems(t *testing.T) {
	o := &owner{examiner: examiner{latest: &Diagnosis{Findings: []Finding{
		{Check: "vip address", On: "10.99.0.1", Level: FindingCrit, What: "it is missing", Cure: "add it"},
		{Check: "vip address", On: "10.99.0.2", Level: FindingOK},
		{Check: "rp_filter", On: "eth0", Level: FindingWarn},
		{Check: "next hop", On: "10.1.1.11", Level: FindingCrit},
		{Check: "returned", Level: FindingWarn, What: "they come back"},
		{Check: "returned", Level: FindingInfo},
	}}}}
	want := []Problem{{Key: "machine vip address 10.99.0.1", Severity: "crit", What: "it is missing", Cure: "add it"},
		{Key: "machine returned ", Severity: "warn", What: "they come back"}}
	if got := o.machineProblems(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
	for _, f := range o.examiner.latest.Findings {
		if problem := f.What != ""; newsworthy(f) && problem || newsworthy(f) != (bad(f) && !problem) {
			t.Errorf("%+v is told by doctor: %t", f, newsworthy(f))
		}
	}
	o.detached = true
	if got := o.machineProblems(); len(got) != 0 {
		t.Errorf("of a node that was detached: %+v", got)
	}
}
