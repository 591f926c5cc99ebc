package spec

import (
	"encoding/json"
	"fmt"
	"testing"
)

func TestWords(t *testing.T) {
	for _, s := range []string{"tcp", "udp"} {
		same(t, s, ParseProtocol)
	}
	for _, s := range []string{"gue", "ipip"} {
		same(t, s, ParseEncap)
	}
	for _, s := range []string{"sticky", "none"} {
		same(t, s, ParseFlow)
	}
	for _, s := range []string{"up", "drain", "down", "maintenance"} {
		same(t, s, ParseState)
	}
	same(t, "dsr", ParseAgentMode)
}

func same[T fmt.Stringer](t *testing.T, s string, parse func(string) (T, error)) {
	t.Helper()
	v, err := parse(s)
	if err != nil || v.String() != s {
		t.Errorf("%s became %s, %v", s, v, err)
	}
	if v, err := parse(s + "?"); err == nil {
		t.Errorf("%s? became %s", s, v)
	}
}

func TestWordErrors(t *testing.T) {
	_, protocol := ParseProtocol("upd")
	_, mode := ParseAgentMode("snot")
	_, text := State(9).MarshalText()
	for want, err := range map[string]error{
		`protocol: "upd" is not known: did you mean udp? there are tcp, udp`: protocol,
		`mode: "snot" is not known: did you mean snat? there are dsr, snat`:  mode,
		`state: value state(9) has no name`:                                  text,
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if got := Protocol(0).String(); got != "protocol(0)" {
		t.Errorf("a protocol without a name is called %s", got)
	}
}

func TestJSON(t *testing.T) {
	d := newDice(t)
	for range 100 {
		s := d.spec()
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back := &Spec{}
		if err := json.Unmarshal(b, back); err != nil || !s.Equal(back) {
			t.Fatalf("another spec came back (%v) from %s", err, b)
		}
	}
	if b, err := json.Marshal(Backend{State: Drain}); err != nil || string(b) != `{"Address":"","Weight":0,"State":"drain","ID":0}` {
		t.Errorf("%s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"State": "draining"}`), &Backend{}); err == nil {
		t.Error("JSON brought in a state that there is not")
	}
}
