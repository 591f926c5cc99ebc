// Package when reads times as people type them, at three in the morning.
package when

import (
	"fmt"
	"strings"
	"time"
)

// Forms are examples of what Parse reads.
const Forms = "03:12, 03:12:30, -5m, 2026-11-22 03:12"

// Parse reads a time: of the last 24 hours (03:12, 03:12:30), before now (-5m, -1h30m), of a day (2026-11-22 03:12, with
// seconds or not), or in full (2026-11-22T03:12:30Z). Where no zone is named it is that of now.
func Parse(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "now" {
		return now, nil
	}
	if strings.HasPrefix(text, "-") {
		d, err := time.ParseDuration(text)
		if err != nil {
			return time.Time{}, fmt.Errorf("%q is no time before now: write -90s, -5m or -1h30m", text)
		}
		return now.Add(d), nil
	}
	for _, layout := range [...]string{"15:04", time.TimeOnly} {
		t, err := time.ParseInLocation(layout, text, now.Location())
		if err != nil {
			continue
		}
		at := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), 0, now.Location())
		if at.After(now) {
			at = time.Date(now.Year(), now.Month(), now.Day()-1, t.Hour(), t.Minute(), t.Second(), 0, now.Location())
		}
		return at, nil
	}
	for _, layout := range [...]string{"2006-01-02 15:04", time.DateTime, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: write %s", text, Forms)
}
