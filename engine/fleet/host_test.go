package fleet

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// TestHostsPrefixes: a backend takes all addresses of the prefixes of its VIPs, or says why it cannot.
func TestHostsPrefixes(t *testing.T) {
	with := func(prefixes string) string {
		return strings.Replace(threeNodes, "    addresses: [10.99.0.1]\n", "    addresses: [10.99.0.1]\n    prefixes: "+prefixes+"\n", 1)
	}
	web := specOf(t, parsed(t, with(`[10.98.0.0/30, "fd00:98::8/127", 10.99.0.0/31]`)), "web1", nil)
	want := `[10.99.0.1 10.98.0.0 10.98.0.1 10.98.0.2 10.98.0.3 fd00:98::8 fd00:98::9 10.99.0.0]`
	if got := fmt.Sprint(web.Agent.VIPs); got != want {
		t.Errorf("it takes %s, not %s", got, want)
	}
	if most := specOf(t, parsed(t, with("[10.98.0.0/23]")), "web1", nil).Agent.VIPs; len(most) != 513 || most[512] != netip.MustParseAddr("10.98.1.255") {
		t.Errorf("it takes %d addresses, the last is %s", len(most), most[len(most)-1])
	}
	for prefixes, want := range map[string]string{
		"[10.98.0.0/22]":                "node web1: vip web: prefix 10.98.0.0/22 has more addresses than the 1023 that an agent takes",
		`["fd00:98::/64"]`:              "vip web: prefix fd00:98::/64 has more addresses",
		`["::/0"]`:                      "vip web: prefix ::/0 has more addresses",
		"[10.98.0.0/23, 10.96.0.0/23]":  "addresses are too many: at most 1023",
		"[10.98.0.0/30, 10.98.0.128/9]": "10.98.0.128/9", // no prefix: the load balancers' specs say so
	} {
		if _, err := Parse("test", []byte(with(prefixes))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", prefixes, err)
		}
	}
	large := parsed(t, strings.Replace(with("[10.96.0.0/12]"), "{address: 10.1.1.11}, ", "", 1))
	if got := specOf(t, large, "web1", nil); got.Agent != nil {
		t.Errorf("it hosts nothing, and takes %v", got.Agent.VIPs)
	}
}
