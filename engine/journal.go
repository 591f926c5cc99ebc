package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"hairpin/engine/events"
)

const (
	journalSize = 500
	// quietFor is how long a reason must not have dropped anything before dropping by it is news again.
	quietFor = 30 * time.Second
)

// journal is the last events of the node, newest last. Every one of them is in the log too.
type journal struct {
	log   *slog.Logger
	seq   uint64
	list  []Event
	drops map[dropKey]time.Time
}

type dropKey struct{ reason, where string }

func (j *journal) add(now time.Time, severity, who, what string, detail ...string) {
	j.seq++
	j.list = append(j.list, Event{Seq: j.seq, Time: now, Severity: severity, Who: who, What: what, Detail: detail})
	if len(j.list) > journalSize {
		j.list = slices.Delete(j.list, 0, len(j.list)-journalSize)
	}
	level := map[string]slog.Level{"warn": slog.LevelWarn, "crit": slog.LevelError}[severity]
	j.log.Log(context.Background(), level, what, "who", who, "severity", severity)
}

// forget leaves out what a newer event tells too.
func (j *journal) forget(is func(Event) bool) { j.list = slices.DeleteFunc(j.list, is) }

// about says of the last event which change of the history it is about.
func (j *journal) about(change int) { j.list[len(j.list)-1].Change = change }

// dropped notes that packets begin to be dropped for a reason, with one of them as the example.
func (j *journal) dropped(now time.Time, d events.Drop, chain, vip string) {
	where := chain
	if vip != "" {
		where = "vip " + vip
	}
	if j.drops == nil {
		j.drops = map[dropKey]time.Time{}
	}
	key := dropKey{d.Reason.Name, where}
	last, seen := j.drops[key]
	j.drops[key] = now
	if seen && now.Sub(last) < quietFor {
		return
	}
	detail := []string{"for example " + d.String(), d.Reason.Doc}
	if d.Reason.Cure != "" {
		detail = append(detail, d.Reason.Cure)
	}
	j.add(now, "warn", "kernel", fmt.Sprintf("%s: dropping with reason %s", where, d.Reason.Name), detail...)
	j.list[len(j.list)-1].Packet = d.Packet()
}

// events is a copy that never changes.
func (j *journal) events() []Event { return slices.Clone(j.list) }
