// Package metrics is a State in the text format of Prometheus, version 0.0.4. It is written by hand: a snapshot is whole by
// itself, so the client library's registry, its goroutines and its six modules would only copy it.
package metrics

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"hairpin/engine"
)

// most is how many series a metric has at most. What is left out is counted in hairpin_metrics_omitted_series.
const most = 2000

// ContentType is what Write writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// kind is what a metric is.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
)

// Write writes all metrics of s.
func Write(w io.Writer, s *engine.State) error {
	p := &page{omitted: map[string]int{}}
	p.node(s)
	p.machine(s)
	p.chains(s)
	p.stages(s)
	p.vips(s)
	p.tenants(s)
	p.limits(s)
	p.peers(s)
	p.captures(s)
	p.metric("hairpin_metrics_omitted_series", gauge, "Series that a metric was too long for.", func(add add) {
		for _, name := range p.names {
			if n := p.omitted[name]; n > 0 {
				add(float64(n), "metric", name)
			}
		}
	})
	_, err := w.Write(p.out.Bytes())
	return err
}

// page is the text as it grows.
type page struct {
	out     bytes.Buffer
	names   []string
	omitted map[string]int
}

// add writes one series: its value, and its labels by name and value.
type add func(value float64, labels ...string)

// metric writes one metric and its series. What has none is not written.
func (p *page) metric(name string, k kind, help string, each func(add)) {
	p.names = append(p.names, name)
	n, seen := 0, map[string]bool{}
	each(func(value float64, labels ...string) {
		series := name + labelText(labels)
		if seen[series] {
			return // two rows that differ in what is no label; the first counts
		}
		seen[series] = true
		if n == most {
			p.omitted[name]++
			return
		}
		if n == 0 {
			fmt.Fprintf(&p.out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, k)
		}
		n++
		fmt.Fprintf(&p.out, "%s %s\n", series, strconv.FormatFloat(value, 'g', -1, 64))
	})
}

// one is a metric with one series and no labels.
func (p *page) one(name string, k kind, help string, value float64) {
	p.metric(name, k, help, func(add add) { add(value) })
}

func labelText(labels []string) string {
	if len(labels) == 0 {
		return ""
	}
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		fmt.Fprintf(&b, `,%s="%s"`, labels[i], escape.Replace(strings.ToValidUTF8(labels[i+1], "?")))
	}
	return "{" + b.String()[1:] + "}"
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// seconds is a time since 1970; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
