package command

import (
	"fmt"
	"io"
	"time"

	"hairpin/engine"
)

// viewRule is one rule of a firewall.
type viewRule struct {
	Stage  string `json:"stage"`
	Name   string `json:"name"`
	Match  string `json:"match"`
	Action string `json:"action"`
	viewCounter
}

// viewList is one list of prefixes.
type viewList struct {
	Stage    string     `json:"stage"`
	Of       string     `json:"of"`
	File     string     `json:"file"` // empty = the spec
	Prefixes int        `json:"prefixes"`
	Loaded   *time.Time `json:"loaded"`
	Why      string     `json:"why,omitempty"` // why the newest content of the file is not in use
}

// viewMetric is one number of an external stage or a probe.
type viewMetric struct {
	Stage string   `json:"stage"`
	Probe string   `json:"probe"`
	Map   string   `json:"map"`
	Name  string   `json:"name"`
	Kind  string   `json:"kind"`
	Value *float64 `json:"value"` // null = it could not be read
	Why   string   `json:"why,omitempty"`
}

func (w viewer) rule(r engine.Rule) viewRule {
	return viewRule{r.Stage, r.Name, r.Match, r.Action, w.counter(r.Counter)}
}

func viewListOf(l engine.List) viewList {
	return viewList{l.Stage, l.Of, l.File, l.Prefixes, instant(l.Loaded), l.Why}
}

func viewMetricOf(m engine.Metric) viewMetric {
	v := viewMetric{Stage: m.Stage, Probe: m.Probe, Map: m.Map, Name: m.Name, Kind: m.Kind, Why: m.Why}
	if m.Why == "" {
		v.Value = &m.Value
	}
	return v
}

// writeInside is what there is inside of stages: rules, lists of prefixes, metrics.
func (v viewChains) writeInside(w io.Writer) {
	if len(v.Rules) > 0 {
		fmt.Fprintln(w, "\nFIREWALL\tRULE\tACTION\tRATE\tPACKETS\tMATCH")
	}
	for _, r := range v.Rules {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", r.Stage, r.Name, r.Action, r.pps(), r.Packets, r.Match)
	}
	if len(v.Lists) > 0 {
		fmt.Fprintln(w, "\nFIREWALL\tOF\tPREFIXES\tFROM")
	}
	for _, l := range v.Lists {
		from := l.File
		if from == "" {
			from = "the spec"
		}
		if l.Why != "" {
			from += ", NOT ITS NEWEST CONTENT: " + l.Why
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", l.Stage, l.Of, l.Prefixes, from)
	}
	if len(v.Metrics) > 0 {
		fmt.Fprintln(w, "\nOF\tMAP\tMETRIC\tKIND\tVALUE")
	}
	for _, m := range v.Metrics {
		value := "not read: " + m.Why
		if m.Value != nil {
			value = fmt.Sprintf("%g", *m.Value)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Stage+m.Probe, m.Map, m.Name, m.Kind, value)
	}
}
