package spec

// Query types by their numbers in DNS (RFC 1035, 3596, 2782).
const (
	queryA  QueryType = 1
	queryNS QueryType = 2
)

var (
	checkKinds = []word[CheckKind]{{"tcp", CheckTCP}, {"http", CheckHTTP}, {"https", CheckHTTPS}, {"tls", CheckTLS}, {"dns", CheckDNS},
		{"udp", CheckUDP}, {"ping", CheckPing}, {"command", CheckCommand}}
	checkTos   = []word[CheckTo]{{"vip", ToVIP}, {"backend", ToBackend}}
	queryTypes = []word[QueryType]{{"a", queryA}, {"ns", queryNS}, {"soa", 6}, {"txt", 16}, {"aaaa", 28}, {"srv", 33}}
)

func (k CheckKind) String() string { return nameOf(checkKinds, k, "kind", int(k)) }
func (t CheckTo) String() string   { return nameOf(checkTos, t, "to", int(t)) }
func (q QueryType) String() string { return nameOf(queryTypes, q, "type", int(q)) }

func (k CheckKind) MarshalText() ([]byte, error) { return marshalWord("kind", checkKinds, k) }
func (t CheckTo) MarshalText() ([]byte, error)   { return marshalWord("to", checkTos, t) }

func (k *CheckKind) UnmarshalText(b []byte) error { return unmarshalWord("kind", checkKinds, k, b) }
func (t *CheckTo) UnmarshalText(b []byte) error   { return unmarshalWord("to", checkTos, t, b) }
