package engine

import (
	"time"

	"hairpin/engine/datapath"
	"hairpin/engine/spec"
)

// watchedReadings is over how many readings, a second apart, a metric's maximum or average goes.
const watchedReadings = 60

// watchers remember what the metrics read in the last minute.
type watchers map[watchKey]*watcher

type watchKey struct{ stage, probe, name string }

type watcher struct {
	readings []reading // oldest first
	seen     bool
}

type reading struct {
	at    time.Time
	value float64
}

// show is what was read, as the spec wants it shown.
func (all watchers) show(now time.Time, read []datapath.Metric) []Metric {
	var shown []Metric
	for _, w := range all {
		w.seen = false
	}
	for _, m := range read {
		key := watchKey{m.Stage, m.Probe, m.Watch.Name}
		w := all[key]
		if w == nil {
			w = &watcher{}
			all[key] = w
		}
		w.seen = true
		shown = append(shown, metricOf(m, w.take(now, m)))
	}
	for key, w := range all {
		if !w.seen {
			delete(all, key)
		}
	}
	return shown
}

func metricOf(m datapath.Metric, value float64) Metric {
	shown := Metric{Stage: m.Stage, Probe: m.Probe, Map: m.Watch.Map, Name: m.Watch.Name, Kind: m.Watch.As.String(), Value: value}
	if m.Err != nil {
		shown.Value, shown.Why = 0, m.Err.Error()
	}
	return shown
}

// take notes a reading, unless there was one a moment ago or it failed, and returns what to show.
func (w *watcher) take(now time.Time, m datapath.Metric) float64 {
	last := len(w.readings) - 1
	if m.Err == nil && (last < 0 || now.Sub(w.readings[last].at) >= readEvery) {
		w.readings = append(w.readings, reading{now, m.Value})
		w.readings = w.readings[max(0, len(w.readings)-watchedReadings):]
	}
	switch m.Watch.As {
	case spec.WatchMaxRate:
		return w.maxRate()
	case spec.WatchAverage:
		return w.average()
	}
	return m.Value
}

// maxRate is the most that the number grew by in a second. One that fell began anew: another version counts from zero.
func (w *watcher) maxRate() (most float64) {
	for i := 1; i < len(w.readings); i++ {
		a, b := w.readings[i-1], w.readings[i]
		most = max(most, (b.value-a.value)/b.at.Sub(a.at).Seconds())
	}
	return most
}

func (w *watcher) average() (sum float64) {
	for _, r := range w.readings {
		sum += r.value / float64(len(w.readings))
	}
	return sum
}

// onceRead is what can be shown of metrics that nobody has read before.
func onceRead(read []datapath.Metric) []Metric {
	var shown []Metric
	for _, m := range read {
		one := metricOf(m, m.Value)
		if m.Err == nil && m.Watch.As != spec.WatchScalar {
			one.Value, one.Why = 0, "only an engine that reads it every second can say"
		}
		shown = append(shown, one)
	}
	return shown
}
