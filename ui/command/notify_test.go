package command

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"hairpin/engine"
)

// TestHeartbeat: only a snapshot that is new is a sign of life, and only who is meant gives any.
func TestHeartbeat(t *testing.T) {
	first := &engine.State{Time: time.Unix(1, 0)}
	again := &engine.State{Time: first.Time, Problems: []engine.Problem{{Key: "loop"}}}
	next := &engine.State{Time: time.Unix(2, 0)}
	for _, row := range []struct {
		waits, pid string
		want       int
	}{{"60000000", "", 2}, {"60000000", strconv.Itoa(os.Getpid()), 2}, {"60000000", "1", 0}, {"", "", 0}} {
		t.Setenv("WATCHDOG_USEC", row.waits)
		t.Setenv("WATCHDOG_PID", row.pid)
		var told []string
		alive := heartbeat(func(state string) { told = append(told, state) })
		for _, s := range []*engine.State{first, again, again, next} {
			alive(s)
		}
		if len(told) != row.want || slices.ContainsFunc(told, func(s string) bool { return s != "WATCHDOG=1" }) {
			t.Errorf("%+v: %q", row, told)
		}
	}
}
