package when

import (
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	zone := time.FixedZone("here", 2*3600)
	now := time.Date(2026, 11, 22, 3, 15, 0, 0, zone)
	for text, want := range map[string]time.Time{
		"03:12":                now.Add(-3 * time.Minute),
		" 3:12 ":               now.Add(-3 * time.Minute),
		"03:12:30":             now.Add(-150 * time.Second),
		"03:15":                now,
		"03:16":                now.Add(time.Minute - 24*time.Hour),
		"23:59:59":             time.Date(2026, 11, 21, 23, 59, 59, 0, zone),
		"-5m":                  now.Add(-5 * time.Minute),
		"-1h30m":               now.Add(-90 * time.Minute),
		"now":                  now,
		"2026-11-20 22:10":     time.Date(2026, 11, 20, 22, 10, 0, 0, zone),
		"2026-11-20 22:10:05":  time.Date(2026, 11, 20, 22, 10, 5, 0, zone),
		"2026-11-20T22:10:05Z": time.Date(2026, 11, 20, 22, 10, 5, 0, time.UTC),
	} {
		if got, err := Parse(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "25:00", "3", "-", "-5", "yesterday", "2026-13-01 00:00", "03:12:30pm"} {
		if got, err := Parse(text, now); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
